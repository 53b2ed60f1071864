// The pass machinery: pipeline syntax, pattern matching in normal form, commits that are checked, fuel,
// remarks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/core/check.h"
#include "ir/core/structural_hash.h"
#include "ir/core/walk.h"
#include "ir/ops/infer.h"
#include "passes/core/match.h"
#include "passes/core/pipeline.h"

namespace lathe {
namespace {

using testing::HasSubstr;

std::string usage_error(const std::string& pipeline) {
  try {
    parse_pipeline(pipeline);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.what();
  }
  return "accepted";
}

TEST(Pipeline, Parses) {
  const auto steps = parse_pipeline(" cse , fold{max-bytes=4k, quantize},dce ");
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[1].name, "fold");
  EXPECT_EQ(steps[1].options.at("max-bytes"), "4k");
  EXPECT_EQ(steps[1].options.at("quantize"), "true");
  EXPECT_TRUE(parse_pipeline("").empty());
  EXPECT_TRUE(parse_pipeline("  ").empty());
}

TEST(Pipeline, SaysWhatIsWrong) {
  EXPECT_THAT(usage_error("csee"), HasSubstr("did you mean 'cse'"));
  EXPECT_THAT(usage_error("entirely-unknown"), HasSubstr("--list-passes"));
  EXPECT_THAT(usage_error("fold{size=3}"), HasSubstr("no option 'size' (known: max-bytes"));
  EXPECT_THAT(usage_error("cse{fast}"), HasSubstr("it has none"));
  EXPECT_THAT(usage_error("fold{max-bytes=3"), HasSubstr("'{' without '}'"));
  EXPECT_THAT(usage_error("fold}"), HasSubstr("'}' without '{'"));
  EXPECT_THAT(usage_error("fold{}x"), HasSubstr("text after '}'"));
  EXPECT_THAT(usage_error("cse,,dce"), HasSubstr("empty pass name"));
  EXPECT_THAT(usage_error("simplify{x=1}"), HasSubstr("takes no options"));
}

TEST(Pipeline, OptionValuesAreChecked) {
  Model m;
  const auto run = [&](const std::string& pipeline) {
    try {
      run_pipeline(m, parse_pipeline(pipeline), {});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(run("fold{max-bytes=much}"), HasSubstr("wants a whole number, not 'much'"));
  EXPECT_THAT(run("fold{max-bytes=99999999999G}"), HasSubstr("wants a whole number"));
  EXPECT_THAT(run("fold{quantize=perhaps}"), HasSubstr("wants true or false, not 'perhaps'"));
  EXPECT_EQ(run("fold{max-bytes=2MB}"), "accepted");
}

// A model under construction: one float input x[4, 3].
struct Net {
  Model m;
  ValueId x;

  Net() {
    m.info.ir_version = 10;
    m.info.opsets = {{"", 22}};
    x = m.add_input(m.main(), {"x", Type::tensor(DType::F32, Shape{4, 3}), nullptr});
  }
  ValueId op(const std::string& type, std::vector<ValueId> in) {
    const NodeId n = m.create("", type, std::move(in), {}, 1, m.unique_name(type), {m.unique_name("v")});
    m.place(n, m.main());
    return m[n].out[0];
  }
  ValueId number(double value) {
    return m.add_initializer(m.main(), Tensor::full(DType::F32, {}, value), m.unique_name("c"));
  }
  void output(ValueId v, const std::string& name = "y") {
    m.add_output(m.main(), v, {name, Type::tensor(DType::F32), nullptr});
  }
  PassContext context(PassSettings& settings) {
    PassContext ctx(m, settings);
    ctx.pass = "test";
    ctx.values = infer_types(m);
    return ctx;
  }
};

TEST(Match, ProductsInAnySpelling) {
  const Var v;
  const Pat pattern = 0.5 * (Pat(v) * op("Erf", {Pat(v) / 2.0}));
  const auto matches = [&](auto build) {
    Net n;
    const ValueId root = build(n);
    n.output(root);
    infer_types(n.m);
    return match(n.m, pattern, root).has_value();
  };
  EXPECT_TRUE(matches([](Net& n) {
    const ValueId e = n.op("Erf", {n.op("Div", {n.x, n.number(2)})});
    return n.op("Mul", {n.op("Mul", {n.x, e}), n.number(0.5)});
  }));
  EXPECT_TRUE(matches([](Net& n) {  // halves instead, and another association
    const ValueId e = n.op("Erf", {n.op("Mul", {n.number(0.5), n.x})});
    return n.op("Mul", {n.op("Div", {e, n.number(2)}), n.x});
  }));
  EXPECT_FALSE(matches([](Net& n) {  // another number
    const ValueId e = n.op("Erf", {n.op("Mul", {n.number(0.51), n.x})});
    return n.op("Mul", {n.op("Div", {e, n.number(2)}), n.x});
  }));
  EXPECT_FALSE(matches([](Net& n) {  // another variable
    const ValueId e = n.op("Erf", {n.op("Mul", {n.number(0.5), n.op("Neg", {n.x})})});
    return n.op("Mul", {n.op("Div", {e, n.number(2)}), n.x});
  }));
}

TEST(Match, NearMissSaysWhy) {
  const Var v;
  const Pat pattern = op("Sqrt", {op("Exp", {Pat(v) + 1.0})});
  Net n;
  const ValueId root = n.op("Sqrt", {n.op("Exp", {n.op("Add", {n.x, n.number(1.5)})})});
  n.output(root);
  infer_types(n.m);
  NearMiss near;
  EXPECT_FALSE(match(n.m, pattern, root, &near));
  EXPECT_EQ(near.matched, 3);
  EXPECT_THAT(near.why, HasSubstr("constant is 1.5, not 1"));
}

Rule wrong_rule() {
  const Var v;
  return {.name = "wrong",
          .why = "it is not",
          .pattern = op("Relu", {v}),
          .emit = [=](Builder& b, const Match& m) { return b.op("Abs", {m[v]}); }};
}

TEST(Commit, AWrongRuleIsStoppedAndLeavesNothing) {
  Net n;
  n.output(n.op("Relu", {n.x}));
  PassSettings settings;
  PassContext ctx = n.context(settings);
  const uint64_t hash = structural_hash(n.m);
  const Rule rule = wrong_rule();
  EXPECT_EQ(ctx.apply(std::span(&rule, 1)), 0u);
  EXPECT_EQ(ctx.rejected, 1u);
  EXPECT_EQ(structural_hash(n.m), hash);
  EXPECT_TRUE(check_invariants(n.m).empty());
  ASSERT_EQ(ctx.remarks.size(), 1u);
  EXPECT_EQ(ctx.remarks[0].kind, Remark::Kind::rejected);
  EXPECT_THAT(ctx.remarks[0].text, HasSubstr("values differ"));
}

TEST(Commit, AWrongRuleGoesThroughUncheckedOnly) {
  Net n;
  n.output(n.op("Relu", {n.x}));
  PassSettings settings;
  settings.verify = Verify::off;
  PassContext ctx = n.context(settings);
  const Rule rule = wrong_rule();
  EXPECT_EQ(ctx.apply(std::span(&rule, 1)), 1u);
  EXPECT_EQ(n.m[n.m.nodes(n.m.main())[0]].type, "Abs");
}

TEST(Commit, AnotherTypeIsRefused) {
  const Var v;
  const Rule rule = {
      .name = "narrow",
      .why = "it is not",
      .pattern = op("Relu", {v}),
      .emit = [=](Builder& b, const Match& m) { return b.op("Cast", {m[v]}, attrs({{"to", int64_t{10}}})); }};
  Net n;
  n.output(n.op("Relu", {n.x}));
  PassSettings settings;
  settings.explain_missed = true;
  PassContext ctx = n.context(settings);
  EXPECT_EQ(ctx.apply(std::span(&rule, 1)), 0u);
  EXPECT_EQ(ctx.rejected, 0u);
  ASSERT_FALSE(ctx.remarks.empty());
  EXPECT_THAT(ctx.remarks[0].text, HasSubstr("the type would change from"));
}

TEST(Commit, ASecondUseIsAMissedRemark) {
  const Var v;
  const Rule rule = {.name = "pair",
                     .why = "for the test",
                     .pattern = op("Neg", {op("Neg", {v})}),
                     .emit = [=](Builder&, const Match& m) { return m[v]; }};
  Net n;
  const ValueId once = n.op("Neg", {n.x});
  n.output(n.op("Neg", {once}));
  n.output(once, "z");
  PassSettings settings;
  settings.explain_missed = true;
  PassContext ctx = n.context(settings);
  EXPECT_EQ(ctx.apply(std::span(&rule, 1)), 0u);
  ASSERT_EQ(ctx.remarks.size(), 1u);
  EXPECT_THAT(ctx.remarks[0].text, HasSubstr("is also an output of the graph"));
}

TEST(Fuel, CountsCommits) {
  const auto negs = [](uint64_t fuel) {
    Net n;
    ValueId v = n.x;
    for (int i = 0; i < 8; ++i) v = n.op("Neg", {v});
    n.output(n.op("Abs", {v}));
    PassSettings settings;
    settings.fuel = fuel;
    const PipelineReport report = run_pipeline(n.m, parse_pipeline("algebra"), settings);
    EXPECT_TRUE(check_invariants(n.m).empty());
    return node_count(n.m);
  };
  EXPECT_EQ(negs(0), 9u);
  EXPECT_EQ(negs(1), 7u);
  EXPECT_EQ(negs(2), 5u);
  EXPECT_EQ(negs(100), 1u);
}

TEST(Fuel, EveryPassStopsWithoutIt) {
  for (const PassDef& p : all_passes()) {
    Net n;
    const ValueId a = n.op("Identity", {n.x});
    n.op("Exp", {a});  // dead
    const ValueId k = n.op("Neg", {n.number(2)});
    n.output(n.op("Add", {n.op("Relu", {a}), n.op("Mul", {n.op("Relu", {n.x}), k})}));
    PassSettings settings;
    settings.fuel = 0;
    const uint64_t hash = structural_hash(n.m);
    PipelineStep step = {p.name, {}};
    if (p.name == "policy") step.options["file"] = "samples/policies/mixed.xml";
    if (p.name == "auto") step.options["min-cosine"] = "0.99";
    const PipelineReport r = run_pipeline(n.m, {step}, settings);
    EXPECT_EQ(structural_hash(n.m), hash) << p.name;
    EXPECT_FALSE(r.passes.at(0).changed) << p.name;
  }
}

TEST(Trail, RecordsWhatBecameOfWhat) {
  Net n;
  n.output(n.op("Not", {n.op("Not", {n.op("Cast", {n.x})})}));
  const NodeId cast = n.m.nodes(n.m.main())[0];
  n.m.set_attr(cast, "to", int64_t{9});
  PassSettings settings;
  PassContext ctx = n.context(settings);
  ctx.apply(find_pass("algebra")->rules);
  ASSERT_EQ(n.m.trail.size(), 1u);
  EXPECT_EQ(n.m.trail[0].pass, "test");
  EXPECT_EQ(n.m.trail[0].rule, "not-not");
  EXPECT_THAT(n.m.trail[0].taken, testing::UnorderedElementsAre("Not", "Not_1"));
}

}  // namespace
}  // namespace lathe
