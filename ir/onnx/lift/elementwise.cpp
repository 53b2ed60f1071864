// Element-wise ops: in-place hints, broadcasting before opset 7, bounds of Clip, types of Cast.
#include <algorithm>
#include <cctype>

#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

bool lift_in_place(Draft& d) {
  d.drop("consumed_inputs");  // a hint to reuse the input's memory
  return true;
}

bool lift_selu(Draft& d) {
  d.drop("consumed_inputs");
  // The newer defaults have more digits.
  if (!d.attrs.has("alpha")) d.set("alpha", 1.6732f);
  if (!d.attrs.has("gamma")) d.set("gamma", 1.0507f);
  return true;
}

void lower_selu(Draft& d) {
  if (!d.attrs.has("alpha")) d.set("alpha", 1.67326319217681884765625f);
  if (!d.attrs.has("gamma")) d.set("gamma", 1.05070102214813232421875f);
}

// Before 7 the second operand had to have the first one's shape or, with broadcast = 1, that of some of its
// consecutive dims: the last ones, or those from `axis` on.
bool lift_broadcast(Draft& d) {
  d.drop("consumed_inputs");
  const auto broadcast = d.take_int("broadcast"), axis = d.take_int("axis");
  if (broadcast.value_or(0) == 0 || !axis) return true;
  const int a = d.rank(0), b = d.rank(1);
  if (b == 0) return true;
  if (a < 0 || b < 0) return false;
  return (*axis < 0 ? *axis + a : *axis) + b == a;  // the last dims: as numpy has it
}

bool same_shape(const Type& a, const Type& b) { return a.shape && b.shape && *a.shape == *b.shape; }

void lower_broadcast(Draft& d) {
  const Type a = d.type_of(0), b = d.type_of(1);
  if (same_shape(a, b)) return;
  if (!a.shape || !b.shape || b.rank() > a.rank() ||
      !std::equal(b.shape->begin(), b.shape->end(), a.shape->end() - b.rank()))
    d.needs(7);
  d.set("broadcast", int64_t{1});
}

void lower_variadic(Draft& d) {
  for (size_t i = 1; i < d.in.size(); ++i)
    if (!same_shape(d.type_of(0), d.type_of(i))) d.needs(8);
}

// Before 7 the slope was one number or one a channel (the second axis).
bool lift_prelu(Draft& d) {
  d.drop("consumed_inputs");
  if (const TensorPtr slope = d.constant(1); slope && slope->count() == 1) return true;
  const Type slope = d.type_of(1);
  if (slope.shape && (slope.rank() == 0 || (slope.rank() == 1 && (*slope.shape)[0].is_const(1)))) return true;
  return slope.rank() == 1 && d.rank(0) == 2;
}

void lower_prelu(Draft& d) {
  const TensorPtr slope = d.constant(1);
  if (!slope || slope->count() != 1) d.needs(7);
}

// Bounds are inputs since 11. They have the data's element type.
bool lift_clip(Draft& d) {
  d.drop("consumed_inputs");
  const auto min = d.take_float("min"), max = d.take_float("max");
  if (d.in.size() != 1) return false;
  if (!min && !max) return true;
  DType type = d.dtype(0);
  if (type == DType::Undefined && d.node().output(0)) type = d.model[d.node().output(0)].type.dtype;
  if (!is_floating(type)) return false;
  if (min) d.make(1, Tensor::full(type, {}, *min));
  if (max) d.make(2, Tensor::full(type, {}, *max));
  return true;
}

void lower_clip(Draft& d) {
  if (d.has(1)) d.set("min", d.constant_float(1, 11));
  if (d.has(2)) d.set("max", d.constant_float(2, 11));
  d.omit_from(1);
}

// Before 6 the target type was a name in capitals.
bool lift_cast(Draft& d) {
  const auto to = d.take_string("to");
  if (!to) return false;
  std::string name = *to;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto type = dtype_from_name(name);
  if (!type) return false;
  d.set("to", static_cast<int64_t>(*type));
  return true;
}

void lower_cast(Draft& d) {
  const auto to = d.take_int("to");
  if (!to || *to < 0 || *to >= kDTypeCount) d.needs(6);
  std::string name(onnx_name(static_cast<DType>(*to)));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  d.set("to", name);
}

constexpr OpRule kRules[] = {
    {"Abs", 6, lift_in_place, nullptr},
    {"Ceil", 6, lift_in_place, nullptr},
    {"Elu", 6, lift_in_place, nullptr},
    {"Exp", 6, lift_in_place, nullptr},
    {"Floor", 6, lift_in_place, nullptr},
    {"HardSigmoid", 6, lift_in_place, nullptr},
    {"InstanceNormalization", 6, lift_in_place, nullptr},
    {"LeakyRelu", 6, lift_in_place, nullptr},
    {"Log", 6, lift_in_place, nullptr},
    {"Neg", 6, lift_in_place, nullptr},
    {"Reciprocal", 6, lift_in_place, nullptr},
    {"Relu", 6, lift_in_place, nullptr},
    {"Sigmoid", 6, lift_in_place, nullptr},
    {"Sqrt", 6, lift_in_place, nullptr},
    {"Tanh", 6, lift_in_place, nullptr},
    {"Selu", 6, lift_selu, lower_selu},
    {"Add", 7, lift_broadcast, lower_broadcast},
    {"Sub", 7, lift_broadcast, lower_broadcast},
    {"Mul", 7, lift_broadcast, lower_broadcast},
    {"Div", 7, lift_broadcast, lower_broadcast},
    {"Pow", 7, lift_broadcast, lower_broadcast},
    {"And", 7, lift_broadcast, lower_broadcast},
    {"Or", 7, lift_broadcast, lower_broadcast},
    {"Xor", 7, lift_broadcast, lower_broadcast},
    {"Equal", 7, lift_broadcast, lower_broadcast},
    {"Greater", 7, lift_broadcast, lower_broadcast},
    {"Less", 7, lift_broadcast, lower_broadcast},
    {"Max", 8, lift_in_place, lower_variadic},
    {"Min", 8, lift_in_place, lower_variadic},
    {"Sum", 8, lift_in_place, lower_variadic},
    {"Mean", 8, lift_in_place, lower_variadic},
    {"PRelu", 7, lift_prelu, lower_prelu},
    {"Clip", 11, lift_clip, lower_clip},
    {"Cast", 6, lift_cast, lower_cast},
};

}  // namespace

std::span<const OpRule> elementwise_rules() { return kRules; }

}  // namespace lathe
