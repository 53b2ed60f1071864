#include "passes/quant/half/weight_sample.h"

#include <optional>

#include "passes/core/take.h"
#include "passes/quant/half/slots.h"
#include "passes/quant/sample.h"

namespace lathe {
namespace {

constexpr int64_t kLarge = int64_t{1} << 20;  // elements

// The operand that is a matrix, and its axis that makes the last one of the result.
struct Place {
  size_t slot;
  int64_t axis;
};

std::optional<Place> place_of(const Node& n) {
  if (n.is("MatMul")) return Place{1, 1};
  if (n.is("Gemm") || n.is("FusedMatMul", "com.microsoft"))
    return Place{1, n.attrs.i("transB", 0) != 0 ? 0 : 1};
  if (n.is("Gather") && n.attrs.i("axis", 0) == 0) return Place{0, 1};
  if (n.is("Transpose")) return Place{0, 1};
  return std::nullopt;
}

}  // namespace

std::unordered_map<ValueId, Datum> weight_sample(const Model& m, NodeId n) {
  std::unordered_map<ValueId, Datum> given;
  const Node& node = m[n];
  const auto place = place_of(node);
  const ValueId v = place ? node.input(place->slot) : ValueId{};
  const Tensor* t = is_f32(m, v) ? m.constant(v) : nullptr;
  if (t == nullptr || t->rank() != 2 || t->count() < kLarge) return given;
  const int64_t wide = t->dims[static_cast<size_t>(place->axis)];
  const std::vector<int64_t> at = sample_columns(wide);
  if (at.empty()) return given;
  if (const ValueId bias = node.is("Gemm") ? node.input(2) : ValueId{}) {
    const Tensor* b = m.constant(bias);
    if (b == nullptr || bias == v || b->rank() != 1 || b->dims[0] != wide) return given;
    given.emplace(bias, take_along(*b, 0, at));
  }
  given.emplace(v, take_along(*t, place->axis, at));
  return given;
}

}  // namespace lathe
