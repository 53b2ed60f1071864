#include "tools/view/shapes_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "ir/core/walk.h"
#include "tools/cli.h"

namespace lathe::view {
namespace {

constexpr size_t kMaxContents = 16;

struct Counts {
  size_t values = 0, ranked = 0, known = 0;
};

template <class Body>
Counts for_each_value(const Model& m, Body&& body) {
  Counts c;
  for (const GraphId g : nested_graphs(m, m.main()))
    for (NodeId n = m[g].first; n; n = m[n].next)
      for (const ValueId v : m[n].out) {
        if (!v) continue;
        ++c.values;
        c.ranked += m[v].type.shape ? 1 : 0;
        c.known += fully_known(m[v].type) ? 1 : 0;
        body(n, v);
      }
  return c;
}

std::string number(double x) { return std::isinf(x) ? (x > 0 ? "inf" : "-inf") : fmt::format("{:.6g}", x); }

}  // namespace

std::string shapes_text(const Model& m, const Shapes& s, const Ranges& r, const std::string& title) {
  const cli::Paint p(STDOUT_FILENO);
  std::string lines;
  const Counts c = for_each_value(m, [&](NodeId n, ValueId v) {
    lines += fmt::format("{:<18} {}  {}", m[n].type, m[v].name, m[v].type.str());
    if (const auto known = s.values.find(v); known != s.values.end() && known->second.size() <= kMaxContents)
      lines += fmt::format(" {}= {}{}", p.dim, to_string(known->second), p.reset);
    else if (const Range* range = r.find(v); range != nullptr && range->known())
      lines += fmt::format(" {}in {} to {}{}", p.dim, number(range->low), number(range->high), p.reset);
    lines += '\n';
  });
  return fmt::format("{}{}{}  {} values, {} of known shape, {} of known rank\n{}", p.bold, title, p.reset,
                     c.values, c.known, c.ranked, lines);
}

std::string shapes_json(const Model& m, const Shapes& s, const Ranges& r, const std::string& path) {
  using Json = nlohmann::ordered_json;
  Json values = Json::object();
  const auto dim_json = [](Dim d) { return d.is_const() ? Json(d.value()) : Json(d.str()); };
  const Counts c = for_each_value(m, [&](NodeId n, ValueId v) {
    const Type& t = m[v].type;
    Json j = {{"node", m[n].name}, {"op", m[n].type}, {"dtype", onnx_name(t.dtype)}, {"dims", nullptr}};
    if (t.shape) {
      j["dims"] = Json::array();
      for (const Dim d : *t.shape) j["dims"].push_back(d.is_unknown() ? Json(nullptr) : dim_json(d));
    }
    j["known"] = fully_known(t);
    if (const auto known = s.values.find(v);
        known != s.values.end() && known->second.size() <= kMaxContents) {
      j["contents"] = Json::array();
      for (const Dim d : known->second) j["contents"].push_back(d.is_unknown() ? Json(nullptr) : dim_json(d));
    }
    if (const Range* range = r.find(v); range != nullptr && range->known()) {
      j["low"] = std::isinf(range->low) ? Json(nullptr) : Json(range->low);
      j["high"] = std::isinf(range->high) ? Json(nullptr) : Json(range->high);
    }
    values[m[v].name] = std::move(j);
  });
  Json j = {{"path", path}, {"counts", {{"values", c.values}, {"ranked", c.ranked}, {"known", c.known}}}};
  j["values"] = std::move(values);
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::view
