// ai.onnx.ml.
#include <numeric>

#include "ir/onnx/lift/op_rule.h"

namespace lathe {
namespace {

// LabelEncoder-1 maps a list of strings to its indices or back, as its input's type says.
bool lift_label_encoder(Draft& d) {
  const AttrValue* v = d.attrs.find("classes_strings");
  const auto* classes = v ? std::get_if<std::vector<std::string>>(v) : nullptr;
  if (classes == nullptr) return false;
  const std::vector<std::string> names = *classes;
  std::vector<int64_t> indices(names.size());
  std::iota(indices.begin(), indices.end(), 0);
  const DType type = d.dtype(0);
  if (type != DType::String && type != DType::I64) return false;
  d.drop("classes_strings");
  d.set(type == DType::String ? "keys_strings" : "values_strings", names);
  d.set(type == DType::String ? "values_int64s" : "keys_int64s", indices);
  return true;
}

void lower_label_encoder(Draft& d) { d.needs(2); }

constexpr OpRule kRules[] = {{"LabelEncoder", 2, lift_label_encoder, lower_label_encoder}};

}  // namespace

std::span<const OpRule> ml_rules() { return kRules; }

}  // namespace lathe
