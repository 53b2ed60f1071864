// Cast of a Cast becomes one Cast (or none) where the type in the middle holds every value of the source.
#include <fmt/format.h>

#include <optional>

#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

struct Range {
  int mantissa;  // bits of precision, the hidden one too; of integers: value bits
  int exponent;  // of the largest power of two
  bool is_float, is_signed;
};

std::optional<Range> range_of(DType t) {
  switch (t) {
    case DType::F64:
      return Range{53, 1023, true, true};
    case DType::F32:
      return Range{24, 127, true, true};
    case DType::F16:
      return Range{11, 15, true, true};
    case DType::BF16:
      return Range{8, 127, true, true};
    case DType::Bool:
      return Range{1, 0, false, false};
    case DType::U8:
    case DType::U16:
    case DType::U32:
    case DType::U64:
      return Range{bit_width(t), bit_width(t) - 1, false, false};
    case DType::I8:
    case DType::I16:
    case DType::I32:
    case DType::I64:
      return Range{bit_width(t) - 1, bit_width(t) - 1, false, true};
    default:
      return std::nullopt;  // 8-bit floats saturate or not; strings parse
  }
}

// Is every value of `source` exactly a value of `middle`?
bool holds(DType middle, DType source) {
  if (middle == source) return true;
  const auto m = range_of(middle), s = range_of(source);
  if (!m || !s || middle == DType::Bool) return false;
  if (s->is_float && !m->is_float) return false;
  if (s->is_signed && !m->is_signed) return false;
  return m->mantissa >= s->mantissa && m->exponent >= s->exponent;
}

bool join(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const NodeId first = producer(m, m[n].input(0), "Cast");
  if (!first) return false;
  const ValueId x = m[first].in[0];
  const DType source = m[x].type.dtype, middle = m[m[first].out[0]].type.dtype,
              last = m[m[n].out[0]].type.dtype;
  if (source == DType::Undefined || last == DType::Undefined || last == DType::String) return false;
  if (!holds(middle, source)) {
    ctx.missed("cast-twice", n,
               fmt::format("{} does not hold every value of {}", onnx_name(middle), onnx_name(source)));
    return false;
  }
  Builder b(m, ctx.values, n);
  Attrs same = m[n].attrs;
  const ValueId made = source == last ? x : b.op("Cast", {x}, std::move(same));
  return replace_node(ctx, "cast-twice", b, n, {first}, made);
}

}  // namespace

PassDef simplify_cast() {
  return {.name = "simplify-cast",
          .group = "shape",
          .summary = "Make one Cast of two where the first loses nothing",
          .run = [](PassContext& ctx, const PassOptions&) {
            const std::vector<NodeRewrite> rewrites = {{"Cast", join}};
            sweep(ctx, rewrites);
          }};
}

}  // namespace lathe
