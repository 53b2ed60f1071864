// Layered layout of a small directed graph through graphviz's library (dot): boxes of given sizes, top to
// bottom.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace lathe::view {

struct Point {
  double x = 0, y = 0;  // y grows downwards
};
struct Box {
  double width = 0, height = 0;
};

struct GraphLayout {
  double width = 0, height = 0;
  std::vector<Point> centers;               // of the boxes, in order
  std::vector<std::vector<Point>> splines;  // of the edges: 1 + 3k points of cubic Bezier curves
};

// Sizes in points. An edge leads from the first box to the second. Not for more than some hundred boxes: dot
// takes quadratic time.
GraphLayout layout_graph(const std::vector<Box>& boxes, const std::vector<std::pair<size_t, size_t>>& edges);

}  // namespace lathe::view
