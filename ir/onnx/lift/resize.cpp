// Upsample (1, 7, 9) and Resize-10 are Resize with coordinates that are not shifted.
#include <algorithm>

#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

// The old text leaves the rounding open. onnxruntime rounds down where it enlarges and up where it shrinks.
std::string nearest_mode(const TensorPtr& scales) {
  if (!scales || !is_floating(scales->dtype)) return "floor";
  const std::vector<double> s = scales->to_doubles();
  const bool shrinks = std::any_of(s.begin(), s.end(), [](double x) { return x < 1; });
  const bool enlarges = std::any_of(s.begin(), s.end(), [](double x) { return x > 1; });
  return shrinks && !enlarges ? "ceil" : "floor";
}

bool as_resize(Draft& d) {
  const AttrValue* mode = d.attrs.find("mode");
  if (mode != nullptr && !std::holds_alternative<std::string>(*mode)) return false;
  const std::string name = mode ? std::get<std::string>(*mode) : "nearest";
  if (name == "bilinear") d.set("mode", std::string("linear"));
  d.set("coordinate_transformation_mode", std::string("asymmetric"));
  if (name == "nearest") d.set("nearest_mode", nearest_mode(d.constant(2)));
  if (d.type != "Resize") d.rename("Resize");
  return true;
}

bool lift_upsample(Draft& d) {
  if (d.opset < 9) {
    auto scales = d.opset < 7 ? std::nullopt : d.take_floats("scales");
    if (d.opset < 7) {
      const auto height = d.take_float("height_scale"), width = d.take_float("width_scale");
      if (height && width) scales = {1.0f, 1.0f, *height, *width};
    }
    if (!scales || d.in.size() != 1) return false;
    const auto count = static_cast<int64_t>(scales->size());
    d.make(2, Tensor::of<float>(DType::F32, {count}, *scales));
  } else {
    if (d.in.size() != 2) return false;
    d.move(1, 2);
  }
  return as_resize(d);
}

bool lift_resize(Draft& d) {
  if (d.in.size() != 2) return false;
  d.move(1, 2);
  return as_resize(d);
}

void lower_resize(Draft& d) {
  if (d.opset < 10) d.needs(10);
  const bool nearest = d.attrs.s("mode", "nearest") == "nearest";
  if (d.has(1) || d.has(3) || !d.has(2)) d.needs(11);
  if (d.take_string("coordinate_transformation_mode").value_or("half_pixel") != "asymmetric") d.needs(11);
  if (d.take_string("nearest_mode").value_or("round_prefer_floor") != "floor" && nearest) d.needs(11);
  d.move(2, 1);
  d.omit_from(2);
}

constexpr OpRule kRules[] = {
    {"Upsample", 10, lift_upsample, nullptr},
    {"Resize", 11, lift_resize, lower_resize},
};

}  // namespace

std::span<const OpRule> resize_rules() { return kRules; }

}  // namespace lathe
