// The difference of two models: what onnx-diff reports.
#pragma once
#include <optional>

#include "passes/diff/changes.h"
#include "passes/diff/cost.h"
#include "passes/diff/interface.h"
#include "passes/diff/provenance.h"
#include "passes/diff/weights.h"

namespace lathe::diff {

struct Diff {
  Alignment alignment;
  Changes changes;
  std::vector<InterfaceChange> interface;
  Weights weights;
  Provenance provenance;
  Cost cost_a, cost_b;

  bool same_interface() const { return interface.empty(); }
  bool same_ops() const { return changes.hunks.empty() && changes.nodes.empty(); }
  bool same_weights() const { return weights.changes.empty() && weights.only_a + weights.only_b == 0; }
  bool same() const { return same_interface() && same_ops() && same_weights(); }
};

Diff diff_models(const Model& a, const Model& b, const WeightOptions& options = {});

// Why nothing of the other model was taken for this node: one sentence.
std::string why_removed(const Model& a, const Model& b, const Diff& d, NodeId n);
std::string why_added(const Model& a, const Model& b, const Diff& d, NodeId n);

}  // namespace lathe::diff
