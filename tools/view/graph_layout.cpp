#include "tools/view/graph_layout.h"

#include <fmt/format.h>

#include "tools/view/graphviz.h"

namespace lathe::view {
namespace {

constexpr double kPointsPerInch = 72;

}  // namespace

GraphLayout layout_graph(const std::vector<Box>& boxes, const std::vector<std::pair<size_t, size_t>>& edges) {
  GraphLayout out;
  if (boxes.empty()) return out;
  const GvContext context = gv_context();
  const GvGraph graph = gv_graph();
  gv_set(graph.get(), "nodesep", "0.2");
  gv_set(graph.get(), "ranksep", "0.28");
  std::vector<Agnode_t*> nodes;
  for (size_t i = 0; i < boxes.size(); ++i) {
    nodes.push_back(gv_node(graph.get(), std::to_string(i)));
    gv_set(nodes.back(), "shape", "box");
    gv_set(nodes.back(), "fixedsize", "true");
    gv_set(nodes.back(), "label", "");
    gv_set(nodes.back(), "width", fmt::format("{:.4f}", boxes[i].width / kPointsPerInch));
    gv_set(nodes.back(), "height", fmt::format("{:.4f}", boxes[i].height / kPointsPerInch));
  }
  std::vector<Agedge_t*> lines;
  for (const auto& [from, to] : edges) {
    lines.push_back(gv_edge(graph.get(), nodes[from], nodes[to], std::to_string(lines.size())));
    gv_set(lines.back(), "arrowhead", "none");  // else the curve ends before the box
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
