#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tools/cli.h"
#include "tools/diff/picture.h"
#include "tools/view/assets.h"

namespace lathe::cli {
namespace {

constexpr double kWidth = 1180, kMargin = 28, kBarsWidth = 250, kPanelLeft = kMargin + kBarsWidth + 44;
constexpr size_t kPanels = 12;

// Names of ops without their domain, cut where the card ends.
std::string card_title(const diff::HunkGroup& g) {
  constexpr size_t kMost = 84;
  std::string s = fmt::format("{} x  {}", g.hunks.size(), ops_title(g));
  for (const std::string domain = "com.microsoft."; s.find(domain) != std::string::npos;)
    s.erase(s.find(domain), domain.size());
  return s.size() <= kMost ? s : s.substr(0, s.find_last_of(' ', kMost)) + " ...";
}

std::string file_name(const std::string& path) {
  return shown(std::filesystem::path(path).filename().string(), 60);
}

}  // namespace

std::string group_color(size_t group) {
  // Twelve hues that neighbours in the list can be told apart by; light enough for both themes.
  static constexpr std::array<const char*, 12> kColors = {"#4c8dd6", "#e07b39", "#46a56a", "#b565c9",
                                                          "#d4a72c", "#d1556b", "#3aa6a8", "#8c7ae6",
                                                          "#9a7b4f", "#7fa33a", "#c95fa0", "#6b8299"};
  return group < kColors.size() ? kColors[group] : "#8a8f98";
}

std::string light_colors() {
  return view::theme_variables(view::kLight) +
         "--track:#e4e8ec;--agree:#e9ecef;--old:#fdecea;--old-line:#c9403c;--new:#e8f6ec;--new-line:#237e42;"
         "--changed:#a87400;--focus:#1f6fd0;color-scheme:light";
}

std::string dark_colors() {
  return view::theme_variables(view::kDark) +
         "--track:#2a313a;--agree:#22282f;--old:#3a2022;--old-line:#e0706c;--new:#1c3325;--new-line:#4fc07a;"
         "--changed:#e6b422;--focus:#7cb7ff;color-scheme:dark";
}

const char* picture_style() {
  return R"css(
svg text{font-family:system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.page{fill:var(--page)}.card{fill:var(--card);stroke:var(--line)}
svg .title{font-size:20px;font-weight:600}svg .sub{font-size:13px;fill:var(--soft)}svg .head{font-size:14px;font-weight:600}
svg .rules{font-size:11px;fill:var(--soft)}svg .side,svg .nothing{font-size:11px;fill:var(--soft);text-anchor:middle}
svg .op{font-size:12px;font-weight:600;text-anchor:middle}svg .detail{font-size:9.5px;fill:var(--soft);text-anchor:middle}
svg .outside{font-size:10px;fill:var(--soft);text-anchor:middle}
.box{stroke-width:1.3}.box.old{fill:var(--old);stroke:var(--old-line)}.box.new{fill:var(--new);stroke:var(--new-line)}
.pill{fill:var(--pill);stroke:var(--line)}.edge{fill:none;stroke:var(--edge);stroke-width:1.2}
.arrow{fill:none;stroke:var(--soft);stroke-width:1.5}
.track{fill:var(--track)}.agree{fill:var(--agree)}.band{opacity:.45}.changed{fill:var(--changed)}.tick{opacity:.95}
)css";
}

std::string diff_svg(const DiffInput& in) {
  const auto& d = in.d;
  std::string body;
  double top = 104;
  const double start = top;
  const size_t shown_groups = std::min(d.changes.groups.size(), kPanels);
  for (size_t i = 0; i < shown_groups; ++i) {
    const auto& g = d.changes.groups[i];
    const double width = kWidth - kPanelLeft - kMargin;
    const Panel p = draw_panel(in, i, width - 40);
    const double height = p.height + 70;
    body += fmt::format(
        R"x(<g transform="translate({:.0f},{:.1f})"><rect class="card" width="{:.0f}" height="{:.1f}" rx="8"/>)x"
        R"x(<circle cx="20" cy="22" r="6" style="fill:{}"/><text class="head" x="34" y="27">{}</text><text class="rules" x="34" y="44">{}</text>)x"
        R"x(<g transform="translate(20,56)">{}</g></g>)x",
        kPanelLeft, top, width, height, group_color(i), xml(card_title(g)),
        xml(g.rules.empty() ? "" : "by " + shown(rules_text(g.rules), 120)), p.svg);
    top += height + 16;
  }
  const auto groups = change_groups(in);
  const size_t rows = std::min<size_t>(groups.size(), 20);
  for (size_t i = 0; i < rows; ++i) {
    const ChangeGroup& g = groups[i];
    const std::string title = g.changes.size() == 1 ? node_title(in.a, d.changes.nodes[g.changes[0]].a)
                                                    : fmt::format("{} nodes", g.changes.size());
    body += fmt::format(
        R"x(<g transform="translate({:.0f},{:.1f})"><rect class="changed" width="4" height="16" rx="2"/><text class="sub" x="12" y="13">{}</text></g>)x",
        kPanelLeft, top,
        xml(shown(fmt::format("{} {}: {}{}", g.op, title, g.rewired ? "rewired: " : "", g.text), 120)));
    top += 24;
  }
  if (shown_groups + rows == 0) {
    body += fmt::format(R"x(<text class="sub" x="{:.0f}" y="{:.1f}">{}</text>)x", kPanelLeft, top + 20,
                        d.same() ? "The models compute the same." : "No node differs.");
    top += 60;
  }
  if (d.changes.groups.size() > kPanels) {
    body += fmt::format(R"x(<text class="sub" x="{:.0f}" y="{:.1f}">... and {} kinds of change more</text>)x",
                        kPanelLeft, top + 12, d.changes.groups.size() - kPanels);
    top += 28;
  }
  const double height = std::max(top, start + 420) + kMargin,
               bars = std::min(height - start - kMargin - 24, 1400.0);
  const Totals t = totals(d);
  std::string out = fmt::format(
      R"x(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}"><title>onnx-diff</title><style>:root{{{3}}}@media(prefers-color-scheme:dark){{:root{{{4}}}}}{2}</style>)x"
      R"x(<rect class="page" width="100%" height="100%"/>)x",
      kWidth, height, picture_style(), light_colors(), dark_colors());
  out += fmt::format(R"x(<text class="title" x="{}" y="40">{} &#8594; {}</text>)x", kMargin,
                     xml(file_name(in.path_a)), xml(file_name(in.path_b)));
  out += fmt::format(
      R"x(<text class="sub" x="{}" y="62">{} &#8594; {} nodes, {} &#8594; {} of weights; {} removed, {} added, {} changed, {} rewired; {} weights differ; interface {}</text>)x",
      kMargin, d.cost_a.nodes, d.cost_b.nodes, human_bytes(static_cast<double>(d.cost_a.bytes)),
      human_bytes(static_cast<double>(d.cost_b.bytes)), d.changes.removed, d.changes.added, t.changed,
      t.rewired, d.weights.changes.size(), interface_text(d));
  out += fmt::format(
      R"x(<text class="side" x="{:.0f}" y="{:.0f}">a</text><text class="side" x="{:.0f}" y="{:.0f}">b</text><g transform="translate({},{:.0f})">{}</g>)x",
      kMargin + 13, start + 4, kMargin + kBarsWidth - 13, start + 4, kMargin, start + 12,
      draw_bars(in, kBarsWidth, bars));
  return out + body + "</svg>\n";
}

}  // namespace lathe::cli
