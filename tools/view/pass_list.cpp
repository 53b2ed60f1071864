#include "tools/view/pass_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "passes/core/pass.h"
#include "passes/core/pattern.h"

namespace lathe::view {
namespace {

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

// "a, b, c" broken into lines that a page can show.
std::string wrapped(const std::string& pipeline) {
  constexpr size_t kWidth = 100;
  std::string out = "    ";
  size_t column = 4;
  for (size_t begin = 0; begin < pipeline.size();) {
    const size_t end = std::min(pipeline.find(',', begin), pipeline.size() - 1) + 1;
    if (column + (end - begin) > kWidth) {
      out += "\n    ";
      column = 4;
    }
    out += pipeline.substr(begin, end - begin);
    column += end - begin;
    begin = end;
  }
  return out;
}

std::string pass_section(const PassDef& p) {
  std::string out = fmt::format("\n### `{}`\n{}.\n", p.name, p.summary);
  if (!p.options.empty()) out += "\n| option | default | |\n|---|---|---|\n";
  for (const OptionDef& o : p.options)
    out += fmt::format("| `{}` | `{}` | {} |\n", o.name, o.otherwise, cell(o.summary));
  if (!p.rules.empty()) out += "\n| rule | why both sides are equal |\n|---|---|\n";
  std::string previous;
  for (const Rule& r : p.rules) {
    const std::string row = fmt::format("| `{}` | {} |\n", r.name, cell(r.why));
    if (row != previous) out += row;  // one idea in several spellings
    previous = row;
  }
  return out;
}

}  // namespace

std::string passes_text() {
  std::string out, group;
  for (const PassDef& p : all_passes()) {
    if (p.group != group) out += fmt::format("{}{}:\n", group.empty() ? "" : "\n", p.group);
    group = p.group;
    out += fmt::format("  {:<22} {}\n", p.name, p.summary);
    for (const OptionDef& o : p.options)
      out += fmt::format("  {:<22}   {}={}: {}\n", "", o.name, o.otherwise, o.summary);
  }
  out += "\ngroups and presets:\n";
  for (const GroupDef& g : all_groups())
    out += fmt::format("  {:<22} {}\n  {:<22}   = {}{}\n", g.name, g.summary, "", g.pipeline,
                       g.repeat ? " (repeated)" : "");
  return out;
}

std::string passes_json() {
  using Json = nlohmann::ordered_json;
  Json all = {{"passes", Json::array()}, {"groups", Json::array()}};
  for (const PassDef& p : all_passes()) {
    Json pass = {{"name", p.name}, {"group", p.group}, {"summary", p.summary}, {"options", Json::array()}};
    for (const OptionDef& o : p.options)
      pass["options"].push_back({{"name", o.name}, {"default", o.otherwise}, {"summary", o.summary}});
    pass["rules"] = Json::array();
    for (const Rule& r : p.rules)
      pass["rules"].push_back({{"name", r.name}, {"why", r.why}, {"pattern", to_string(r.pattern)}});
    all["passes"].push_back(std::move(pass));
  }
  for (const GroupDef& g : all_groups())
    all["groups"].push_back(
        {{"name", g.name}, {"summary", g.summary}, {"pipeline", g.pipeline}, {"repeated", g.repeat}});
  return all.dump(2);
}

std::string passes_markdown() {
  std::string out =
      "# Passes\n\nWritten by `./dev pages` from the passes' own declarations; `onnx-opt --list-passes` "
      "tells\n"
      "the same. A pipeline is `pass,pass{option=value,flag},group`. How to write one:\n"
      "[add a pass](add-a-pass.md), [add a fusion](add-a-fusion.md).\n\n## Groups and presets\n";
  for (const GroupDef& g : all_groups())
    out += fmt::format(
        "\n### `{}`\n{}{}.\n\n{}\n", g.name, g.summary,
        g.repeat && g.summary.find("nothing changes") == g.summary.npos ? ", until nothing changes" : "",
        wrapped(g.pipeline));
  std::string group;
  for (const PassDef& p : all_passes()) {
    if (p.group != group) out += fmt::format("\n## {}\n", p.group);
    group = p.group;
    out += pass_section(p);
  }
  return out;
}

}  // namespace lathe::view
