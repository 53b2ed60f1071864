#include "tools/view/lint_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/cli.h"

namespace lathe::view {
namespace {

using lint::Finding;
using lint::LintDef;
using lint::Place;
using lint::Severity;

std::string place_text(const Place& p) {
  if (p.kind == Place::Kind::model) return "the model";
  if (p.kind == Place::Kind::file) return p.name.empty() ? "the file" : cli::printable(p.name);
  return fmt::format("{} '{}'", word(p.kind), cli::printable(p.name));
}

// Findings of one lint that say the same.
struct Same {
  const Finding* first;
  std::vector<const Finding*> all;
};

class Text {
 public:
  Text(const LintReport& r, bool full) : r_(r), full_(full) {}

  std::string render() {
    for (const Severity s : {Severity::error, Severity::warning, Severity::note}) {
      std::map<size_t, std::vector<const Finding*>> by_lint;  // in the order of the lints
      for (const Finding& f : r_.findings)
        if (f.severity == s) by_lint[static_cast<size_t>(f.lint - lint::all_lints().data())].push_back(&f);
      for (const auto& [index, list] : by_lint) lint(s, lint::all_lints()[index], list);
    }
    summary();
    return out_;
  }

 private:
  const std::string& colour(Severity s) const {
    return s == Severity::error ? p_.red : s == Severity::warning ? p_.yellow : p_.dim;
  }

  void lint(Severity s, const LintDef& def, const std::vector<const Finding*>& list) {
    out_ += fmt::format("{}{}:{} {}{}:{} {} {}[{}]{}{}\n", p_.bold, r_.path, p_.reset, colour(s), word(s),
                        p_.reset, def.summary, p_.dim, def.id, p_.reset,
                        list.size() > 1 ? fmt::format(" x {}", list.size()) : "");
    std::vector<Same> groups;
    std::map<std::string_view, size_t> known;
    for (const Finding* f : list) {
      const auto [it, fresh] = known.emplace(f->text, groups.size());
      if (fresh) groups.push_back({f, {}});
      groups[it->second].all.push_back(f);
    }
    const size_t shown = full_ ? groups.size() : std::min<size_t>(groups.size(), s == Severity::note ? 2 : 4);
    for (size_t i = 0; i < shown; ++i) same(groups[i]);
    if (shown < groups.size())
      out_ += fmt::format("  {}and {} more (--full tells all){}\n", p_.dim, groups.size() - shown, p_.reset);
    if (!def.fix.empty()) out_ += fmt::format("  {}fix: {}{}\n", p_.dim, def.fix, p_.reset);
  }

  void same(const Same& g) {
    constexpr size_t kPlaces = 3;
    if (g.all.size() == 1) {
      out_ += fmt::format("  {}: {}\n", place_text(g.first->place), cli::printable(g.first->text));
      return;
    }
    const size_t shown = full_ ? g.all.size() : std::min(g.all.size(), kPlaces);
    std::string places;
    for (size_t i = 0; i < shown; ++i)
      places += fmt::format("{}'{}'", i > 0 ? ", " : "", cli::printable(g.all[i]->place.name));
    if (shown < g.all.size()) places += fmt::format(" and {} more", g.all.size() - shown);
    out_ +=
        fmt::format("  {} {}s: {}\n", g.all.size(), word(g.first->place.kind), cli::printable(g.first->text));
    out_ += fmt::format("    {}{}{}\n", p_.dim, places, p_.reset);
  }

  void summary() {
    size_t counts[3] = {};
    for (const Finding& f : r_.findings) ++counts[static_cast<size_t>(f.severity)];
    const auto some = [](size_t n, std::string_view what) {
      return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
    };
    if (r_.findings.empty())
      out_ += fmt::format("{}{}:{} {}clean{} ({})\n", p_.bold, r_.path, p_.reset, p_.green, p_.reset,
                          some(r_.lints, "lint"));
    else
      out_ += fmt::format("{}: {}, {}, {}\n", r_.path, some(counts[2], "error"), some(counts[1], "warning"),
                          some(counts[0], "note"));
  }

  const LintReport& r_;
  const bool full_;
  const cli::Paint p_{STDOUT_FILENO};
  std::string out_;
};

std::string title(std::string_view group) {
  std::string s(group);
  if (!s.empty()) s[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(s[0])));
  return s;
}

}  // namespace

size_t LintReport::count(Severity at_least) const {
  return static_cast<size_t>(std::count_if(findings.begin(), findings.end(),
                                           [&](const Finding& f) { return f.severity >= at_least; }));
}

std::string lint_text(const LintReport& r, bool full) { return Text(r, full).render(); }

std::string lint_json(const LintReport& r) {
  using Json = nlohmann::ordered_json;
  Json j = {{"path", r.path}, {"target", r.target}, {"lints", r.lints}};
  j["refused"] = r.refused ? Json(*r.refused) : Json(nullptr);
  j["findings"] = Json::array();
  std::map<std::string, size_t> counts = {{"error", 0}, {"warning", 0}, {"note", 0}};
  for (const Finding& f : r.findings) {
    ++counts[std::string(word(f.severity))];
    j["findings"].push_back({{"lint", f.lint->id},
                             {"group", f.lint->group},
                             {"severity", word(f.severity)},
                             {"place", {{"kind", word(f.place.kind)}, {"name", f.place.name}}},
                             {"text", f.text},
                             {"fix", f.lint->fix}});
  }
  j["counts"] = counts;
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string lints_text() {
  std::string out, group;
  for (const LintDef& l : lint::all_lints()) {
    if (l.group != group) out += fmt::format("{}{}:\n", group.empty() ? "" : "\n", l.group);
    group = l.group;
    out += fmt::format("  {:<22} {:<8} {}{}\n", l.id, word(l.severity), l.summary,
                       l.reads_weights ? " (reads weights)" : "");
  }
  return out;
}

std::string lints_markdown() {
  std::string out =
      "# Lints\n\nWritten by `./dev pages` from the lints' own declarations. `onnx-inspect --lint` runs all "
      "of "
      "them,\n`--lint=security,unfused` some groups or single ones; `--list-lints` tells this list. See\n"
      "[analysis](analysis.md#lints) for exit codes and formats.\n\n| lint | severity | a finding is |\n"
      "|---|---|---|\n";
  for (const LintDef& l : lint::all_lints())
    out += fmt::format("| [`{0}`](#{0}) | {1} | {2} |\n", l.id, word(l.severity), l.summary);
  std::string group;
  for (const LintDef& l : lint::all_lints()) {
    if (l.group != group) out += fmt::format("\n## {}\n", title(l.group));
    group = l.group;
    out += fmt::format("\n### `{}`\n{}: {}.\n\n{}\n\nFix: {}.\n", l.id, title(word(l.severity)), l.summary,
                       l.help, l.fix);
    if (l.reads_weights) out += "\nReads the weights (`--skip-weights` leaves it out).\n";
  }
  return out;
}

}  // namespace lathe::view
