// A picture of a model as boxes, frames and edges, and its drawing through graphviz (dot).
#pragma once
#include <string>
#include <vector>

#include "tools/view/scene.h"

namespace lathe::view {

// How much of the outline a picture opens.
inline constexpr int kDepthBlocks = 1;  // repeated blocks and units are one box each
inline constexpr int kDepthUnits = 2;   // a repeated block shows the units of its first layer
inline constexpr int kDepthNodes = 3;   // and every unit its nodes
inline constexpr int kDepthAll = 4;     // every layer by itself

struct PictureBox {
  std::string title;
  std::vector<std::string> lines;
  size_t color = 0;      // index into palette(by)
  bool port = false;     // an input or output of the graph
  uint32_t frame = ~0u;  // that it stands in
  std::string tip;       // shown by a pointer that rests on it
};

struct PictureFrame {
  std::string title, detail;
  size_t color = 0;
  uint32_t parent = ~0u;
  bool repeat = false;  // the first layer of many
};

struct PictureEdge {
  uint32_t from = 0, to = 0;  // boxes
  bool port = false;          // from an input or to an output
  auto operator<=>(const PictureEdge&) const = default;
};

struct Picture {
  std::string title, subtitle;
  ColorBy by = ColorBy::role;
  std::vector<PictureFrame> frames;  // a frame follows its parent
  std::vector<PictureBox> boxes;
  std::vector<PictureEdge> edges;  // sorted, each once
};

// Boxes that a picture may have: dot takes seconds from here on.
inline constexpr size_t kMostBoxes = 1500;

// A depth that would draw more than kMostBoxes is a usage error.
Picture make_picture(const Scene& s, int depth, ColorBy by);

enum class PictureForm : uint8_t { dot, svg, png };
std::string draw(const Picture& p, PictureForm form);

}  // namespace lathe::view
