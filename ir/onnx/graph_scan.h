// First look at a GraphProto or a function body: what it defines and uses, as views of the file. resolve()
// binds every name to a slot (one for each definition in the file) by ONNX's scoping and finds an execution
// order, before any IR is built.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/onnx/part_budget.h"
#include "ir/onnx/wire.h"

namespace lathe {

inline constexpr int kMaxGraphDepth = 200;
inline constexpr uint32_t kNoSlot = ~0u;

struct RawNode {
  wire::Bytes body;
  std::string_view name, type;
  size_t names = 0;  // its inputs, then outputs, in RawGraph::names
  uint32_t inputs = 0, outputs = 0;
  uint32_t children = 0, child_count = 0;  // subgraphs, in attribute order
};

// Something with a name: an input, output, initializer, value_info or quantization annotation.
struct RawItem {
  std::string_view name;
  wire::Bytes body;
  uint32_t slot = kNoSlot;
};

struct RawGraph {
  bool is_function = false;
  std::string_view name;
  std::vector<RawNode> nodes;
  std::vector<std::string_view> names;
  std::vector<uint32_t> slots;  // of names
  std::vector<RawGraph> children;
  std::vector<RawItem> inputs, outputs, initializers, sparse_initializers, value_info, annotations;
  std::vector<wire::Field> rest;  // the other fields of the message
  std::vector<uint32_t> order;    // execution order of the nodes where it is not that of the file
};

RawGraph scan_graph(wire::Bytes message, PartBudget& budget, std::string& trace);
// Only the parts that a FunctionProto shares with a graph; the caller reads the others from `rest`.
RawGraph scan_function(wire::Bytes message, PartBudget& budget, std::string& trace);

// Binds all names below `graph`; returns the number of slots.
uint32_t resolve(RawGraph& graph, std::string& trace, const std::function<void(const std::string&)>& warn);

}  // namespace lathe
