#include <nlohmann/json.hpp>

#include "passes/diff/text.h"
#include "tools/cli.h"
#include "tools/diff/text.h"

namespace lathe::cli {
namespace {

using Json = nlohmann::ordered_json;

class DiffJson {
 public:
  explicit DiffJson(const DiffInput& in) : in_(in), d_(in.d) {}

  Json run() {
    Json j;
    j["tool"] = "onnx-diff " + version();
    j["same"] = d_.same();
    j["a"] = cost(in_.path_a, d_.cost_a);
    j["b"] = cost(in_.path_b, d_.cost_b);
    j["interface"] = Json::array();
    for (const auto& c : d_.interface)
      j["interface"].push_back({{"kind", diff::kind_name(c.kind)},
                                {"name", c.name},
                                {"before", text(c.before)},
                                {"after", text(c.after)}});
    j["nodes"] = nodes();
    j["hunks"] = hunks();
    j["weights"] = weights();
    j["names"] = {{"nodes", d_.changes.renamed_nodes}, {"values", d_.changes.renamed_values}};
    if (d_.provenance.known) {
      j["rewrites"] = {{"input_sha256", d_.provenance.input_sha256}, {"rules", d_.provenance.rules}};
    }
    if (in_.run != nullptr) j["values"] = values();
    return j;
  }

 private:
  Json values() const {
    const diff::RunReport& r = *in_.run;
    const auto list = [&](const std::vector<diff::ValueDifference>& all) {
      Json out = Json::array();
      for (const auto& v : all)
        out.push_back({{"value", in_.a[v.a].name},
                       {"made_by", maker(in_, v)},
                       {"same", v.same},
                       {"max", v.max_abs},
                       {"scale", v.scale},
                       {"text", text(v.text)}});
      return out;
    };
    Json j = {{"same", r.same()}, {"inputs", Json::object()}, {"first", nullptr}};
    for (const auto& [name, type] : r.inputs) j["inputs"][name] = type;
    if (r.first) j["first"] = *r.first;
    j["fed_with_a"] = list(r.alone);
    j["on_its_own"] = list(r.together);
    j["outputs"] = list(r.outputs);
    return j;
  }

  static Json text(const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); }

  static Json cost(const std::string& path, const diff::Cost& c) {
    return {{"path", path},     {"nodes", c.nodes}, {"parameters", c.parameters},
            {"bytes", c.bytes}, {"ops", c.ops},     {"bytes_by_type", c.type_bytes}};
  }

  Json input(const diff::InputChange& c) const {
    return {{"slot", c.slot},
            {"input", c.label},
            {"before", c.before ? Json(operand_of_a(in_, c.before)) : Json(nullptr)},
            {"after", c.after ? Json(operand_of_b(in_, c.after)) : Json(nullptr)}};
  }
  Json node(const Model& m, NodeId n) const {
    if (m.is_hidden(n)) return {{"name", node_title(m, n)}};
    return {{"name", m[n].name}, {"op", diff::op_name(m[n])}};
  }

  Json nodes() const {
    const Totals t = totals(d_);
    Json j = {{"aligned", d_.alignment.aligned},
              {"removed", d_.changes.removed},
              {"added", d_.changes.added},
              {"changed", t.changed},
              {"rewired", t.rewired},
              {"changes", Json::array()}};
    for (const auto& c : d_.changes.nodes) {
      Json one = node(in_.a, c.a);
      one["name_in_b"] = in_.b.is_hidden(c.b) ? Json(nullptr) : Json(in_.b[c.b].name);
      for (const auto& attr : c.attrs)
        one["attributes"].push_back(
            {{"name", attr.name}, {"before", text(attr.before)}, {"after", text(attr.after)}});
      for (const auto& v : c.values) one["constants"].push_back(input(v));
      for (const auto& v : c.rewired) one["rewired"].push_back(input(v));
      j["changes"].push_back(std::move(one));
    }
    return j;
  }

  Json hunks() const {
    Json list = Json::array();
    for (const auto& g : d_.changes.groups) {
      Json group = {{"count", g.hunks.size()},
                    {"rules", g.rules},
                    {"old_ops", g.old_ops},
                    {"new_ops", g.new_ops},
                    {"places", Json::array()}};
      for (const size_t i : g.hunks) group["places"].push_back(hunk(d_.changes.hunks[i]));
      list.push_back(std::move(group));
    }
    return list;
  }

  Json hunk(const diff::Hunk& h) const {
    Json j = {{"removed", Json::array()}, {"added", Json::array()}, {"readers", Json::array()}};
    for (const NodeId n : h.removed) {
      Json one = node(in_.a, n);
      one["line"] = line_of_a(in_, n);
      one["why"] = diff::why_removed(in_.a, in_.b, d_, n);
      j["removed"].push_back(std::move(one));
    }
    for (const NodeId n : h.added) {
      Json one = node(in_.b, n);
      one["line"] = line_of_b(in_, n);
      one["why"] = diff::why_added(in_.a, in_.b, d_, n);
      j["added"].push_back(std::move(one));
    }
    for (const auto& r : h.readers) {
      Json one = node(in_.a, r.a);
      one.update(input(r.input));
      j["readers"].push_back(std::move(one));
    }
    return j;
  }

  Json weights() const {
    const auto& w = d_.weights;
    Json j = {{"read", w.read},
              {"same", w.same},
              {"only_a", only(in_.a, w.removed)},
              {"only_b", only(in_.b, w.added)},
              {"changes", Json::array()}};
    for (const auto& c : w.changes) {
      Json one = {{"a", c.name_a},        {"b", c.name_b},        {"type_a", c.stored_a},
                  {"type_b", c.stored_b}, {"dims_a", c.dims_a},   {"dims_b", c.dims_b},
                  {"bytes_a", c.bytes_a}, {"bytes_b", c.bytes_b}, {"layout", text(c.layout)}};
      if (c.compared)
        one["difference"] = {{"count", c.stats.count},        {"differing", c.stats.differing},
                             {"max", c.stats.max_abs},        {"mean", c.stats.mean_abs},
                             {"relative", c.stats.relative},  {"cosine", c.stats.cosine},
                             {"not_finite_a", c.stats.nan_a}, {"not_finite_b", c.stats.nan_b}};
      j["changes"].push_back(std::move(one));
    }
    return j;
  }
  static Json only(const Model& m, const std::vector<ValueId>& list) {
    Json j = Json::array();
    for (const ValueId v : list)
      j.push_back(
          {{"name", m[v].name}, {"type", onnx_name(m[v].constant->dtype)}, {"dims", m[v].constant->dims}});
    return j;
  }

  const DiffInput& in_;
  const diff::Diff& d_;
};

}  // namespace

std::string diff_json(const DiffInput& in) {
  return DiffJson(in).run().dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace lathe::cli
