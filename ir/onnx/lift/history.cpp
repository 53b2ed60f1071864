#include <algorithm>
#include <unordered_map>

#include "ir/onnx/lift/op_rule.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

const std::vector<NewAttr>& new_attrs() {
  constexpr int64_t kZero = 0, kOne = 1;
  const std::monostate none;
  static const std::vector<NewAttr> table = {
      {"ArgMax", "select_last_index", 12, kZero},
      {"ArgMin", "select_last_index", 12, kZero},
      {"Attention", "left_window_size", 25, int64_t{-1}},
      {"Attention", "right_window_size", 25, int64_t{-1}},
      {"AveragePool", "count_include_pad", 7, kZero},
      {"AveragePool", "ceil_mode", 10, kZero},
      {"AveragePool", "dilations", 19, none},
      {"BatchNormalization", "training_mode", 14, kZero},
      {"Cast", "saturate", 19, kOne},
      {"Cast", "round_mode", 24, std::string("up")},
      {"CastLike", "saturate", 19, kOne},
      {"CastLike", "round_mode", 24, std::string("up")},
      {"Constant", "sparse_value", 11, none},
      {"Constant", "value_float", 12, none},
      {"Constant", "value_floats", 12, none},
      {"Constant", "value_int", 12, none},
      {"Constant", "value_ints", 12, none},
      {"Constant", "value_string", 12, none},
      {"Constant", "value_strings", 12, none},
      {"DepthToSpace", "mode", 11, std::string("DCR")},
      {"DequantizeLinear", "axis", 13, kOne},
      {"DequantizeLinear", "block_size", 21, kZero},
      {"DequantizeLinear", "output_dtype", 23, kZero},
      {"Dropout", "seed", 12, none},
      {"GRU", "linear_before_reset", 3, kZero},
      {"GRU", "layout", 14, kZero},
      {"GatherND", "batch_dims", 12, kZero},
      {"LSTM", "layout", 14, kZero},
      {"LpPool", "ceil_mode", 18, kZero},
      {"LpPool", "dilations", 18, none},
      {"MaxPool", "storage_order", 8, kZero},
      {"MaxPool", "ceil_mode", 10, kZero},
      {"MaxPool", "dilations", 10, none},
      {"QuantizeLinear", "axis", 13, kOne},
      {"QuantizeLinear", "saturate", 19, kOne},
      {"QuantizeLinear", "block_size", 21, kZero},
      {"QuantizeLinear", "output_dtype", 21, kZero},
      {"QuantizeLinear", "precision", 23, kZero},
      {"RNN", "layout", 14, kZero},
      {"Range", "stash_type", 27, kOne},
      {"ReduceL1", "noop_with_empty_axes", 18, kZero},
      {"ReduceL2", "noop_with_empty_axes", 18, kZero},
      {"ReduceLogSum", "noop_with_empty_axes", 18, kZero},
      {"ReduceLogSumExp", "noop_with_empty_axes", 18, kZero},
      {"ReduceMax", "noop_with_empty_axes", 18, kZero},
      {"ReduceMean", "noop_with_empty_axes", 18, kZero},
      {"ReduceMin", "noop_with_empty_axes", 18, kZero},
      {"ReduceProd", "noop_with_empty_axes", 18, kZero},
      {"ReduceSum", "noop_with_empty_axes", 13, kZero},
      {"ReduceSumSquare", "noop_with_empty_axes", 18, kZero},
      {"Reshape", "allowzero", 14, kZero},
      {"Resize", "cubic_coeff_a", 11, -0.75f},
      {"Resize", "exclude_outside", 11, kZero},
      {"Resize", "extrapolation_value", 11, 0.0f},
      {"Resize", "antialias", 18, kZero},
      {"Resize", "axes", 18, none},
      {"Resize", "keep_aspect_ratio_policy", 18, std::string("stretch")},
      {"ScatterElements", "reduction", 16, std::string("none")},
      {"ScatterND", "reduction", 16, std::string("none")},
      {"Shape", "start", 15, kZero},
      {"Shape", "end", 15, none},
      {"SpaceToDepth", "mode", 28, std::string("DCR")},
      {"TopK", "largest", 11, kOne},
      {"TopK", "sorted", 11, kOne},
  };
  return table;
}

const std::vector<NewAttr>& new_ml_attrs() {
  const std::monostate none;
  static const std::vector<NewAttr> table = {
      {"LabelEncoder", "default_tensor", 4, none},
      {"LabelEncoder", "keys_tensor", 4, none},
      {"LabelEncoder", "values_tensor", 4, none},
      {"TreeEnsembleClassifier", "base_values_as_tensor", 3, none},
      {"TreeEnsembleClassifier", "class_weights_as_tensor", 3, none},
      {"TreeEnsembleClassifier", "nodes_hitrates_as_tensor", 3, none},
      {"TreeEnsembleClassifier", "nodes_values_as_tensor", 3, none},
      {"TreeEnsembleRegressor", "base_values_as_tensor", 3, none},
      {"TreeEnsembleRegressor", "nodes_hitrates_as_tensor", 3, none},
      {"TreeEnsembleRegressor", "nodes_values_as_tensor", 3, none},
      {"TreeEnsembleRegressor", "target_weights_as_tensor", 3, none},
  };
  return table;
}

using Table = std::unordered_map<std::string_view, OpHistory>;

Table build(std::string_view domain, std::initializer_list<std::span<const OpRule>> families,
            const std::vector<NewAttr>& attrs) {
  Table t;
  t.reserve(512);
  for_each_first_version(domain,
                         [&](std::string_view type, int first) { t[type].first = t[type].below = first; });
  for (const auto& rules : families)
    for (const OpRule& r : rules) {
      t[r.type].rule = &r;
      t[r.type].below = std::max(t[r.type].below, r.below);
    }
  for (const NewAttr& a : attrs) {
    t[a.type].new_attrs.push_back(&a);
    t[a.type].below = std::max(t[a.type].below, a.since);
  }
  return t;
}

}  // namespace

const OpHistory* op_history(std::string_view domain, std::string_view type) {
  static const Table main =
      build("", {axes_rules(), elementwise_rules(), nn_rules(), resize_rules(), tensor_rules()}, new_attrs());
  const Table* t = &main;
  if (domain == "ai.onnx.ml") {
    static const Table ml = build(domain, {ml_rules()}, new_ml_attrs());
    t = &ml;
  } else if (!domain.empty()) {
    return nullptr;
  }
  const auto it = t->find(type);
  return it == t->end() ? nullptr : &it->second;
}

}  // namespace lathe
