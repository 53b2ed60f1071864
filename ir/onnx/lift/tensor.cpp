// Ops that move data: Pad, Split, Concat, Scatter, Tile; and Scan-8.
#include <cmath>

#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

// Pads and value are inputs since 11, axes since 18.
bool lift_pad(Draft& d) {
  if (d.opset >= 11) return d.in.size() <= 3;
  const auto pads = d.take_ints(d.opset < 2 ? "paddings" : "pads");
  const auto value = d.take_float("value");
  if (d.in.size() != 1 || !pads) return false;
  d.make(1, Tensor::of_i64(*pads));
  if (value.value_or(0) == 0 && !std::signbit(value.value_or(0))) return true;
  DType type = d.dtype(0);
  if (type == DType::Undefined && d.node().output(0)) type = d.model[d.node().output(0)].type.dtype;
  if (type == DType::Undefined) return false;
  d.make(2, Tensor::full(type, {}, *value));
  return true;
}

void lower_pad(Draft& d) {
  if (d.has(3)) d.needs(18);
  d.omit_from(3);
  if (d.opset >= 11) return;
  d.set(d.opset < 2 ? "paddings" : "pads", d.constant_ints(1, 11));
  if (d.has(2)) d.set("value", d.constant_float(2, 11));
  d.omit_from(1);
}

// Sizes are an input since 13 (and were one in 1); since 18 the count is given where they are not.
bool lift_split(Draft& d) {
  if (d.opset < 2 && !d.attrs.has("axis")) return false;
  if (d.opset < 13) {
    const auto sizes = d.take_ints("split");
    if (d.in.size() > (d.opset < 2 ? 2u : 1u)) return false;
    if (sizes && !d.has(1)) d.make(1, Tensor::of_i64(*sizes));
  }
  if (!d.has(1)) d.set("num_outputs", static_cast<int64_t>(d.node().out.size()));
  return true;
}

void lower_split(Draft& d) {
  if (const auto count = d.take_int("num_outputs"); count && !d.has(1)) {
    // Older opsets divide evenly or not at all.
    const Type type = d.type_of(0);
    const int64_t axis = d.attrs.i("axis", 0), at = axis < 0 ? axis + type.rank() : axis;
    if (!d.node().spelling) {
      if (!type.shape || at < 0 || at >= type.rank() || *count < 1) d.needs(18);
      if (!Dim::exact_div((*type.shape)[static_cast<size_t>(at)], *count)) d.needs(18);
    }
  }
  if (d.opset >= 13 || !d.has(1)) return;
  d.set("split", d.constant_ints(1, 13));
  d.omit_from(1);
}

bool lift_concat(Draft& d) {
  if (!d.attrs.has("axis")) d.set("axis", int64_t{1});
  return true;
}

bool lift_scatter(Draft& d) {
  d.rename("ScatterElements");
  return true;
}

void lower_scatter_elements(Draft& d) { d.rename("Scatter"); }

// Tile-1 repeats along one axis only, Scan-8 has a batch axis.
bool lift_never(Draft&) { return false; }
void lower_tile(Draft& d) { d.needs(6); }
void lower_scan(Draft& d) { d.needs(9); }

constexpr OpRule kRules[] = {
    {"Pad", 18, lift_pad, lower_pad},
    {"Split", 18, lift_split, lower_split},
    {"Concat", 4, lift_concat, nullptr},
    {"Scatter", 11, lift_scatter, nullptr},
    {"ScatterElements", 11, nullptr, lower_scatter_elements},
    {"Tile", 6, lift_never, lower_tile},
    {"Scan", 9, lift_never, lower_scan},
};

}  // namespace

std::span<const OpRule> tensor_rules() { return kRules; }

}  // namespace lathe
