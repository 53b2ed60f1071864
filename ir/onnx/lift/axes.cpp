// Attributes that became inputs: axes of Squeeze, Unsqueeze and the reductions, bounds of Slice, k of TopK,
// ...
#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

// Squeeze, Unsqueeze and ReduceSum have `axes` as an input since 13, the other reductions since 18.
bool lift_axes(Draft& d) {
  if (d.in.size() != 1) return false;
  if (const auto axes = d.take_ints("axes")) d.make(1, Tensor::of_i64(*axes));
  return true;
}

void lower_axes(Draft& d, int64_t newer) {
  if (d.has(1)) {
    const std::vector<int64_t> axes = d.constant_ints(1, newer);
    d.omit_from(1);
    if (!axes.empty()) d.set("axes", axes);
  } else {
    d.omit_from(1);
  }
}
void lower_axes_13(Draft& d) { lower_axes(d, 13); }
void lower_axes_18(Draft& d) { lower_axes(d, 18); }

bool lift_unsqueeze(Draft& d) { return lift_axes(d) && d.has(1); }

bool lift_slice(Draft& d) {
  const auto starts = d.take_ints("starts"), ends = d.take_ints("ends"), axes = d.take_ints("axes");
  if (d.in.size() != 1 || !starts || !ends) return false;
  d.make(1, Tensor::of_i64(*starts));
  d.make(2, Tensor::of_i64(*ends));
  if (axes) d.make(3, Tensor::of_i64(*axes));
  return true;
}

void lower_slice(Draft& d) {
  if (d.has(4))
    for (const int64_t step : d.constant_ints(4, 10))
      if (step != 1) d.needs(10);
  d.set("starts", d.constant_ints(1, 10));
  d.set("ends", d.constant_ints(2, 10));
  if (d.has(3)) d.set("axes", d.constant_ints(3, 10));
  d.omit_from(1);
}

bool lift_top_k(Draft& d) {
  if (d.opset >= 10) return true;
  const auto k = d.take_int("k");
  if (d.in.size() != 1 || !k) return false;
  d.make(1, Tensor::of_i64({*k}));
  return true;
}

void lower_top_k(Draft& d) {
  if (d.opset >= 10) return;
  const std::vector<int64_t> k = d.constant_ints(1, 10);
  if (k.size() != 1) d.needs(10);
  d.set("k", k[0]);
  d.omit_from(1);
}

// The axis of DFT is an input since 20; its default was 1 and is -2.
bool lift_dft(Draft& d) {
  const auto axis = d.take_int("axis");
  if (d.in.size() > 2) return false;
  d.make(2, Tensor::scalar_i64(axis.value_or(1)));
  return true;
}

void lower_dft(Draft& d) {
  int64_t axis = -2;
  if (d.has(2)) {
    const std::vector<int64_t> given = d.constant_ints(2, 20);
    if (given.size() != 1) d.needs(20);
    axis = given[0];
  }
  d.omit_from(2);
  d.set("axis", axis);
}

bool lift_reshape(Draft& d) {
  d.drop("consumed_inputs");
  const auto shape = d.take_ints("shape");
  if (d.in.size() != 1 || !shape) return false;
  d.make(1, Tensor::of_i64(*shape));
  return true;
}

void lower_reshape(Draft& d) {
  d.set("shape", d.constant_ints(1, 5));
  d.omit_from(1);
}

constexpr OpRule kRules[] = {
    {"Squeeze", 13, lift_axes, lower_axes_13},
    {"Unsqueeze", 13, lift_unsqueeze, lower_axes_13},
    {"ReduceSum", 13, lift_axes, lower_axes_13},
    {"ReduceL1", 18, lift_axes, lower_axes_18},
    {"ReduceL2", 18, lift_axes, lower_axes_18},
    {"ReduceLogSum", 18, lift_axes, lower_axes_18},
    {"ReduceLogSumExp", 18, lift_axes, lower_axes_18},
    {"ReduceMax", 18, lift_axes, lower_axes_18},
    {"ReduceMean", 18, lift_axes, lower_axes_18},
    {"ReduceMin", 18, lift_axes, lower_axes_18},
    {"ReduceProd", 18, lift_axes, lower_axes_18},
    {"ReduceSumSquare", 18, lift_axes, lower_axes_18},
    {"Slice", 10, lift_slice, lower_slice},
    {"TopK", 11, lift_top_k, lower_top_k},
    {"DFT", 20, lift_dft, lower_dft},
    {"Reshape", 5, lift_reshape, lower_reshape},
};

}  // namespace

std::span<const OpRule> axes_rules() { return kRules; }

}  // namespace lathe
