// Neural network ops: Softmax before 13, train and test modes, pooling, recurrent layers.
#include <algorithm>
#include <cmath>

#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

// Before 13 Softmax, LogSoftmax and Hardmax flattened all dims from `axis` (default 1) on into one.
bool lift_softmax(Draft& d) {
  const int64_t axis = d.attrs.has("axis") ? d.take_int("axis").value_or(0) : 1;
  const int rank = d.rank(0);
  d.set("axis", axis);
  if (axis == -1) return true;
  if (rank < 0) return false;
  const int64_t first = axis < 0 ? axis + rank : axis;
  if (first < 0 || first >= rank) return false;
  const Shape shape = *d.type_of(0).shape;
  return std::all_of(shape.begin() + first + 1, shape.end(), [](Dim x) { return x.is_const(1); });
}

void lower_softmax(Draft& d) {
  const int64_t axis = d.attrs.has("axis") ? d.take_int("axis").value_or(0) : -1;
  const int rank = d.rank(0);
  if (axis != -1 && (rank < 0 || axis != rank - 1)) d.needs(13);
  if (d.opset < 11 && rank < 0) d.needs(11);
  d.set("axis", d.opset < 11 ? int64_t{rank} - 1 : axis);
}

// Before 7 `is_test` chose the mode; since 12 ratio and mode are inputs.
bool lift_dropout(Draft& d) {
  const bool training = d.opset < 7 && d.take_int("is_test").value_or(0) == 0;
  d.drop("consumed_inputs");
  const auto ratio = d.take_float("ratio");
  if (d.in.size() != 1) return false;
  if (d.opset < 10 && d.wants_output(1)) return false;  // the mask had the data's type
  if (ratio || training) d.make(1, Tensor::full(DType::F32, {}, ratio.value_or(0.5f)));
  if (training) d.make(2, Tensor::full(DType::Bool, {}, 1));
  d.changed = true;
  return true;
}

void lower_dropout(Draft& d) {
  if (d.has(2)) {
    const TensorPtr training = d.constant(2);
    if (!training || training->scalar_value().value_or(1) != 0) d.needs(12);
  }
  if (d.opset < 10 && d.wants_output(1)) d.needs(10);
  if (d.has(1)) d.set("ratio", d.constant_float(1, 12));
  d.omit_from(1);
  if (d.opset < 7) d.set("is_test", int64_t{1});
}

// The training form has other outputs since 14; before 9 there was one with statistics per activation.
bool lift_batch_normalization(Draft& d) {
  d.drop("consumed_inputs");
  if (d.opset < 7) d.take_int("is_test");  // the outputs tell
  if (d.opset < 9 && d.take_int("spatial").value_or(1) != 1) return false;
  for (size_t i = 1; i < d.node().out.size(); ++i)
    if (d.node().out[i]) return false;
  return d.node().out.size() <= 3;
}

void lower_batch_normalization(Draft& d) {
  if (d.node().out.size() > 1) d.needs(14);
  if (d.opset < 7) d.needs(7);
}

bool lift_lp_pool(Draft& d) {
  const auto p = d.take_float("p");
  if (!p) return true;
  if (*p != std::floor(*p) || std::fabs(*p) > 1e6f) return false;
  d.set("p", static_cast<int64_t>(*p));
  return true;
}

void lower_lp_pool(Draft& d) {
  if (const auto p = d.take_int("p")) d.set("p", static_cast<float>(*p));
}

// Which outputs there are tells the same.
bool lift_recurrent(Draft& d) {
  d.drop("output_sequence");
  return true;
}

void lower_recurrent(Draft& d) {
  if (d.wants_output(0)) d.set("output_sequence", int64_t{1});
}

bool lift_gemm(Draft& d) {
  d.drop("broadcast");
  return true;
}

void lower_gemm(Draft& d) {
  if (!d.has(2)) d.needs(11);
  if (d.opset < 7) d.set("broadcast", int64_t{1});
}

// Until 21 scale and bias were one a group, now they are one a channel.
bool lift_group_normalization(Draft&) { return false; }
void lower_group_normalization(Draft& d) { d.needs(21); }

void lower_attention(Draft& d) {
  if (d.has(6)) d.needs(24);
}
bool lift_nothing(Draft&) { return true; }

// Before 16 pixel centres were not shifted.
bool lift_roi_align(Draft& d) {
  if (!d.attrs.has("coordinate_transformation_mode"))
    d.set("coordinate_transformation_mode", std::string("output_half_pixel"));
  return true;
}

void lower_roi_align(Draft& d) {
  if (d.take_string("coordinate_transformation_mode").value_or("half_pixel") != "output_half_pixel")
    d.needs(16);
}

bool rename_mode(Draft& d, std::string_view from, std::string_view to) {
  const AttrValue* mode = d.attrs.find("mode");
  const auto* name = mode ? std::get_if<std::string>(mode) : nullptr;
  if (name == nullptr || *name != from) return false;
  d.set("mode", std::string(to));
  return true;
}

bool lift_grid_sample(Draft& d) {
  if (!rename_mode(d, "bilinear", "linear")) rename_mode(d, "bicubic", "cubic");
  return true;
}

void lower_grid_sample(Draft& d) {
  if (!rename_mode(d, "linear", "bilinear")) rename_mode(d, "cubic", "bicubic");
}

constexpr OpRule kRules[] = {
    {"Softmax", 13, lift_softmax, lower_softmax},
    {"LogSoftmax", 13, lift_softmax, lower_softmax},
    {"Hardmax", 13, lift_softmax, lower_softmax},
    {"Dropout", 12, lift_dropout, lower_dropout},
    {"BatchNormalization", 14, lift_batch_normalization, lower_batch_normalization},
    {"LpPool", 2, lift_lp_pool, lower_lp_pool},
    {"GlobalLpPool", 2, lift_lp_pool, lower_lp_pool},
    {"RNN", 7, lift_recurrent, lower_recurrent},
    {"LSTM", 7, lift_recurrent, lower_recurrent},
    {"GRU", 7, lift_recurrent, lower_recurrent},
    {"Gemm", 11, lift_gemm, lower_gemm},
    {"GroupNormalization", 21, lift_group_normalization, lower_group_normalization},
    {"Attention", 24, lift_nothing, lower_attention},
    {"RoiAlign", 16, lift_roi_align, lower_roi_align},
    {"GridSample", 20, lift_grid_sample, lower_grid_sample},
};

}  // namespace

std::span<const OpRule> nn_rules() { return kRules; }

}  // namespace lathe
