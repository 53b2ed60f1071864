// One graph as the aligner sees it: nodes by number in execution order, what each reads and who reads it.
// Constant nodes are no nodes here: however an exporter spells a constant, it is an operand.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"

namespace lathe::diff {

inline constexpr uint32_t kNone = ~0u;
inline constexpr uint32_t kCapture = ~0u - 1;  // slot of what a node's subgraphs read from outside: a set

struct Operand {
  enum class Kind : uint8_t { none, node, constant, port, outer };
  Kind kind = Kind::none;
  uint32_t source = kNone;  // node: its number; port: its position
  uint32_t out = 0;         // output slot of the source
  uint32_t slot = 0;        // input slot of the reader, or kCapture
  ValueId value;
};

struct Reader {
  uint32_t node = kNone;  // kNone: the graph itself, `slot` is the number of the output
  uint32_t slot = 0;
  uint32_t out = 0;  // which output of the read node
};

class Scope {
 public:
  Scope(const Model& m, GraphId g);

  const Model& model() const { return *m_; }
  GraphId graph() const { return g_; }
  size_t size() const { return nodes_.size(); }
  NodeId id(uint32_t i) const { return nodes_[i]; }
  const Node& node(uint32_t i) const { return (*m_)[nodes_[i]]; }
  std::span<const Operand> operands(uint32_t i) const { return range(operands_, first_operand_, i); }
  std::span<const Reader> readers(uint32_t i) const { return range(readers_, first_reader_, i); }
  const std::vector<Operand>& results() const { return results_; }

 private:
  template <class T>
  static std::span<const T> range(const std::vector<T>& all, const std::vector<uint32_t>& first, uint32_t i) {
    return std::span(all).subspan(first[i], first[i + 1] - first[i]);
  }
  Operand operand(ValueId v, uint32_t slot) const;

  const Model* m_;
  GraphId g_;
  std::vector<NodeId> nodes_;
  std::unordered_map<NodeId, uint32_t> number_;
  std::vector<Operand> operands_;
  std::vector<uint32_t> first_operand_;
  std::vector<Reader> readers_;
  std::vector<uint32_t> first_reader_;
  std::vector<Operand> results_;
};

// A Constant node whose tensor is known.
bool is_constant_node(const Model& m, NodeId n);
// May the first two inputs be swapped?
bool is_commutative(const Node& n);

}  // namespace lathe::diff
