// Which operands and results of a node may be of a 16-bit float type.
#pragma once
#include <string>
#include <vector>

#include "passes/core/context.h"
#include "passes/quant/half/kind.h"

namespace lathe {

struct HalfSlots {
  std::vector<bool> in, out;  // float32 ones that the op also takes or gives in the half type
  std::string refusal;        // why the node cannot change at all; empty if it can
  bool any() const;
};

// By the op's schema at the opset that the model is saved with, and the target. Slots of other types (and of
// float32 alone, as the scales of Resize) are false.
HalfSlots half_slots(const Model& m, NodeId n, const HalfKind& kind, const Target& target);

// The attributes with element types that say float32 changed: Cast's `to`, ConstantOfShape's value.
Attrs half_attrs(const Node& node, const HalfKind& kind);

// Does rounding of the operands change the result by more than rounding (comparisons, Floor, ArgMax)?
bool is_discontinuous(const Model& m, NodeId n);
// Do the operands count pixels or positions, which halves cannot?
bool takes_coordinates(const Node& node);
// Moves elements and computes nothing: as good in either type.
bool only_moves(const Node& node);
bool is_f32(const Model& m, ValueId v);

}  // namespace lathe
