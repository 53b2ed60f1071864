#include "tools/view/graph_layout.h"

#include <fmt/format.h>
#include <graphviz/gvc.h>

#include <memory>
#include <string>

#include "ir/base/error.h"

namespace lathe::view {
namespace {

// The library takes writable strings.
void set(void* object, const char* name, const std::string& value) {
  static std::string empty;
  std::string key = name, text = value;
  ::agsafeset(object, key.data(), text.data(), empty.data());
}

constexpr double kPointsPerInch = 72;

}  // namespace

GraphLayout layout_graph(const std::vector<Box>& boxes, const std::vector<std::pair<size_t, size_t>>& edges) {
  GraphLayout out;
  if (boxes.empty()) return out;
  const std::unique_ptr<GVC_t, int (*)(GVC_t*)> context(::gvContext(), ::gvFreeContext);
  std::string name = "g";
  const std::unique_ptr<Agraph_t, int (*)(Agraph_t*)> graph(::agopen(name.data(), Agdirected, nullptr),
                                                            ::agclose);
  if (!context || !graph) fail("graphviz's library does not start");
  set(graph.get(), "nodesep", "0.2");
  set(graph.get(), "ranksep", "0.28");
  std::vector<Agnode_t*> nodes;
  for (size_t i = 0; i < boxes.size(); ++i) {
    std::string id = std::to_string(i);
    nodes.push_back(::agnode(graph.get(), id.data(), 1));
    set(nodes.back(), "shape", "box");
    set(nodes.back(), "fixedsize", "true");
    set(nodes.back(), "label", "");
    set(nodes.back(), "width", fmt::format("{:.4f}", boxes[i].width / kPointsPerInch));
    set(nodes.back(), "height", fmt::format("{:.4f}", boxes[i].height / kPointsPerInch));
  }
  std::vector<Agedge_t*> lines;
  for (const auto& [from, to] : edges) {
    std::string id = std::to_string(lines.size());
    lines.push_back(::agedge(graph.get(), nodes[from], nodes[to], id.data(), 1));
    set(lines.back(), "arrowhead", "none");  // else the curve ends before the box
  }
  if (::gvLayout(context.get(), graph.get(), "dot") != 0) fail("graphviz cannot lay the graph out");
  const boxf bounds = GD_bb(graph.get());
  out.width = bounds.UR.x - bounds.LL.x;
  out.height = bounds.UR.y - bounds.LL.y;
  const auto point = [&](pointf p) { return Point{p.x - bounds.LL.x, bounds.UR.y - p.y}; };
  for (Agnode_t* n : nodes) out.centers.push_back(point(ND_coord(n)));
  for (Agedge_t* e : lines) {
    std::vector<Point> line;
    if (const splines* s = ED_spl(e); s != nullptr && s->size > 0) {
      for (size_t i = 0; i < static_cast<size_t>(s->list[0].size); ++i)
        line.push_back(point(s->list[0].list[i]));
    }
    out.splines.push_back(std::move(line));
  }
  ::gvFreeLayout(context.get(), graph.get());
  return out;
}

}  // namespace lathe::view
