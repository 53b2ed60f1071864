// How one graph is executed: its nodes in order with operands as slots of a frame, and the slots to free
// after each.
#pragma once
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"
#include "ir/ops/kept.h"
#include "ir/ops/op_def.h"

namespace lathe {

using Slot = int32_t;  // -1: an omitted operand

// Of one step, from run to run.
struct StepMemory {
  KeptOperands constants;
  bool ran = false;
};

struct PlanStep {
  NodeId id;
  std::shared_ptr<const Node> resolved;  // a copy without attribute references; null: the model's node serves
  const Function* function = nullptr;    // a call of a local function
  const OpDef* def = nullptr;            // otherwise a kernel; otherwise the schema's function body
  std::vector<Slot> in, out;
  std::vector<Slot> last;  // not needed after this step
  std::vector<GraphId> bodies;
  std::shared_ptr<StepMemory> memory;  // null: no operand is a constant matrix of floats
};

// Slots [0, made) belong to the frame: inputs, then what nodes make. Constants follow, then captures.
struct Plan {
  std::vector<PlanStep> steps;
  std::vector<ValueId> ids;  // of each slot
  std::unordered_map<ValueId, Slot> slot_of;
  std::vector<Slot> inputs, outputs;
  std::vector<Datum> constants;
  size_t made = 0;
  std::vector<ValueId> captures;

  size_t slots() const { return ids.size(); }
};

struct PlanOptions {
  const Attrs* bound = nullptr;  // attributes of the enclosing function's call
  bool precise = false;          // constants as doubles
  // Values given by the caller: captures, constants though they may be.
  const std::unordered_map<ValueId, Datum>* given = nullptr;
};

Plan plan_graph(const Model& m, GraphId g, const PlanOptions& options);
// A plan of loose nodes: whatever they read and do not make is a capture; nothing is freed.
Plan plan_nodes(const Model& m, std::span<const NodeId> nodes, const PlanOptions& options);

// f16, bf16 and f32 tensors as doubles (inside sequences too); anything else as it is.
Datum promoted(const Datum& d);

}  // namespace lathe
