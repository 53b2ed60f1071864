#include "tools/view/axes_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli.h"

namespace lathe::view {
namespace {

using Kind = AxisFact::Kind;
using Verdict = AxisVerdict::Kind;

std::string dim_text(Kind kind, Dim d) { return kind == Kind::unknown ? "?" : d.str(); }

// Either what the file says or what analysis proves.
std::string shape_text(const PortAxes& p, bool proven) {
  if (!p.ranked) return "[...]";
  std::string s = "[";
  for (size_t i = 0; i < p.axes.size(); ++i) {
    const AxisFact& a = p.axes[i];
    s += (i > 0 ? ", " : "") + (proven ? dim_text(a.proven, a.is) : dim_text(a.says, a.said));
  }
  return s + "]";
}

std::string type_text(const PortAxes& p, bool proven) {
  if (!p.said.is_tensor()) return p.said.str();
  return std::string(onnx_name(p.said.dtype)) + shape_text(p, proven);
}

// past_key_values.0.key, past_key_values.0.value, ... read as one line.
bool alike(const PortAxes& a, const PortAxes& b) {
  if (type_text(a, true) != type_text(b, true) || type_text(a, false) != type_text(b, false)) return false;
  for (size_t i = 0; i < a.axes.size(); ++i)
    if (a.axes[i].why != b.axes[i].why) return false;
  return true;
}

std::string verdict_text(const AxisVerdict& v) {
  switch (v.kind) {
    case Verdict::none:
      return "none";
    case Verdict::free:
      return v.most ? fmt::format("1 to {}", *v.most) : "any size";
    case Verdict::fixed:
      return fmt::format("always {}", v.size);
    case Verdict::clamped:
      return fmt::format("{} only", v.size);
  }
  return {};
}

const char* verdict_word(Verdict v) {
  static constexpr const char* kWords[] = {"none", "free", "fixed", "clamped"};
  return kWords[static_cast<size_t>(v)];
}

class Text {
 public:
  explicit Text(const Axes& a) : a_(a) {}

  std::string render(const std::string& title) {
    out_ = fmt::format("{}{}{}\n", p_.bold, title, p_.reset);
    for (const auto* list : {&a_.inputs, &a_.outputs})
      for (const PortAxes& p : *list) width_ = std::max(width_, std::min<size_t>(p.name.size(), 40));
    ports("inputs", a_.inputs);
    ports("outputs", a_.outputs);
    heading("relations", !a_.relations.empty());
    for (const std::string& r : a_.relations) line(r);
    heading("checks", !a_.steps.empty());
    for (const AxisStep& s : a_.steps)
      line(fmt::format("{}{}{}  {} {}{}{}", s.ok ? p_.green : p_.yellow, s.ok ? "yes" : "no ", p_.reset,
                       s.question, p_.dim, s.answer, p_.reset));
    heading("verdict", true);
    verdict("batch", a_.batch);
    verdict("sequence", a_.sequence);
    for (const std::string& w : a_.warnings)
      out_ += fmt::format("{}warning{}    {}\n", p_.yellow, p_.reset, w);
    return out_;
  }

 private:
  void heading(std::string_view name, bool any) { heading_ = any ? name : ""; }

  void line(const std::string& text) {
    out_ += fmt::format("{}{:<10}{} {}\n", p_.dim, heading_, p_.reset, text);
    heading_ = "";
  }

  void ports(std::string_view name, const std::vector<PortAxes>& list) {
    heading(name, true);
    std::vector<bool> done(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      if (done[i]) continue;
      std::vector<size_t> same;
      for (size_t k = i + 1; k < list.size(); ++k)
        if (!done[k] && alike(list[i], list[k])) same.push_back(k);
      const bool many = same.size() >= 4;
      if (many)
        for (const size_t k : same) done[k] = true;
      port(list[i], many ? same.size() : 0);
    }
  }

  void port(const PortAxes& p, size_t more) {
    const std::string said = type_text(p, false), proven = type_text(p, true);
    line(fmt::format("{:<{}}  {}{}", p.name, width_, proven,
                     more > 0 ? fmt::format("   {}and {} more like it{}", p_.dim, more, p_.reset) : ""));
    if (said != proven) line(fmt::format("{:<{}}  {}the file says {}{}", "", width_, p_.dim, said, p_.reset));
    for (size_t i = 0; i < p.axes.size(); ++i)
      if (!p.axes[i].why.empty() && !p.axes[i].most)  // limits stand among the relations
        line(fmt::format("{:<{}}  {}axis {}: {}{}", "", width_, p_.yellow, i, p.axes[i].why, p_.reset));
  }

  void verdict(std::string_view axis, const AxisVerdict& v) {
    line(fmt::format("{:<9} {}{}{}{}", axis, v.kind == Verdict::free ? p_.green : p_.yellow, verdict_text(v),
                     p_.reset, v.why.empty() ? "" : fmt::format("  {}{}{}", p_.dim, v.why, p_.reset)));
  }

  const Axes& a_;
  const cli::Paint p_{STDOUT_FILENO};
  size_t width_ = 0;
  std::string_view heading_;
  std::string out_;
};

using Json = nlohmann::ordered_json;

Json dim_json(Kind kind, Dim d) {
  if (kind == Kind::unknown) return nullptr;
  return kind == Kind::fixed ? Json(d.value()) : Json(d.str());
}

Json port_json(const PortAxes& p) {
  static constexpr const char* kWords[] = {"fixed", "symbolic", "unknown"};
  Json j = {{"name", p.name}, {"dtype", onnx_name(p.said.dtype)}};
  if (!p.ranked) {
    j["axes"] = nullptr;
    return j;
  }
  j["axes"] = Json::array();
  for (const AxisFact& a : p.axes) {
    Json axis = {{"says", kWords[static_cast<size_t>(a.says)]},
                 {"declared", dim_json(a.says, a.said)},
                 {"proven", kWords[static_cast<size_t>(a.proven)]},
                 {"formula", dim_json(a.proven, a.is)}};
    axis["max"] = a.most ? Json(*a.most) : Json(nullptr);
    if (!a.why.empty()) axis["why"] = a.why;
    j["axes"].push_back(std::move(axis));
  }
  return j;
}

Json verdict_json(const AxisVerdict& v) {
  Json j = {{"verdict", verdict_word(v.kind)}};
  j["symbol"] = v.symbol.empty() ? Json(nullptr) : Json(v.symbol);
  const bool sized = v.kind == Verdict::fixed || v.kind == Verdict::clamped;
  j["size"] = sized ? Json(v.size) : Json(nullptr);
  j["max"] = sized ? Json(v.size) : v.most ? Json(*v.most) : Json(nullptr);
  j["may_exceed_one"] =
      (v.kind == Verdict::free && (!v.most || *v.most > 1)) || (v.kind == Verdict::fixed && v.size > 1);
  j["why"] = v.why;
  return j;
}

}  // namespace

std::string axes_text(const Axes& a, const std::string& title) { return Text(a).render(title); }

std::string axes_json(const Axes& a, const std::string& path) {
  Json j = {{"path", path}, {"inputs", Json::array()}, {"outputs", Json::array()}};
  for (const PortAxes& p : a.inputs) j["inputs"].push_back(port_json(p));
  for (const PortAxes& p : a.outputs) j["outputs"].push_back(port_json(p));
  j["relations"] = a.relations;
  j["steps"] = Json::array();
  for (const AxisStep& s : a.steps)
    j["steps"].push_back({{"question", s.question}, {"ok", s.ok}, {"answer", s.answer}});
  j["batch"] = verdict_json(a.batch);
  j["sequence"] = verdict_json(a.sequence);
  j["warnings"] = a.warnings;
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::view
