#include "passes/diff/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/quote.h"
#include "ir/onnx/schema.h"

namespace lathe::diff {
namespace {

constexpr int64_t kShown = 8;  // elements

template <class T, class F>
std::string list_text(const std::vector<T>& v, F&& text) {
  std::string out = "[";
  for (size_t i = 0; i < v.size(); ++i) {
    if (i == static_cast<size_t>(kShown)) return out + fmt::format(", ... {} in all]", v.size());
    out += (i > 0 ? ", " : "") + text(v[i]);
  }
  return out + "]";
}

std::string shortest(double x) { return fmt::format("{:.6g}", x); }

}  // namespace

std::string op_name(const Node& n) {
  std::string s = n.domain.empty() ? n.type : n.domain + "." + n.type;
  return n.overload.empty() ? s : s + ":" + n.overload;
}

std::string tensor_text(const Tensor& t) {
  std::string type = std::string(onnx_name(t.dtype)) + "[";
  for (size_t i = 0; i < t.dims.size(); ++i) type += (i > 0 ? ", " : "") + std::to_string(t.dims[i]);
  type += ']';
  const bool known = t.dtype == DType::String || !t.bytes().empty();
  if (!known || t.count() > kShown || t.count() == 0 || t.dtype == DType::C64 || t.dtype == DType::C128)
    return type;
  std::string s;
  for (int64_t i = 0; i < t.count(); ++i) {
    if (i > 0) s += ", ";
    if (t.dtype == DType::String)
      s += quote(t.strings()[static_cast<size_t>(i)], 40);
    else if (is_floating(t.dtype))
      s += shortest(t.as_double(i));
    else
      s += std::to_string(t.as_i64(i));
  }
  return t.dims.empty() ? s : "[" + s + "]";
}

std::string attr_text(const Model& m, const AttrValue& v) {
  return std::visit(
      [&]<class T>(const T& x) -> std::string {
        if constexpr (std::is_same_v<T, float>)
          return shortest(static_cast<double>(x));
        else if constexpr (std::is_same_v<T, int64_t>)
          return std::to_string(x);
        else if constexpr (std::is_same_v<T, std::string>)
          return quote(x, 60);
        else if constexpr (std::is_same_v<T, TensorPtr>)
          return x ? tensor_text(*x) : "no tensor";
        else if constexpr (std::is_same_v<T, GraphId>)
          return fmt::format("graph {}", quote(m[x].name, 40));
        else if constexpr (std::is_same_v<T, std::vector<float>>)
          return list_text(x, [](float f) { return shortest(static_cast<double>(f)); });
        else if constexpr (std::is_same_v<T, std::vector<int64_t>>)
          return list_text(x, [](int64_t i) { return std::to_string(i); });
        else if constexpr (std::is_same_v<T, std::vector<std::string>>)
          return list_text(x, [](const std::string& s) { return quote(s, 40); });
        else if constexpr (std::is_same_v<T, Type>)
          return type_text(x);
        else if constexpr (std::is_same_v<T, AttrRef>)
          return "@" + x.param;
        else if constexpr (std::is_same_v<T, std::monostate>)
          return "nothing";
        else if constexpr (requires { x.size(); })
          return fmt::format("{} items", x.size());
        else
          return "sparse tensor";
      },
      v);
}

std::string type_text(const Type& t) {
  if (!t.is_tensor() || !t.shape) return t.str();
  std::string s = std::string(onnx_name(t.dtype)) + "[";
  for (size_t i = 0; i < t.shape->size(); ++i) {
    const Dim d = (*t.shape)[i];
    s += (i > 0 ? ", " : "") + (d.is_unknown() ? "?" : d.str());
  }
  return s + "]";
}

std::string ops_text(const Model& m, std::span<const NodeId> nodes) {
  std::vector<std::pair<std::string, size_t>> counts;
  for (const NodeId n : nodes) {
    const std::string op = op_name(m[n]);
    const auto it = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == op; });
    if (it == counts.end())
      counts.emplace_back(op, 1);
    else
      ++it->second;
  }
  std::string out;
  for (const auto& [op, count] : counts) {
    if (!out.empty()) out += ", ";
    out += count > 1 ? fmt::format("{} {}", count, op) : op;
  }
  return out;
}

std::string input_label(const Model& m, NodeId n, uint32_t slot) {
  const Node& node = m[n];
  if (node.type == "$return" || m.is_hidden(n)) {
    const auto& ports = m[node.parent].outputs;
    return slot < ports.size() ? fmt::format("output {}", quote(ports[slot].name)) : "output";
  }
  if (slot >= node.in.size()) return "captured";
  const std::string domain = node.domain == "ai.onnx" ? "" : node.domain;
  const Schema* schema =
      m.function(node) == nullptr ? find_schema(domain, node.type, newest_opset(domain)) : nullptr;
  if (schema == nullptr || slot >= schema->input_names.size() || schema->max_inputs > 1000)
    return fmt::format("input {}", slot);
  return fmt::format("input {} ({})", slot, schema->input_names[slot]);
}

}  // namespace lathe::diff
