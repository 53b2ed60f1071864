// What differs between aligned nodes, and which nodes only one model has, cut into hunks like those of a text
// diff: each is closed, so that its old side and its new side stand for one another.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ir/core/model.h"
#include "passes/diff/align.h"

namespace lathe::diff {

struct AttrChange {
  std::string name;
  std::string before, after;  // as text; empty: absent
};

// An operand of an aligned node that is not the same thing on both sides.
struct InputChange {
  uint32_t slot = 0;
  std::string label;      // "input 1 (axes)", or "output 'y'" of the graph
  ValueId before, after;  // none: omitted
};

// An aligned node that differs. a and b may be the hidden return nodes: then graph outputs are rewired.
struct NodeChange {
  NodeId a, b;
  std::vector<AttrChange> attrs;
  std::vector<InputChange> values;   // small constants with other contents
  std::vector<InputChange> rewired;  // reads something else, though both are in both models
  bool changed() const { return !attrs.empty() || !values.empty(); }
};

// Nodes that only a (removed) or only b (added) has, as far as they hang together. Nodes inside of a removed
// or added node's subgraphs go with it.
struct Hunk {
  std::vector<NodeId> removed, added;  // in execution order
  // Operands of aligned nodes that changed because of it.
  struct Reader {
    NodeId a, b;
    InputChange input;
  };
  std::vector<Reader> readers;
  std::vector<std::string> rules;  // lathe's own, from the provenance of b; see provenance.h
  std::string old_ops, new_ops;    // "Div, Erf, Add, 2 Mul"
};

// Hunks with equal old and new ops and rules.
struct HunkGroup {
  std::vector<size_t> hunks;
  std::vector<std::string> rules;
  std::string old_ops, new_ops;
};

// Constants at one operand of aligned nodes, to be compared by value.
struct ConstantPair {
  ValueId a, b;
  std::vector<std::pair<NodeId, uint32_t>> uses;  // node of a, slot
};

struct Changes {
  std::vector<NodeChange> nodes;
  std::vector<Hunk> hunks;
  std::vector<HunkGroup> groups;        // largest first
  std::vector<ConstantPair> constants;  // large ones, each pair once
  // Values that stand for one another, of aligned nodes and at the borders of hunks.
  std::vector<ValueId> value_a_to_b, value_b_to_a;
  std::vector<uint32_t> hunk_of_a, hunk_of_b;  // by NodeId::v; ~0u: none
  size_t removed = 0, added = 0;               // nodes, those inside of removed and added ones too
  size_t renamed_nodes = 0, renamed_values = 0;
};

Changes find_changes(const Model& a, const Model& b, const Alignment& al);

// Sorts hunks into groups (again, once rules are known).
void group_hunks(const Model& a, const Model& b, Changes& c);

// Small enough to be shown and compared as part of a node.
bool is_small_constant(const Tensor& t);

}  // namespace lathe::diff
