#include "tools/view/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/diff/text.h"
#include "tools/cli.h"
#include "tools/markup.h"

namespace lathe::view {
namespace {

constexpr size_t kName = 300, kText = 200, kAttributes = 40;

// Whole numbers without a fraction: shorter, and the same digits everywhere.
Json number(double x) {
  if (x >= 0 && x < 9e15 && x == std::floor(x)) return static_cast<int64_t>(x);
  return x;
}

Json cost(const Numbers& n) {
  if (n.flops == 0 && n.moved == 0 && n.parameters == 0) return 0;
  return Json::array({number(n.flops), number(n.macs), number(n.moved), n.parameters, n.weight_bytes});
}

class Data {
 public:
  Data(const Scene& s, ColorBy by) : s_(s), m_(s.m) {
    index_.assign(m_.node_capacity(), -1);
    // In the order of the file: main with what is nested in it, then functions.
    for_each_node(m_, [&](NodeId n) {
      if (s_.outline.home[n.v] == ~0u) return;
      index_[n.v] = static_cast<int64_t>(order_.size());
      order_.push_back(n);
    });
    head(by);
  }

  Json run() {
    Json& nodes = j_["nodes"] = Json::array();
    for (const NodeId n : order_) nodes.push_back(node(n));
    groups();
    ports();
    j_["ops"] = ops_;
    j_["values"] = std::move(values_);
    j_["weights"] = std::move(weights_);
    return std::move(j_);
  }

 private:
  void head(ColorBy by) {
    j_["title"] = cli::shown(s_.title, kName);
    const auto count = [](int64_t n) { return cli::human_count(static_cast<double>(n)); };
    j_["subtitle"] =
        fmt::format("{} nodes, {} parameters, {} of weights", node_count(m_), count(s_.total.parameters),
                    cli::human_bytes(static_cast<double>(s_.total.weight_bytes)));
    std::string sizes;
    for (const auto& [name, n] : s_.sizes)
      sizes += fmt::format("{}{}={}", sizes.empty() ? "" : ", ", name, n);
    j_["sizes"] = cli::shown(sizes, kText);
    if (s_.total.flops > 0)
      j_["subtitle"] =
          fmt::format("{}, {}FLOPs{}", j_["subtitle"].get<std::string>(), cli::human_count(s_.total.flops),
                      sizes.empty() ? "" : " at " + cli::shown(sizes, kText));
    j_["color"] = kColorNames[static_cast<size_t>(by)];
    Json& facts = j_["facts"] = Json::array();
    const auto fact = [&](const char* name, const std::string& text) {
      if (!text.empty()) facts.push_back({name, cli::shown(text, kText)});
    };
    fact("producer",
         m_.info.producer_name + (m_.info.producer_version.empty() ? "" : " " + m_.info.producer_version));
    fact("IR version", std::to_string(m_.info.ir_version));
    for (const OpsetImport& o : m_.info.opsets)
      fact("opset", fmt::format("{}{}", o.domain.empty() ? "" : o.domain + " ", o.version));
    fact("description", m_.info.doc);
    for (size_t i = 0; i < kColorNames.size(); ++i)
      for (const Swatch& w : palette(static_cast<ColorBy>(i)))
        j_["palettes"][std::string(kColorNames[i])].push_back(
            {{"name", w.name}, {"light", {w.fill, w.line}}, {"dark", {w.dark_fill, w.dark_line}}});
    j_["costSteps"] = kCostSteps;
    const Json total = cost(s_.total);
    j_["total"] = total.is_array() ? total : Json::array({0, 0, 0, 0, 0});
  }

  size_t op(const Node& n) {
    const auto [it, fresh] = op_index_.try_emplace(cli::shown(diff::op_name(n), kName), ops_.size());
    if (fresh) ops_.push_back(it->first);
    return it->second;
  }

  int64_t value(ValueId v) {
    if (!v) return -1;
    const auto [it, fresh] = value_index_.try_emplace(v, static_cast<int64_t>(values_.size()));
    if (!fresh) return it->second;
    const Value& x = m_[v];
    int64_t maker = -1, weight = -1;
    if (x.def) {
      const NodeId def =
          m_.is_hidden(x.def) ? m_[m_[x.def].parent].owner : x.def;  // a body's input: from its owner
      if (def) maker = index_[def.v];
    }
    std::string type = x.type.known() ? diff::type_text(x.type) : "";
    if (const TensorPtr t = m_.constant_ptr(v)) {
      type =
          std::string(onnx_name(t->dtype)) + cli::shown(fmt::format("[{}]", fmt::join(t->dims, ", ")), kText);
      const auto [at, first] = weight_index_.try_emplace(t.get(), static_cast<int64_t>(weights_.size()));
      if (first) weights_.push_back(weight_data(*t));
      weight = at->second;
    }
    values_.push_back({cli::shown(x.name, kName), cli::shown(type, kText), maker, weight});
    if (const std::string brief = short_type(x.type); weight < 0 && brief != type)
      values_.back().push_back(brief);
    return it->second;
  }

  Json values(const std::vector<ValueId>& list) {
    Json a = Json::array();
    for (const ValueId v : list) a.push_back(value(v));
    return a;
  }

  Json node(NodeId n) {
    const Node& x = m_[n];
    Json attrs = Json::array();
    for (const Attr& a : x.attrs.items()) {
      if (a.name.starts_with('$')) continue;
      if (attrs.size() == kAttributes) break;
      attrs.push_back({cli::shown(a.name, kText), cli::shown(diff::attr_text(m_, a.value), kText)});
    }
    Json out = {op(x),
                cli::shown(x.name, kName),
                s_.outline.home[n.v],
                values(x.in),
                values(x.out),
                std::move(attrs),
                cost(s_.of_node[n.v]),
                Json::array({color_of(s_, ColorBy::role, n), color_of(s_, ColorBy::type, n),
                             color_of(s_, ColorBy::change, n)})};
    if (!s_.change[n.v].text.empty()) out.push_back(cli::shown(s_.change[n.v].text, kName));
    return out;
  }

  void groups() {
    static constexpr std::array<std::string_view, 7> kKinds = {"graph", "repeat", "layer",   "unit",
                                                               "glue",  "body",   "function"};
    Json& all = j_["groups"] = Json::array();
    const auto& list = s_.outline.groups;
    for (uint32_t g = 0; g < list.size(); ++g) {
      Json items = Json::array();
      for (const auto& item : list[g].items)
        items.push_back(item.is_group() ? -1 - int64_t{item.group} : index_[item.node.v]);
      const Json total = cost(s_.of_group[g]);
      all.push_back({g == 0 ? -1 : int64_t{list[g].parent}, kKinds[static_cast<size_t>(list[g].kind)],
                     cli::shown(group_title(s_, g), kText),
                     g == 0 ? "" : cli::shown(group_detail(s_, g), kText), list[g].nodes,
                     total.is_array() ? total : Json::array({0, 0, 0, 0, 0}),
                     Json::array({color_of(s_, ColorBy::role, g), color_of(s_, ColorBy::type, g),
                                  color_of(s_, ColorBy::change, g)}),
                     std::move(items)});
      if (list[g].owner) all.back().push_back(index_[list[g].owner.v]);
    }
  }

  void ports() {
    const Graph& main = m_[m_.main()];
    const auto list = [&](const char* key, const std::vector<Port>& ports, const std::vector<ValueId>& of) {
      Json& all = j_[key] = Json::array();
      for (size_t i = 0; i < ports.size(); ++i) {
        if (of[i] && m_[of[i]].constant != nullptr && std::string_view(key) == "inputs") continue;
        all.push_back({cli::shown(ports[i].name, kName), value(of[i])});
      }
    };
    list("inputs", main.inputs, m_.inputs(m_.main()));
    list("outputs", main.outputs, m_.outputs(m_.main()));
  }

  const Scene& s_;
  const Model& m_;
  Json j_;
  std::vector<NodeId> order_;
  std::vector<int64_t> index_;  // by NodeId::v
  std::map<std::string, size_t> op_index_;
  std::vector<std::string> ops_;
  std::unordered_map<ValueId, int64_t> value_index_;
  std::unordered_map<const Tensor*, int64_t> weight_index_;
  Json values_ = Json::array(), weights_ = Json::array();
};

}  // namespace

Json page_data(const Scene& s, ColorBy by) { return Data(s, by).run(); }

}  // namespace lathe::view
