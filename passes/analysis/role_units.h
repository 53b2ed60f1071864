// The finders of roles.cpp, in the order they run: a node belongs to the first that claims it.
#pragma once
#include <unordered_map>
#include <vector>

#include "passes/analysis/roles.h"

namespace lathe::roles {

class Builder {
 public:
  explicit Builder(const Model& model);
  const Model& m;
  std::vector<NodeId> order;  // of the main graph

  size_t place(NodeId n) const { return place_.at(n); }
  bool claimed(NodeId n) const { return owner_.contains(n); }
  // A unit of these nodes; nodes that another unit has are shared by both and belong to neither's layer.
  void add(Unit u, const std::vector<std::pair<NodeId, Part>>& parts = {});
  // A node of no unit of its own (tables and masks that all layers share).
  void mark(NodeId n, Role r);
  // Data consumers of v.
  std::vector<NodeId> users(ValueId v) const;
  Roles finish();

 private:
  std::unordered_map<NodeId, size_t> place_;
  std::unordered_map<NodeId, int32_t> owner_;  // index into units_, or -1 - role where shared or marked
  std::unordered_map<NodeId, Part> parts_;
  std::vector<Unit> units_;
};

void find_attention(Builder& b);
void find_feed_forward(Builder& b);
void find_norms(Builder& b);
void find_embeddings(Builder& b);
void find_heads(Builder& b);
void find_convolutions(Builder& b);
void find_pooling(Builder& b);

}  // namespace lathe::roles
