// A model as a reader wants to see it: a tree. The root holds repeated blocks (each with its layers), units
// (one attention, one norm, ...), and what is left between them; nodes with bodies own a group for each body.
// Pictures and pages draw some part of it.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/core/model.h"
#include "passes/analysis/roles.h"

namespace lathe {

struct OutlineGroup {
  enum class Kind : uint8_t {
    graph,     // the main graph: the root
    repeat,    // layers of one structure; its items are the layers
    layer,     // one of them
    unit,      // Roles::units[unit], with what only serves it
    glue,      // nodes of no unit that hang together
    body,      // a subgraph of the node `owner`
    function,  // the body of Model::functions[index]
  };
  struct Item {
    NodeId node;           // either a node
    uint32_t group = ~0u;  // or a group
    bool is_group() const { return group != ~0u; }
  };
  Kind kind = Kind::graph;
  Role role = Role::other;
  uint32_t parent = ~0u;    // of the root: none
  int32_t unit = -1;        // index into Roles::units
  int32_t layer = -1;       // number of a layer; of a repeat, its first
  int32_t index = 0;        // which body of its owner; which function
  NodeId owner;             // of a body
  size_t nodes = 0;         // inside, those of inner groups too
  std::vector<Item> items;  // in execution order
};

struct Outline {
  std::vector<OutlineGroup> groups;  // a group follows its parent
  std::vector<uint32_t> home;        // by NodeId::v: the group whose item the node is; ~0u: none

  uint32_t parent(uint32_t g) const { return groups[g].parent; }
};

// A Constant node: like an initializer it is part of what reads it, and stands nowhere in the outline.
bool holds_constant(const Model& m, NodeId n);

// Of the model that the roles were found in.
Outline make_outline(const Model& m, const Roles& r);

}  // namespace lathe
