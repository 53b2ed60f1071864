#include "passes/shape/batch_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ir/exec/compare.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/ops/infer.h"
#include "passes/core/scratch.h"
#include "passes/core/take.h"

namespace lathe {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int64_t kGroups = 3;  // each of `old` samples
constexpr double kDepth = 8;    // whole models accumulate rounding over their depth

std::optional<size_t> axis_of_batch(const Type& t, Dim batch) {
  if (!t.shape) return std::nullopt;
  const auto at = std::find(t.shape->begin(), t.shape->end(), batch);
  return at == t.shape->end() ? std::nullopt : std::optional<size_t>(at - t.shape->begin());
}

// Part `group` of kGroups equal parts along the axis; nullopt for elements smaller than a byte, or strings.
std::optional<Tensor> part(const Tensor& t, size_t axis, int64_t group) {
  if (t.dtype == DType::String || bit_width(t.dtype) % 8 != 0 || t.dims[axis] % kGroups != 0)
    return std::nullopt;
  std::vector<int64_t> at(static_cast<size_t>(t.dims[axis] / kGroups));
  std::iota(at.begin(), at.end(), group * t.dims[axis] / kGroups);
  return take_along(t, static_cast<int64_t>(axis), at);
}

}  // namespace

std::optional<std::string> batch_rows_differ(const Model& before, const Model& freed, Dim batch,
                                             int64_t old) {
  Model typed = freed;
  const ShapeValues values = infer_types(typed);
  const int64_t limit = scratch_bytes(typed);
  const std::vector<ValueId> names = typed.inputs(typed.main());
  std::string why = "it has no inputs that could be made";
  for (const auto fill : {Binding::Fill::named_primes, Binding::Fill::ones}) {
    Binding binding(fill);
    binding.set(batch.symbol_name(), kGroups * old);
    Rng rng(kSeed);
    const auto made = seed_inputs(typed, values, binding, rng, limit / 8, &why);
    if (!made) return why;
    const std::vector<Datum>& inputs = *made;
    try {
      const auto got = Executor(typed, {.seed = kSeed, .max_bytes = limit}).run(inputs);
      for (int64_t group = 0; group < kGroups; ++group) {
        std::vector<Datum> mine = inputs;
        for (size_t i = 0; i < names.size(); ++i) {
          const auto axis = axis_of_batch(typed[names[i]].type, batch);
          if (!axis || mine[i].tensor() == nullptr) continue;
          auto rows = part(*mine[i].tensor(), *axis, group);
          if (!rows) return fmt::format("samples of input '{}' cannot be taken apart", typed[names[i]].name);
          mine[i] = std::move(*rows);
        }
        const auto want = Executor(before, {.seed = kSeed, .max_bytes = limit}).run(mine);
        for (size_t i = 0; i < want.size(); ++i) {
          const auto axis = axis_of_batch(typed[typed.outputs(typed.main())[i]].type, batch);
          const Tensor* all = got[i].tensor();
          if (!axis || all == nullptr || want[i].tensor() == nullptr) continue;
          const auto rows = part(*all, *axis, group);
          if (!rows) continue;
          const Difference d = compare(want[i], *rows, kDepth * rounding_tolerance(all->dtype),
                                       is_floating(all->dtype) ? 1e-30 : 0);
          if (!d.same)
            return fmt::format("output '{}' of sample {} depends on the others: {}",
                               freed[freed.main()].outputs[i].name, group * old, d.text);
        }
      }
      return std::nullopt;
    } catch (const Error& e) {
      why = e.what();
    }
  }
  return fmt::format("it could not be run at other sizes: {}", why);
}

}  // namespace lathe
