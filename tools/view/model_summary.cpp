#include "tools/view/model_summary.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "ir/core/walk.h"
#include "tools/cli.h"

namespace lathe::view {
namespace {

struct Weights {
  size_t tensors = 0;
  int64_t elements = 0, bytes = 0;
};

struct Facts {
  size_t nodes = 0, subgraphs = 0;
  std::vector<std::pair<std::string, size_t>> ops;  // most frequent first
  std::map<std::string, Weights> weights;           // by element type
  Weights total;
  Weights shared;                           // tensors whose bytes another one holds already
  std::map<std::string, int64_t> external;  // location -> bytes
  int64_t model_bytes = 0;
};

std::string op_name(const Node& n) { return n.domain.empty() ? n.type : n.domain + "." + n.type; }

void add(Weights& w, const Tensor& t) {
  ++w.tensors;
  w.elements += t.count();
  w.bytes += byte_count(t.dtype, t.count());
}

// Initializers and the tensors of Constant nodes: what a reader means by weights, however the exporter
// spelled them.
void add_tensor(Facts& f, std::set<const std::byte*>& seen, const Tensor& t) {
  add(f.weights[std::string(onnx_name(t.dtype))], t);
  add(f.total, t);
  if (!t.bytes().empty() && !seen.insert(t.bytes().data()).second) add(f.shared, t);
  if (!t.spelling || t.spelling->form != TensorSpelling::Form::external) return;
  for (const auto& [key, value] : t.spelling->external)
    if (key == "location") f.external[value] += byte_count(t.dtype, t.count());
}

Facts collect(const Model& m, const std::filesystem::path& path) {
  Facts f;
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  f.model_bytes = error ? 0 : static_cast<int64_t>(size);
  std::map<std::string, size_t> ops;
  std::set<const std::byte*> seen;
  const auto graphs = all_graphs(m);
  f.subgraphs = graphs.size() - 1 - m.functions.size();
  for (const GraphId g : graphs) {
    for (const ValueId v : m[g].initializers)
      if (m[v].constant) add_tensor(f, seen, *m[v].constant);
    for (NodeId n = m[g].first; n; n = m[n].next) {
      ++f.nodes;
      ++ops[op_name(m[n])];
      if (m[n].is("Constant"))
        if (const TensorPtr t = m[n].attrs.has("value") ? m[n].attrs.tensor("value") : nullptr)
          add_tensor(f, seen, *t);
    }
  }
  f.ops.assign(ops.begin(), ops.end());
  std::stable_sort(f.ops.begin(), f.ops.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return f;
}

std::string opsets_text(const Model& m) {
  std::string s;
  for (const OpsetImport& o : m.info.opsets)
    s += fmt::format("{}{} {}", s.empty() ? "" : ", ", o.domain.empty() ? "ai.onnx" : o.domain, o.version);
  return s.empty() ? "none" : s;
}

nlohmann::ordered_json dims_json(const Type& t) {
  if (!t.shape) return nullptr;
  auto dims = nlohmann::ordered_json::array();
  for (const Dim d : *t.shape) {
    if (d.is_const())
      dims.push_back(d.value());
    else if (d.is_unknown())
      dims.push_back(nullptr);
    else
      dims.push_back(d.str());
  }
  return dims;
}

// A dim that the file leaves open reads "?", not an internal number.
std::string type_text(const Type& t) {
  if (!t.is_tensor() || !t.shape || t.shape->empty()) return t.str();
  std::string s = std::string(onnx_name(t.dtype)) + "[";
  for (size_t i = 0; i < t.shape->size(); ++i) {
    const Dim d = (*t.shape)[i];
    s += (i > 0 ? ", " : "") + (d.is_unknown() ? "?" : d.str());
  }
  return s + "]";
}

// Inputs that are initializers too (IR below 4) are weights, not inputs that a caller gives.
bool is_weight(const Model& m, ValueId v) { return m[v].constant != nullptr; }

}  // namespace

std::string summary_text(const Model& m, const std::filesystem::path& path, const SummaryOptions& options) {
  const cli::Paint p(STDOUT_FILENO);
  const Facts f = collect(m, path);
  const auto number = [](auto x) { return cli::human_count(static_cast<double>(x)); };
  const auto bytes = [](int64_t x) { return cli::human_bytes(static_cast<double>(x)); };
  std::string out;
  const auto row = [&](std::string_view name, const std::string& text) {
    out += fmt::format("{}{:<11}{} {}\n", p.dim, name, p.reset, cli::printable(text));
  };
  out += fmt::format("{}{}{}{}\n", p.bold,
                     path == "-" ? "standard input" : cli::printable(path.filename().string()), p.reset,
                     f.model_bytes > 0 ? "  " + bytes(f.model_bytes) : "");
  std::string producer = m.info.producer_name;
  if (!m.info.producer_version.empty()) producer += " " + m.info.producer_version;
  row("format", fmt::format("IR {}, opset {}{}", m.info.ir_version, opsets_text(m),
                            producer.empty() ? "" : ", made by " + producer));
  row("graph", fmt::format("{} nodes of {} ops{}{}{}", f.nodes, f.ops.size(),
                           f.subgraphs > 0 ? fmt::format(", {} subgraphs", f.subgraphs) : "",
                           m.functions.empty() ? "" : fmt::format(", {} local functions", m.functions.size()),
                           m[m.main()].name.empty() ? "" : "  (" + m[m.main()].name + ")"));
  std::string types;
  for (const auto& [type, w] : f.weights)
    types += fmt::format("{}{} {} ({})", types.empty() ? "" : ", ", number(w.elements), type, bytes(w.bytes));
  row("weights", f.total.tensors == 0
                     ? "none"
                     : fmt::format("{} values in {} tensors, {}: {}", number(f.total.elements),
                                   f.total.tensors, bytes(f.total.bytes), types));
  for (const auto& [location, size] : f.external)
    row("external", fmt::format("{} in {}", bytes(size), location));
  const auto& graph = m[m.main()];
  const auto in = m.inputs(m.main());
  size_t width = 0;
  for (size_t i = 0; i < in.size(); ++i)
    if (!is_weight(m, in[i])) width = std::max(width, graph.inputs[i].name.size());
  for (const Port& port : graph.outputs) width = std::max(width, port.name.size());
  width = std::min<size_t>(width, 40);
  std::string_view heading = "inputs";
  for (size_t i = 0; i < in.size(); ++i) {
    if (is_weight(m, in[i])) continue;
    row(heading, fmt::format("{:<{}}  {}", graph.inputs[i].name, width, type_text(graph.inputs[i].type)));
    heading = "";
  }
  heading = "outputs";
  for (const Port& port : graph.outputs) {
    row(heading, fmt::format("{:<{}}  {}", port.name, width, type_text(port.type)));
    heading = "";
  }
  constexpr size_t kMost = 12;
  std::string ops;
  const size_t shown = options.all_ops ? f.ops.size() : std::min(kMost, f.ops.size());
  for (size_t i = 0; i < shown; ++i)
    ops += fmt::format("{}{} {}", i > 0 ? ", " : "", f.ops[i].first, f.ops[i].second);
  if (shown < f.ops.size()) ops += fmt::format(", and {} more (--ops)", f.ops.size() - shown);
  row("ops", ops.empty() ? "none" : ops);
  for (const auto& [key, value] : m.info.metadata)
    row("metadata", fmt::format("{} = {}", key, value.size() > 80 ? value.substr(0, 77) + "..." : value));
  return out;
}

std::string summary_json(const Model& m, const std::filesystem::path& path) {
  const Facts f = collect(m, path);
  nlohmann::ordered_json j;
  j["path"] = path.string();
  j["bytes"] = f.model_bytes;
  j["ir_version"] = m.info.ir_version;
  for (const OpsetImport& o : m.info.opsets) j["opsets"][o.domain.empty() ? "ai.onnx" : o.domain] = o.version;
  j["producer"] = {{"name", m.info.producer_name}, {"version", m.info.producer_version}};
  j["graph"] = {{"name", m[m.main()].name},
                {"nodes", f.nodes},
                {"subgraphs", f.subgraphs},
                {"functions", m.functions.size()}};
  const auto in = m.inputs(m.main());
  const auto& graph = m[m.main()];
  j["inputs"] = j["outputs"] = nlohmann::ordered_json::array();
  const auto port = [](const Port& p) {
    return nlohmann::ordered_json{{"name", p.name},
                                  {"type", p.type.str()},
                                  {"dtype", onnx_name(p.type.dtype)},
                                  {"dims", dims_json(p.type)}};
  };
  for (size_t i = 0; i < in.size(); ++i)
    if (!is_weight(m, in[i])) j["inputs"].push_back(port(graph.inputs[i]));
  for (const Port& p : graph.outputs) j["outputs"].push_back(port(p));
  const auto weights = [](const Weights& w) {
    return nlohmann::ordered_json{{"tensors", w.tensors}, {"elements", w.elements}, {"bytes", w.bytes}};
  };
  j["weights"] = weights(f.total);
  for (const auto& [type, w] : f.weights) j["weights"]["by_type"][type] = weights(w);
  j["external_data"] = f.external;
  j["ops"] = nlohmann::ordered_json::object();
  for (const auto& [op, n] : f.ops) j["ops"][op] = n;
  j["metadata"] = nlohmann::ordered_json::object();
  for (const auto& [key, value] : m.info.metadata) j["metadata"][key] = value;
  return j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace lathe::view
