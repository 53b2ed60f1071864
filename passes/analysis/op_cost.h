// MACs and FLOPs of single nodes.
#pragma once
#include <optional>

#include "ir/core/model.h"

namespace lathe {

struct OpCost {
  Dim macs, flops;
};
// nullopt: a shape that decides it is not known.
std::optional<OpCost> op_cost(const Model& m, NodeId n);
// Results of the op are the operand's bytes under other dims.
bool is_view(const Node& n);

}  // namespace lathe
