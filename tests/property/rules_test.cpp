// Every rule of every pass: instances of its own pattern are rewritten, and nothing that is rewritten, bent
// instances included, ever computes something else. A rule that only its check saves from being wrong fails
// here: `rejected` must stay 0.
#include <gtest/gtest.h>

#include <set>

#include "ir/core/check.h"
#include "ir/ops/infer.h"
#include "passes/core/model_test.h"
#include "passes/core/pass.h"
#include "tests/property/instance.h"

namespace lathe {
namespace {

constexpr int kSeeds = 12;

struct Outcome {
  uint64_t commits = 0;
  std::string rejected, missed;
};

Outcome apply(Model& m, const Rule& rule) {
  PassSettings settings;
  settings.explain_missed = true;
  PassContext ctx(m, settings);
  ctx.pass = "property";
  ctx.values = infer_types(m);
  Outcome out;
  out.commits = ctx.apply(std::span(&rule, 1));
  for (const Remark& r : ctx.remarks) {
    if (r.kind == Remark::Kind::rejected) out.rejected = r.text;
    if (r.kind == Remark::Kind::missed) out.missed = r.text;
  }
  return out;
}

bool runs(const Model& m) {
  try {
    test_model(m, m, 1);
    return true;
  } catch (const Error&) {  // an instance that is no model (a bool where a float must be)
    return false;
  }
}

class RuleTest : public testing::Test {
 public:
  explicit RuleTest(Rule rule) : rule_(std::move(rule)) {}

  void TestBody() override {
    uint64_t commits = 0;
    int models = 0;
    std::string missed = "no instance could be run";
    for (int seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
      Rng rng(static_cast<uint64_t>(seed), rule_.name);
      const Instance plain = make_instance(rule_.pattern, {}, rng);
      if (const auto o = check(plain.model, "as written")) {
        ++models;
        commits += o->commits;
        if (!o->missed.empty()) missed = o->missed;
      }
      bend(plain, static_cast<uint64_t>(seed));
    }
    // A kernel of rank 4, two dims that must fit: golden cases cover what the generator does not know to
    // make.
    if (models == 0) GTEST_SKIP() << "no random instance is a model";
    EXPECT_GT(commits, 0u) << "no instance was rewritten: " << missed;
  }

 private:
  // nullopt: the instance is not a model.
  std::optional<Outcome> check(const Model& before, const std::string& what) {
    Model typed = before;
    try {
      infer_types(typed);
    } catch (const Error&) {
      return std::nullopt;
    }
    if (!runs(before)) return std::nullopt;
    Model after = before;
    Outcome o = apply(after, rule_);
    EXPECT_EQ(o.rejected, "") << what;
    EXPECT_EQ(check_invariants(after), std::vector<std::string>{}) << what;
    EXPECT_NO_THROW(test_model(before, after, 7)) << what;
    return o;
  }

  void bend(const Instance& plain, uint64_t seed) {
    const auto again = [&](const InstanceOptions& options, const std::string& what) {
      Rng rng(seed, rule_.name);
      check(make_instance(rule_.pattern, options, rng).model, what);
    };
    for (int i = 0; i < plain.numbers; ++i) again({.bend = i}, "a number is 10 % larger");
    again({.dtype = DType::F16}, "float16");
    again({.dtype = DType::F64}, "double");
    again({.dtype = DType::I64}, "int64");
    again({.shape = {4}}, "rank 1");
    again({.shape = {2, 1, 3, 2}}, "rank 4");
    again({.narrow_vars = true}, "broadcast operands");
    for (const ValueId v : plain.inner) {
      Model m = plain.model;
      m.add_output(m.main(), v, {"extra", Type(), nullptr});
      check(m, "an inner value is an output too");
    }
  }

  Rule rule_;
};

void register_rules() {
  std::set<std::string> names;
  for (const PassDef& p : all_passes())
    for (const Rule& r : p.rules) {
      std::string name = p.name + "." + r.name;
      for (int i = 2; !names.insert(name).second; ++i) name = p.name + "." + r.name + "_" + std::to_string(i);
      testing::RegisterTest("Rules", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [r]() -> testing::Test* { return new RuleTest(r); });
    }
}

// Registered before main: GoogleTest's own main then lists them.
[[maybe_unused]] const bool registered = (register_rules(), true);

}  // namespace
}  // namespace lathe
