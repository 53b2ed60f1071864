#include "passes/core/model_test.h"

#include "ir/exec/compare.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/ops/infer.h"
#include "passes/core/scratch.h"

namespace lathe {
namespace {

// Whole models accumulate rounding over their depth; fused kernels round less often.
constexpr double kDepth = 8;

// Where `after` declares a size for a symbol of `before` (bind-dims), that size is run.
void narrow_inputs(Model& before, const Model& after) {
  const auto inputs = before.inputs(before.main());
  for (size_t i = 0; i < inputs.size() && i < after[after.main()].inputs.size(); ++i) {
    Type t = before[inputs[i]].type;
    const auto& now = after[after.main()].inputs[i].type.shape;
    if (!t.shape || !now || now->size() != t.shape->size()) continue;
    for (size_t k = 0; k < now->size(); ++k)
      if ((*now)[k].is_const()) (*t.shape)[k] = (*now)[k];
    if (!(t == before[inputs[i]].type)) before.set_type(inputs[i], std::move(t));
  }
}

}  // namespace

void test_model(const Model& before, const Model& after, uint64_t seed) {
  Model typed = before;
  narrow_inputs(typed, after);
  const ShapeValues values = infer_types(typed);
  const int64_t limit = scratch_bytes(typed);
  std::string why = "it has no inputs that could be made";
  int runs = 0;
  for (const auto fill : {Binding::Fill::primes, Binding::Fill::named_primes, Binding::Fill::ones}) {
    Binding binding(fill);
    Rng rng(seed);
    const auto made = seed_inputs(typed, values, binding, rng, limit / 8, &why);
    if (!made) continue;
    const std::vector<Datum>& inputs = *made;
    std::vector<Datum> want;
    try {
      want = Executor(typed, {.seed = seed, .max_bytes = limit}).run(inputs);
    } catch (const Error& e) {
      why = e.what();
      continue;
    }
    const std::vector<Datum> got = Executor(after, {.seed = seed, .max_bytes = 2 * limit}).run(inputs);
    ++runs;
    for (size_t i = 0; i < want.size(); ++i) {
      const DType t = want[i].tensor() != nullptr ? want[i].tensor()->dtype : DType::F32;
      const Difference d =
          compare(want[i], got[i], kDepth * rounding_tolerance(t), is_floating(t) ? 1e-30 : 0);
      if (!d.same)
        fail_check("the optimized model differs at output '{}': {}", before[before.main()].outputs[i].name,
                   d.text);
    }
  }
  if (runs == 0) fail_check("the model could not be run to verify it: {}", why);
}

}  // namespace lathe
