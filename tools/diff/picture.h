// Pictures of a difference: both models side by side as bars in execution order, joined where they agree and
// where one part stands for another, and a panel for each kind of rewrite with the old and the new subgraph.
#pragma once
#include <string>
#include <vector>

#include "tools/diff/lines.h"
#include "tools/markup.h"

namespace lathe::cli {

struct Panel {
  size_t group = 0;  // of Changes::groups
  double width = 0, height = 0;
  std::string svg;  // a <g>, at the origin
};

// The style names its colors by CSS variables: one of the two sets goes with it.
const char* picture_style();
std::string light_colors();
std::string dark_colors();
std::string group_color(size_t group);

// The old and the new subgraph of a group's first place, next to each other, at most `width` wide.
Panel draw_panel(const DiffInput& in, size_t group, double width);
// The two bars; bands carry data-group.
std::string draw_bars(const DiffInput& in, double width, double height);

// A page of its own: title, bars, the most frequent panels.
std::string diff_svg(const DiffInput& in);
std::string diff_html(const DiffInput& in);

}  // namespace lathe::cli
