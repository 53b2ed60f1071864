#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "tools/markup.h"
#include "tools/view/graphviz.h"
#include "tools/view/picture.h"

namespace lathe::view {
namespace {

using cli::xml;

constexpr const char* kFont = "Helvetica,Arial,DejaVu Sans,sans-serif";

// Text of graphviz's own HTML-like labels.
std::string font(std::string_view text, int size, std::string_view color, bool bold = false) {
  return fmt::format("<FONT POINT-SIZE=\"{}\" COLOR=\"{}\">{}{}{}</FONT>", size, color, bold ? "<B>" : "",
                     xml(text), bold ? "</B>" : "");
}

std::string rows(std::string_view title, int size, const std::vector<std::string>& lines,
                 std::string_view color = kLight.soft) {
  std::string s = fmt::format(
      "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"1\"><TR><TD>{}</TD></TR>",
      font(title.empty() ? " " : title, size, kLight.ink, true));
  for (const std::string& l : lines)
    if (!l.empty()) s += fmt::format("<TR><TD>{}</TD></TR>", font(l, 9, color));
  return s + "</TABLE>";
}

class Drawer {
 public:
  explicit Drawer(const Picture& p) : p_(p), colors_(palette(p.by)), graph_(gv_graph("model")) {}

  std::string run(PictureForm form) {
    page();
    std::vector<Agraph_t*> frames;
    for (size_t i = 0; i < p_.frames.size(); ++i) {
      const PictureFrame& f = p_.frames[i];
      Agraph_t* in = f.parent == ~0u ? graph_.get() : frames[f.parent];
      std::string name = fmt::format("cluster{}", i);
      frames.push_back(::agsubg(in, name.data(), 1));
      frame(frames.back(), f);
    }
    std::vector<Agnode_t*> nodes;
    for (size_t i = 0; i < p_.boxes.size(); ++i) {
      const PictureBox& b = p_.boxes[i];
      nodes.push_back(gv_node(b.frame == ~0u ? graph_.get() : frames[b.frame], fmt::format("n{}", i)));
      box(nodes.back(), b);
    }
    for (size_t i = 0; i < p_.edges.size(); ++i) {
      Agedge_t* e =
          gv_edge(graph_.get(), nodes[p_.edges[i].from], nodes[p_.edges[i].to], fmt::format("e{}", i));
      if (p_.edges[i].port) gv_set(e, "style", "dashed");
    }
    return render(form);
  }

 private:
  void label(void* object, const std::string& html) {
    std::string key = "label", text = html;
    char* shared = ::agstrdup_html(graph_.get(), text.data());  // counted: the attribute keeps it
    ::agset(object, key.data(), shared);
    ::agstrfree(graph_.get(), shared);
  }

  void defaults(int kind, const std::vector<std::pair<const char*, std::string>>& values) {
    for (const auto& [name, value] : values) {
      std::string key = name, text = value;
      ::agattr(graph_.get(), kind, key.data(), text.data());
    }
  }

  void page() {
    defaults(AGRAPH, {{"fontname", kFont},
                      {"bgcolor", std::string(kLight.page)},
                      {"pad", "0.3"},
                      {"nodesep", "0.25"},
                      {"ranksep", "0.32"},
                      {"labelloc", "t"},
                      {"labeljust", "c"},
                      {"newrank", "true"},
                      {"label", ""},
                      {"style", ""},
                      {"color", ""},
                      {"fillcolor", ""},
                      {"margin", ""},
                      {"tooltip", ""},
                      {"charset", "UTF-8"}});
    defaults(AGNODE, {{"fontname", kFont},
                      {"shape", "box"},
                      {"style", "rounded,filled"},
                      {"margin", "0.12,0.05"},
                      {"height", "0.3"},
                      {"penwidth", "1.2"},
                      {"label", ""},
                      {"fillcolor", ""},
                      {"color", ""},
                      {"tooltip", ""}});
    defaults(AGEDGE, {{"color", std::string(kLight.edge)},
                      {"arrowsize", "0.6"},
                      {"penwidth", "1.1"},
                      {"style", "solid"},
                      {"tooltip", " "}});
    label(graph_.get(), heading());
    gv_set(graph_.get(), "tooltip", plain(p_.title));
  }

  // Tooltips are escape strings.
  static std::string plain(const std::string& s) {
    std::string out;
    for (const char c : cli::shown(s, 400)) out += c == '\\' ? std::string("\\\\") : std::string(1, c);
    return out.empty() ? " " : out;
  }

  // Title, facts, and the colors that the picture uses.
  std::string heading() {
    std::set<size_t> used;
    for (const PictureBox& b : p_.boxes)
      if (!b.port) used.insert(b.color);
    std::string legend;
    if (used.size() > 1)
      for (size_t i = 0; i < colors_.size(); ++i)
        if (used.contains(i) || (p_.by == ColorBy::cost && i <= *used.rbegin()))
          legend += fmt::format(
              "<TD BGCOLOR=\"{}\" COLOR=\"{}\" BORDER=\"1\" STYLE=\"ROUNDED\" CELLPADDING=\"3\">{}</TD>",
              colors_[i].fill, colors_[i].line, font(colors_[i].name, 9, kLight.ink));
    std::string s = fmt::format(
        "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"4\"><TR><TD>{}</TD></TR><TR><TD>{}</TD></TR>",
        font(cli::shown(p_.title, 100), 17, kLight.ink, true), font(p_.subtitle, 10, kLight.soft));
    if (!legend.empty())
      s += fmt::format("<TR><TD><TABLE BORDER=\"0\" CELLSPACING=\"4\"><TR>{}</TR></TABLE></TD></TR>", legend);
    return s + "</TABLE>";
  }

  void frame(Agraph_t* g, const PictureFrame& f) {
    label(g, rows(f.title, 12, {f.detail}));
    gv_set(g, "style", "rounded,filled");
    gv_set(g, "fillcolor", std::string(kLight.card));
    gv_set(g, "color", std::string(f.repeat ? kLight.edge : kLight.line));
    gv_set(g, "margin", "14");
    gv_set(g, "labeljust", "l");
    gv_set(g, "tooltip", plain(f.title));
  }

  void box(Agnode_t* n, const PictureBox& b) {
    if (b.port) {
      gv_set(n, "style", "rounded,filled,dashed");
      gv_set(n, "fillcolor", std::string(kLight.pill));
      gv_set(n, "color", std::string(kLight.edge));
    } else {
      gv_set(n, "fillcolor", std::string(colors_[b.color].fill));
      gv_set(n, "color", std::string(colors_[b.color].line));
    }
    // On strong colors the soft ink is too soft.
    const bool strong = p_.by == ColorBy::cost && !b.port && b.color >= 4;
    label(n, rows(b.title, b.port ? 10 : 12, b.lines, strong ? kLight.ink : kLight.soft));
    gv_set(n, "tooltip", plain(b.tip.empty() ? b.title : b.tip));
  }

  std::string render(PictureForm form) {
    if (form == PictureForm::dot) return written();
    const bool svg = form == PictureForm::svg;
    if (!svg) gv_set(graph_.get(), "dpi", "144");
    const GvContext context = gv_context();
    if (::gvLayout(context.get(), graph_.get(), "dot") != 0) fail("graphviz cannot lay the picture out");
    char* data = nullptr;
    unsigned size = 0;
    std::string out;
    if (::gvRenderData(context.get(), graph_.get(), svg ? "svg" : "png", &data, &size) == 0 &&
        data != nullptr)
      out.assign(data, size);
    if (data != nullptr) ::gvFreeRenderData(data);
    ::gvFreeLayout(context.get(), graph_.get());
    if (out.empty())
      fail("graphviz cannot draw {} here (its plugin comes with Debian's libgraphviz-dev)",
           svg ? "SVG" : "PNG");
    return svg ? themed(std::move(out)) : out;
  }

  // As graphviz's own text, without a layout.
  std::string written() {
    char* data = nullptr;
    size_t size = 0;
    FILE* file = ::open_memstream(&data, &size);
    if (file == nullptr) fail("no memory for the picture");
    const bool ok = ::agwrite(graph_.get(), file) == 0;
    std::fclose(file);
    std::string out(data, size);
    std::free(data);
    if (!ok) fail("graphviz cannot write the graph");
    return out;
  }

  // The dark theme of an SVG: each color of the light one is given another by a style.
  std::string themed(std::string svg) const {
    std::string css;
    const auto pair = [&](std::string_view light, std::string_view dark) {
      css += fmt::format("[fill=\"{0}\"]{{fill:{1}}}[stroke=\"{0}\"]{{stroke:{1}}}", light, dark);
    };
    std::set<std::string_view> done;
    const auto once = [&](std::string_view light, std::string_view dark) {
      if (done.insert(light).second) pair(light, dark);
    };
    for (const Swatch& s : colors_) {
      once(s.fill, s.dark_fill);
      once(s.line, s.dark_line);
    }
    for (const auto part :
         {&Theme::page, &Theme::ink, &Theme::soft, &Theme::line, &Theme::card, &Theme::pill, &Theme::edge})
      once(kLight.*part, kDark.*part);
    const size_t open = svg.find("<svg");
    const size_t at = open == std::string::npos ? open : svg.find('>', open);
    if (at == std::string::npos) return svg;
    svg.insert(at + 1, fmt::format("\n<style>@media(prefers-color-scheme:dark){{{}}}</style>", css));
    // Comments name the version of graphviz: the same picture from another machine differs by less without
    // them.
    return svg.substr(open);
  }

  const Picture& p_;
  std::span<const Swatch> colors_;
  GvGraph graph_;
};

}  // namespace

std::string draw(const Picture& p, PictureForm form) { return Drawer(p).run(form); }

}  // namespace lathe::view
