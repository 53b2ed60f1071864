// Builds IR graphs from resolved raw graphs.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/onnx/carried.h"
#include "ir/onnx/graph_scan.h"
#include "ir/onnx/tensor_proto.h"

namespace lathe {

class GraphLoader {
 public:
  GraphLoader(Model& model, const TensorSource& source, std::string& trace,
              const std::function<void(const std::string&)>& warn)
      : m_(model), source_(source), trace_(trace), warn_(warn) {}

  // The graph must be resolved with `slots` slots.
  void load(const RawGraph& raw, uint32_t slots, GraphId g);
  // Fields that graphs and functions read alike.
  Attr attribute(wire::Bytes message) { return attribute(message, nullptr, nullptr); }

 private:
  void graph(const RawGraph& raw, GraphId g, int depth);
  void initializers(const RawGraph& raw, GraphId g);
  void node(const RawGraph& raw, const RawNode& n, GraphId g, int depth);
  Attr attribute(wire::Bytes message, const RawGraph* raw, uint32_t* child, int depth = 0);
  void value_info(const RawGraph& raw, GraphId g);
  void graph_notes(const RawGraph& raw, GraphId g);
  void annotations(const RawGraph& raw, GraphId g);
  Port port(const RawItem& item);
  ValueId value(uint32_t slot) const { return slot == kNoSlot ? ValueId{} : values_[slot]; }
  void refine_type(ValueId v, const Type& declared);

  Model& m_;
  const TensorSource& source_;
  std::string& trace_;
  const std::function<void(const std::string&)>& warn_;
  std::vector<ValueId> values_;  // by slot
  NotesBuilder notes_;
};

// The tensor that a Constant node spells, from `value`, `value_float`, ...; null for sparse and referenced
// values.
TensorPtr constant_of(const Node& node);

}  // namespace lathe
