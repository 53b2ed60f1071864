#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "tools/cli.h"
#include "tools/diff/picture.h"
#include "tools/diff/writer.h"
#include "tools/view/assets.h"

namespace lathe::cli {
namespace {

constexpr size_t kPanels = 40, kPlaces = 200, kLines = 120, kRows = 2000;

std::string bytes(int64_t n) { return human_bytes(static_cast<double>(n)); }

class Html : Writer {
 public:
  explicit Html(const DiffInput& in) : in_(in), d_(in.d) {}

  std::string run() {
    const auto file = [](const std::string& path) {
      return xml(shown(std::filesystem::path(path).filename().string(), 80));
    };
    const std::string title = file(in_.path_a) + " → " + file(in_.path_b);
    put("<header><h1>{}</h1><div class=\"tools\"><output id=\"found\" for=\"find\"></output><input "
        "id=\"find\" "
        "type=\"search\" placeholder=\"find a node ( / )\" aria-label=\"find a node\"><button id=\"theme\" "
        "title=\"light or dark (t)\" aria-label=\"light or dark\">◐</button></div></header>",
        title);
    cards();
    put("<main><aside><div class=\"ab\"><span>a</span><span>b</span></div><svg viewBox=\"0 0 220 700\" "
        "width=\"220\" height=\"700\" role=\"img\" "
        "aria-label=\"both models, node by node\">");
    out_ += draw_bars(in_, 220, 700);
    put("</svg><p class=\"hint\">Both models in execution order. Grey bands agree; colored ones were "
        "rewritten: point or click. "
        "Keys: <kbd>/</kbd> find, <kbd>j</kbd> <kbd>k</kbd> next and previous section, <kbd>t</kbd> "
        "theme.</p></aside><div class=\"content\">");
    if (d_.same()) put("<section><h2>Same</h2><p>Both models compute the same.</p></section>");
    interface();
    groups();
    changed();
    values();
    weights();
    ops();
    put("</div></main>\n");
    const std::string dark = dark_colors();
    return view::html_page({
        .title = title,
        .style = fmt::format(
            ":root{{{0}}}\n@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{1}}}}}\n"
            ":root[data-theme=dark]{{{1}}}\n{2}{3}",
            light_colors(), dark, picture_style(), view::assets({"base.css", "diff.css"})),
        .body = std::move(out_),
        .data = {},
        .script = std::string(view::asset("diff.js")),
    });
  }

 private:
  void card(const char* name, const std::string& value, const std::string& note) {
    put("<div class=\"card\"><b>{}</b><span>{}</span><small>{}</small></div>", value, name, note);
  }

  void cards() {
    const Totals t = totals(d_);
    put("<div class=\"cards\">");
    card("nodes", fmt::format("{} → {}", d_.cost_a.nodes, d_.cost_b.nodes),
         fmt::format("{} removed, {} added", d_.changes.removed, d_.changes.added));
    card("weights", fmt::format("{} → {}", bytes(d_.cost_a.bytes), bytes(d_.cost_b.bytes)),
         fmt::format("{} same, {} changed", d_.weights.same, d_.weights.changes.size()));
    card("kept nodes", std::to_string(d_.alignment.aligned),
         fmt::format("{} changed, {} rewired", t.changed, t.rewired));
    card("interface", interface_text(d_), "inputs, outputs, opsets, metadata");
    size_t rewrites = 0;
    for (const auto& [rule, n] : d_.provenance.rules) rewrites += n;
    if (rewrites > 0)
      card("by lathe", std::to_string(rewrites) + " rewrites",
           fmt::format("of {} rules", d_.provenance.rules.size()));
    put("</div>");
  }

  void interface() {
    if (d_.interface.empty()) return;
    put("<section tabindex=\"-1\" "
        "id=\"interface\"><h2>Interface</h2><table><tr><th>what</th><th>before</th><th>after</th></tr>");
    for (const auto& c : d_.interface)
      put("<tr><td>{} <code>{}</code></td><td class=\"was\">{}</td><td class=\"is\">{}</td></tr>",
          diff::kind_name(c.kind), xml(shown(c.name)), xml(shown(c.before, 400)), xml(shown(c.after, 400)));
    put("</table></section>");
  }

  void groups() {
    const auto& all = d_.changes.groups;
    for (size_t i = 0; i < all.size(); ++i) {
      const auto& g = all[i];
      put("<section tabindex=\"-1\" class=\"group\" id=\"g{0}\" data-group=\"{0}\"><h2><i "
          "style=\"background:{1}\"></i>{2} × "
          "{3}</h2>",
          i, group_color(i), g.hunks.size(), xml(ops_title(g)));
      if (!g.rules.empty()) put("<p class=\"rules\">by {}</p>", xml(rules_text(g.rules)));
      if (i < kPanels) {
        const Panel p = draw_panel(in_, i, 760);
        put("<svg viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "class=\"panel\">{2}</svg>",
            p.width, p.height, p.svg);
      }
      put("<details><summary>{} place{}</summary>", g.hunks.size(), g.hunks.size() == 1 ? "" : "s");
      for (size_t k = 0; k < g.hunks.size(); ++k) {
        if (k == kPlaces) {
          put("<p>… {} more</p>", g.hunks.size() - k);
          break;
        }
        place(d_.changes.hunks[g.hunks[k]]);
      }
      put("</details></section>");
    }
  }

  void place(const diff::Hunk& h) {
    const std::string scope = scope_of(in_, h);
    put("<div class=\"place\"><h3>{}</h3><pre>",
        xml(scope.empty()
                ? (h.removed.empty() ? node_title(in_.b, h.added[0]) : node_title(in_.a, h.removed[0]))
                : shown(scope, 200)));
    const auto lines = [&](const std::vector<NodeId>& nodes, bool old_side) {
      for (size_t i = 0; i < nodes.size() && i < kLines; ++i) {
        const std::string line = old_side ? line_of_a(in_, nodes[i], scope) : line_of_b(in_, nodes[i], scope);
        const std::string why = old_side ? diff::why_removed(in_.a, in_.b, d_, nodes[i])
                                         : diff::why_added(in_.a, in_.b, d_, nodes[i]);
        put("<span class=\"{}\" title=\"{}\">{} {}</span>\n", old_side ? "was" : "is",
            xml(node_title(old_side ? in_.a : in_.b, nodes[i]) + ": " + why), old_side ? "-" : "+",
            xml(line));
      }
      if (nodes.size() > kLines) put("  … {} more nodes\n", nodes.size() - kLines);
    };
    lines(h.removed, true);
    lines(h.added, false);
    for (size_t i = 0; i < h.readers.size() && i < 12; ++i)
      put("<span class=\"soft\">  read by {}: {} {}</span>\n", xml(node_title(in_.a, h.readers[i].a)),
          xml(h.readers[i].input.label),
          xml(arrow(operand_of_a(in_, h.readers[i].input.before),
                    operand_of_b(in_, h.readers[i].input.after))));
    put("</pre></div>");
  }

  void changed() {
    const auto groups = change_groups(in_);
    if (groups.empty()) return;
    put("<section tabindex=\"-1\" id=\"changed\"><h2>Changed nodes</h2>");
    for (const ChangeGroup& g : groups) {
      const auto name = [&](size_t i) { return xml(node_title(in_.a, d_.changes.nodes[i].a)); };
      put("<details class=\"change\"{}><summary><b>{}{}</b> {}<code>{}</code></summary><ul>",
          g.changes.size() == 1 ? " open" : "",
          g.changes.size() > 1 ? fmt::format("{} × ", g.changes.size()) : "", xml(shown(g.op)),
          g.rewired ? "rewired: " : "", xml(g.text));
      for (size_t k = 0; k < g.changes.size() && k < kPlaces; ++k)
        put("<li class=\"place\">{}</li>", name(g.changes[k]));
      put("</ul></details>");
    }
    put("</section>");
  }

  void weights() {
    const auto& w = d_.weights.changes;
    if (w.empty()) return;
    double most = 0;
    for (const auto& c : w)
      if (c.compared && c.stats.relative < 1e300) most = std::max(most, c.stats.relative);
    put("<section tabindex=\"-1\" id=\"weights\"><h2>Weights: {} changed, {} same</h2><table "
        "class=\"sortable\"><thead><tr><th>weight</th><th>stored</th>"
        "<th>bytes</th><th>max</th><th>mean</th><th>relative</th><th>cosine</th></tr></thead><tbody>",
        w.size(), d_.weights.same);
    for (size_t i = 0; i < w.size() && i < kRows; ++i) {
      const auto& c = w[i];
      put("<tr class=\"place\"><td title=\"{}\"><code>{}</code></td><td>{}</td><td data-v=\"{}\">{}</td>",
          xml(shown(c.name_b)), xml(shown(c.name_a)), xml(storage_text(c)), c.bytes_a,
          c.bytes_a == c.bytes_b ? bytes(c.bytes_a) : bytes(c.bytes_a) + " → " + bytes(c.bytes_b));
      if (!c.compared) {
        put("<td colspan=\"4\">{}</td></tr>", xml(stats_text(c)));
        continue;
      }
      put("<td data-v=\"{0}\">{0:.3g}</td><td data-v=\"{1}\">{1:.3g}</td><td data-v=\"{2}\"><span "
          "class=\"meter\" "
          "style=\"--p:{3:.1f}%\">{2:.3g}</span></td><td data-v=\"{4}\">{4:.6f}</td></tr>",
          c.stats.max_abs, c.stats.mean_abs, c.stats.relative,
          most > 0 ? 100 * std::min(c.stats.relative / most, 1.0) : 0, c.stats.cosine);
    }
    put("</tbody></table></section>");
  }

  void values() {
    if (in_.run == nullptr) return;
    const diff::RunReport& r = *in_.run;
    const auto worst = worst_values(r.alone);
    put("<section tabindex=\"-1\" id=\"values\"><h2>Values on seeded inputs: {}</h2>",
        r.same() ? "the outputs agree" : "the outputs differ");
    put("<p class=\"rules\">inputs:");
    for (const auto& [name, type] : r.inputs) put(" <code>{} {}</code>", xml(shown(name)), xml(type));
    put("</p><table><tr><th>output</th><th>largest difference</th><th></th></tr>");
    for (const auto& v : r.outputs)
      put("<tr><td><code>{}</code></td><td>{}</td><td class=\"{}\">{}</td></tr>", xml(shown(in_.a[v.a].name)),
          xml(difference_text(v)), v.same ? "is" : "was", v.same ? "agrees" : "differs");
    put("</table>");
    if (r.first)
      put("<p>Fed with the reference's values, the first that differs is <code>{}</code>: {}</p>",
          xml(maker(in_, r.alone[*r.first])), xml(shown(r.alone[*r.first].text, 200)));
    if (!worst.empty()) {
      put("<details><summary>{} of {} values differ by what their own node or rewrite "
          "does</summary><table><tr>"
          "<th>made by</th><th>largest difference</th></tr>",
          worst.size(), r.alone.size());
      for (size_t i = 0; i < worst.size() && i < kRows; ++i)
        put("<tr class=\"place\"><td><code>{}</code></td><td>{}</td></tr>", xml(maker(in_, *worst[i])),
            xml(difference_text(*worst[i])));
      put("</table></details>");
    }
    put("</section>");
  }

  void ops() {
    std::map<std::string, std::pair<size_t, size_t>> counts;
    for (const auto& [op, n] : d_.cost_a.ops) counts[op].first = n;
    for (const auto& [op, n] : d_.cost_b.ops) counts[op].second = n;
    size_t most = 1;
    for (const auto& [op, n] : counts) most = std::max({most, n.first, n.second});
    put("<section tabindex=\"-1\" id=\"ops\"><h2>Nodes by op</h2><table "
        "class=\"sortable\"><thead><tr><th>op</th><th>before</th><th>after</th><th>change</th>"
        "</tr></thead><tbody>");
    for (const auto& [op, n] : counts) {
      const auto delta = static_cast<int64_t>(n.second) - static_cast<int64_t>(n.first);
      const auto part = [&](size_t x) { return 100.0 * static_cast<double>(x) / static_cast<double>(most); };
      put("<tr><td><code>{}</code></td><td data-v=\"{}\"><span class=\"meter old\" "
          "style=\"--p:{:.1f}%\">{}</span></td><td data-v=\"{}\">"
          "<span class=\"meter new\" style=\"--p:{:.1f}%\">{}</span></td><td data-v=\"{}\" "
          "class=\"{}\">{}</td></tr>",
          xml(shown(op)), n.first, part(n.first), n.first, n.second, part(n.second), n.second, delta,
          delta < 0   ? "was"
          : delta > 0 ? "is"
                      : "",
          delta == 0 ? "" : fmt::format("{:+}", delta));
    }
    put("</tbody></table></section>");
  }

  const DiffInput& in_;
  const diff::Diff& d_;
};

}  // namespace

std::string diff_html(const DiffInput& in) { return Html(in).run(); }

}  // namespace lathe::cli
