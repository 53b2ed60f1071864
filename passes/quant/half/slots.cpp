#include "passes/quant/half/slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/onnx/schema.h"
#include "ir/ops/convert.h"

namespace lathe {
namespace {

constexpr auto kFloat = static_cast<int64_t>(DType::F32);

size_t formal_of(size_t slot, size_t formals) { return formals == 0 ? 0 : std::min(slot, formals - 1); }

bool allows(const Schema* s, const std::vector<std::vector<DType>>& types, size_t slot, DType t) {
  if (s == nullptr || types.empty()) return false;
  const auto& allowed = types[formal_of(slot, types.size())];
  return std::find(allowed.begin(), allowed.end(), t) != allowed.end();
}

// The canonical node's slot may stand elsewhere in the schema of the model's opset: names tell.
bool allowed_at(const Schema* newest, const Schema* own, bool input, size_t slot, DType t) {
  const auto& types = input ? newest->input_types : newest->output_types;
  if (!allows(newest, types, slot, t)) return false;
  if (own == nullptr || own == newest) return own != nullptr;
  const auto& names = input ? newest->input_names : newest->output_names;
  const auto& own_names = input ? own->input_names : own->output_names;
  const auto& own_types = input ? own->input_types : own->output_types;
  if (names.empty()) return false;
  const auto at = std::find(own_names.begin(), own_names.end(), names[formal_of(slot, names.size())]);
  const auto i = at == own_names.end() ? slot : static_cast<size_t>(at - own_names.begin());
  return allows(own, own_types, i, t);
}

bool one_of(std::string_view type, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), type) != list.end();
}

bool is_random(const Node& n) {
  static constexpr std::array<std::string_view, 7> kRandom = {
      "Bernoulli",        "Dropout",       "Multinomial",      "RandomNormal",
      "RandomNormalLike", "RandomUniform", "RandomUniformLike"};
  return n.domain.empty() && one_of(n.type, kRandom);
}

}  // namespace

bool HalfSlots::any() const {
  return std::find(in.begin(), in.end(), true) != in.end() ||
         std::find(out.begin(), out.end(), true) != out.end();
}

bool is_f32(const Model& m, ValueId v) {
  return v && m[v].type.is_tensor() && m[v].type.dtype == DType::F32 && !m[v].sparse;
}

HalfSlots half_slots(const Model& m, NodeId n, const HalfKind& kind, const Target& target) {
  const Node& node = m[n];
  HalfSlots s;
  s.in.assign(node.in.size(), false);
  s.out.assign(node.out.size(), false);
  const auto refuse = [&](std::string why) {
    s.refusal = std::move(why);
    return s;
  };
  const bool floats = std::any_of(node.in.begin(), node.in.end(), [&](ValueId v) { return is_f32(m, v); }) ||
                      std::any_of(node.out.begin(), node.out.end(), [&](ValueId v) { return is_f32(m, v); });
  if (!floats) return s;
  if (!node.canonical()) return refuse("it keeps the meaning of an old opset");
  if (is_random(node)) return refuse("its results are random");
  if (m.function(node) != nullptr) return refuse("it calls a function of the model; inline it first");
  const Schema* newest = find_schema(node.domain, node.type, newest_opset(node.domain));
  const Schema* own = find_schema(node.domain, node.type, m.opset(node.domain));
  if (newest == nullptr) return refuse("no schema of it is known");
  if (!target.has(node.domain, node.type, kind.dtype))
    return refuse(fmt::format("target {} has no {} of {}", target.name(), onnx_name(kind.dtype), node.type));
  if (node.attrs.has("output_dtype") && node.attrs.i("output_dtype", 0) == kFloat)
    return refuse("an attribute asks for float32 results");
  if (node.type == "EyeLike" && node.attrs.has("dtype"))
    return refuse("an attribute asks for float32 results");
  bool any_out = false, has_out = false;
  for (size_t i = 0; i < node.in.size(); ++i)
    s.in[i] = is_f32(m, node.in[i]) && allowed_at(newest, own, true, i, kind.dtype);
  for (size_t i = 0; i < node.out.size(); ++i) {
    if (!is_f32(m, node.out[i])) continue;
    has_out = true;
    s.out[i] = allowed_at(newest, own, false, i, kind.dtype);
    any_out = any_out || s.out[i];
  }
  if (!s.any() || (has_out && !any_out)) {
    std::fill(s.in.begin(), s.in.end(), false);
    std::fill(s.out.begin(), s.out.end(), false);
    return refuse(
        fmt::format("opset {} has no {} of {}", m.opset(node.domain), onnx_name(kind.dtype), node.type));
  }
  return s;
}

Attrs half_attrs(const Node& node, const HalfKind& kind) {
  Attrs a = node.attrs;
  if (node.type == "Cast" && a.i("to", 0) == kFloat) a.set("to", static_cast<int64_t>(kind.dtype));
  if (node.type == "ConstantOfShape") {
    const TensorPtr value = a.tensor("value");
    const Tensor filled = value ? *value : Tensor::full(DType::F32, {1}, 0);
    a.set("value", std::make_shared<const Tensor>(convert(filled.aligned(), kind.dtype)));
  }
  return a;
}

bool is_discontinuous(const Model& m, NodeId n) {
  static constexpr std::array<std::string_view, 8> kSteps = {"Ceil",  "Floor", "Hardmax", "Mod",
                                                             "Round", "Sign",  "TopK",    "Unique"};
  const Node& node = m[n];
  if (node.domain.empty() && one_of(node.type, kSteps)) return true;
  const bool in = std::any_of(node.in.begin(), node.in.end(), [&](ValueId v) { return is_f32(m, v); });
  const bool out = std::any_of(node.out.begin(), node.out.end(), [&](ValueId v) { return is_f32(m, v); });
  return in && !out && m.subgraphs(n).empty();
}

bool only_moves(const Node& n) {
  static constexpr std::array<std::string_view, 21> kMoves = {
      "Cast",         "Concat",         "ConstantOfShape", "DepthToSpace", "Expand",    "Flatten",   "Gather",
      "GatherND",     "GatherElements", "Identity",        "Pad",          "Reshape",   "Resize",    "Slice",
      "SpaceToDepth", "Split",          "Squeeze",         "Tile",         "Transpose", "Unsqueeze", "Where"};
  return n.domain.empty() && one_of(n.type, kMoves);
}

bool takes_coordinates(const Node& node) {
  static constexpr std::array<std::string_view, 7> kPlaces = {
      "AffineGrid", "CropAndResize", "GridSample", "MaxRoiPool", "NonMaxSuppression", "Range", "RoiAlign"};
  return one_of(node.type, kPlaces);
}

}  // namespace lathe
