// What a picture or page of a model is made from: the model, its outline, and numbers for each part.
#pragma once
#include <string>
#include <vector>

#include "passes/analysis/cost.h"
#include "passes/analysis/outline.h"
#include "tools/view/palette.h"

namespace lathe::view {

struct Numbers {
  double flops = 0, macs = 0;
  double moved = 0;  // bytes of activations read and written
  int64_t parameters = 0, weight_bytes = 0;
  Numbers& operator+=(const Numbers& o);
};

// How a node differs from the older model, or which rewrites made it.
struct NodeChange {
  uint8_t step = 0;  // of palette(ColorBy::change)
  std::string text;
};

struct Scene {
  std::string title;
  std::string assumed;  // sizes that nobody chose: "batch=1,seq=128"
  Model m;
  Roles roles;
  Outline outline;
  Sizes sizes;
  std::vector<Numbers> of_node, of_group;  // by NodeId::v, by index into outline.groups
  Numbers total;
  std::vector<NodeChange> change;  // by NodeId::v
  std::vector<uint8_t> type;       // by NodeId::v: step of palette(ColorBy::type)
  std::vector<uint8_t> group_type, group_change;
};

// Takes the model (lifted), analyzes shapes, roles and cost. `dims` as for --cost. `base`: an older version
// of the model, for the colors of changes; null: the rewrites that the model's own metadata records.
Scene make_scene(Model m, const std::string& title, const std::string& dims, const Model* base = nullptr);

// "attention", "layer 3", "12 layers", "then_branch of If", a function's or op's name.
std::string group_title(const Scene& s, uint32_t group);
// "12 heads of 32, causal", "shape arithmetic", ops by count; may be empty.
std::string group_detail(const Scene& s, uint32_t group);

// As it fits into a box: formulas that are long become "..".
std::string short_type(const Type& t);

// The color of a node or group: an index into palette(by).
size_t color_of(const Scene& s, ColorBy by, NodeId n);
size_t color_of(const Scene& s, ColorBy by, uint32_t group);

}  // namespace lathe::view
