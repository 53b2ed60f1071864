#include "passes/core/patch_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/core/walk.h"
#include "ir/exec/compare.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "passes/core/patch_sizes.h"
#include "passes/core/scratch.h"

namespace lathe {
namespace {

using Outcome = PatchTestResult::Outcome;
using Env = std::unordered_map<ValueId, Datum>;

// Everything that a node reads, captures of its subgraphs too.
std::vector<ValueId> operands(const Model& m, NodeId n) {
  std::vector<ValueId> out;
  for (const ValueId v : m[n].in)
    if (v) out.push_back(v);
  for (const GraphId g : m.subgraphs(n))
    for (const ValueId v : captures(m, g)) out.push_back(v);
  return out;
}

// The run: support nodes and the old side in execution order, then the new side, from outside values.
struct Plan {
  std::vector<NodeId> old_side, new_side;
  std::vector<ValueId> outside;  // in order of first use: seeds do not depend on ids
  std::string why;               // not empty: cannot be run
};

class Planner {
 public:
  Planner(const Model& m, const ShapeValues& values, const Patch& patch)
      : m_(m), values_(values), patch_(patch) {}

  Plan run() {
    side_.insert(patch_.taken.begin(), patch_.taken.end());
    side_.insert(patch_.context.begin(), patch_.context.end());
    made_.insert(patch_.made.begin(), patch_.made.end());
    std::vector<ValueId> roots;
    for (const auto& [from, to] : patch_.replace) roots.push_back(from);
    for (const auto& [from, to] : patch_.replace)
      if (!made_.contains(m_[to].def)) roots.push_back(to);
    for (const NodeId n : patch_.made)
      for (const ValueId v : operands(m_, n))
        if (!made_.contains(m_[v].def)) roots.push_back(v);
    for (const ValueId v : roots) need(v);
    plan_.new_side = patch_.made;
    return std::move(plan_);
  }

 private:
  // A value that is only meaningful when computed: its elements steer shapes, and analysis does not know
  // them.
  bool must_compute(ValueId v) const {
    const Type& t = m_[v].type;
    if (!t.is_tensor() || !t.shape) return true;
    if (!is_integer(t.dtype)) return false;
    return t.shape->size() <= 1 && !values_.contains(v);
  }

  void need(ValueId start) {
    // Depth-first with an explicit stack: a node is emitted after what it reads.
    std::vector<std::pair<ValueId, bool>> stack{{start, false}};
    while (!stack.empty()) {
      const auto [v, ready] = stack.back();
      stack.pop_back();
      if (m_.constant(v) != nullptr || m_[v].sparse) continue;
      const NodeId n = m_[v].def;
      const bool computed =
          n && !m_.is_hidden(n) && (side_.contains(n) || (support_ < kMaxSupport && must_compute(v)));
      if (!computed) {
        if (seen_.insert(v).second) plan_.outside.push_back(v);
        continue;
      }
      if (ready) {
        if (emitted_.insert(n).second) {
          plan_.old_side.push_back(n);
          if (!side_.contains(n)) ++support_;
        }
        continue;
      }
      if (emitted_.contains(n)) continue;
      stack.push_back({v, true});
      const auto in = operands(m_, n);
      for (auto it = in.rbegin(); it != in.rend(); ++it) stack.push_back({*it, false});
    }
  }

  static constexpr int kMaxSupport = 64;
  const Model& m_;
  const ShapeValues& values_;
  const Patch& patch_;
  std::unordered_set<NodeId> side_, made_, emitted_;
  std::unordered_set<ValueId> seen_;
  int support_ = 0;
  Plan plan_;
};

bool all_nan(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr || !is_floating(t->dtype) || t->count() == 0) return false;
  for (int64_t i = 0, n = t->count(); i < n; ++i)
    if (t->as_double(i) == t->as_double(i)) return false;
  return true;
}

struct Run {
  bool ran = false, informative = true;
  std::string why, difference;
};

class Tester {
 public:
  Tester(const Model& m, const ShapeValues& values, const Patch& patch, const PatchTestOptions& options,
         const Plan& plan)
      : m_(m),
        values_(values),
        patch_(patch),
        options_(options),
        plan_(plan),
        limit_(std::max(scratch_bytes(m, plan.old_side), scratch_bytes(m, plan.new_side))) {}

  // `given`: values that are what they are here (smaller targets of Reshapes).
  Run run(Binding binding, FloatFill fill, const Env& given = {}) {
    Run r;
    Env env = given;
    Rng rng(options_.seed, patch_.rule);
    int64_t elements = std::min(options_.max_elements, limit_ / 8);
    for (const ValueId v : plan_.outside) {
      if (env.contains(v)) continue;
      auto d = seed_value(m_, values_, v, binding, rng, fill, elements, &r.why);
      if (!d) return r;
      elements -= d->tensor() != nullptr ? d->tensor()->count() : 0;
      env.emplace(v, std::move(*d));
    }
    Env old_env = env;
    try {
      Executor(m_, exec(false)).run_nodes(plan_.old_side, old_env);
    } catch (const Error& e) {  // these sizes do not fit the old side: nothing is learnt
      r.why = e.what();
      return r;
    }
    r.ran = true;
    Env new_env = old_env;
    if (!evaluate_new(new_env, false, &r)) return r;
    bool nan = true;
    for (const auto& [from, to] : patch_.replace) {
      nan = nan && all_nan(old_env.at(from));
      std::string text = difference(old_env.at(from), value_of(new_env, to));
      if (text.empty()) continue;
      // Two float results differ: doubles judge whether it is rounding.
      if (patch_.exactness == Exactness::rounding && agree_in_double(env)) continue;
      r.difference = fmt::format("'{}': {}", m_[from].name, text);
      return r;
    }
    r.informative = !nan;
    return r;
  }

 private:
  ExecOptions exec(bool precise) const {
    ExecOptions o;
    o.precise = precise;
    o.seed = options_.seed;
    o.max_bytes = (precise ? 2 : 1) * limit_;
    o.max_iterations = 10'000;
    return o;
  }

  bool evaluate_new(Env& env, bool precise, Run* r) {
    try {
      Executor(m_, exec(precise)).run_nodes(plan_.new_side, env);
      return true;
    } catch (const Error& e) {
      r->difference = fmt::format("the new side fails: {}", e.what());
      return false;
    }
  }

  Datum value_of(const Env& env, ValueId v) const {
    if (const auto it = env.find(v); it != env.end()) return it->second;
    return Datum(*m_.constant_ptr(v));
  }

  std::string difference(const Datum& a, const Datum& b) const {
    const DType t = a.tensor() != nullptr ? a.tensor()->dtype : DType::F32;
    const double tolerance = patch_.exactness == Exactness::bitwise ? 0
                             : patch_.tolerance > 0                 ? patch_.tolerance
                                                                    : rounding_tolerance(t);
    return compare(a, b, tolerance, tolerance > 0 ? 1e-30 : 0).text;
  }

  bool agree_in_double(const Env& inputs) {
    Env env = inputs;
    Run ignored;
    try {
      Executor(m_, exec(true)).run_nodes(plan_.old_side, env);
    } catch (const Error&) {
      return false;
    }
    const Env old_env = env;
    if (!evaluate_new(env, true, &ignored)) return false;
    constexpr double kConstantRounding = 2e-6;  // float32 constants of either side
    return std::all_of(patch_.replace.begin(), patch_.replace.end(), [&](const auto& p) {
      return compare(old_env.at(p.first), value_of(env, p.second), kConstantRounding, 1e-30).same;
    });
  }

  const Model& m_;
  const ShapeValues& values_;
  const Patch& patch_;
  const PatchTestOptions& options_;
  const Plan& plan_;
  const int64_t limit_;  // bytes that a side may make
};

bool is_symbolic(const Model& m, const Plan& plan) {
  return std::any_of(plan.outside.begin(), plan.outside.end(), [&](ValueId v) {
    const auto& shape = m[v].type.shape;
    return shape && !as_constants(*shape);
  });
}

}  // namespace

PatchTestResult test_patch(const Model& m, const ShapeValues& values, const Patch& patch,
                           const PatchTestOptions& options) {
  PatchTestResult result;
  const Plan plan = Planner(m, values, patch).run();
  for (const auto* side : {&plan.old_side, &plan.new_side})
    if (const std::string op = first_unsupported(m, *side); !op.empty()) {
      result.why = fmt::format("{} cannot be executed", op);
      return result;
    }
  std::vector<ValueId> results;
  for (const auto& [from, to] : patch.replace) results.push_back(to);
  const PatchSides sides{plan.old_side, plan.new_side, plan.outside, results};
  const auto smaller =
      options.given.empty() ? smaller_sizes(m, values, sides) : std::vector<std::map<int64_t, int64_t>>();
  Tester tester(m, values, patch, options, plan);
  const auto run = [&](const Binding& binding, const Env& given = {}) {
    Run r = tester.run(binding, FloatFill::normal, given);
    if (r.ran && r.difference.empty() && !r.informative) r = tester.run(binding, FloatFill::positive, given);
    return r;
  };
  using Fill = Binding::Fill;
  const std::vector<Fill> bindings = is_symbolic(m, plan)
                                         ? std::vector<Fill>{Fill::primes, Fill::named_primes, Fill::ones}
                                         : std::vector<Fill>{Fill::primes};
  bool symbols_ran = false;
  for (const Fill fill : bindings) {
    if (fill == Fill::named_primes && symbols_ran)
      continue;  // only where distinct unknowns contradicted each other
    Run r;
    const auto agrees = [&] { return r.ran && r.difference.empty() && r.informative; };
    for (const auto& sizes : smaller) {
      Binding small(fill);
      small.set_constants(sizes);
      r = run(small, smaller_constants(m, sides, sizes));
      if (agrees()) break;
    }
    // Only agreement counts at smaller sizes: what fails there may need its own.
    if (!agrees()) r = run(Binding(fill), options.given);
    if (!r.ran) {
      result.why = r.why;
      continue;
    }
    if (!r.difference.empty()) {
      result.outcome = Outcome::differs;
      result.why = r.difference;
      return result;
    }
    symbols_ran = true;
    ++result.runs;
  }
  if (result.runs > 0) {
    result.outcome = Outcome::equal;
    result.why.clear();
  }
  return result;
}

}  // namespace lathe
