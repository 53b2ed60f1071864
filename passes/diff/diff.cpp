#include "passes/diff/diff.h"

#include <fmt/format.h>

#include "passes/diff/text.h"

namespace lathe::diff {
namespace {

std::string why(const Model& own, NodeId n, const Cost& mine, const Cost& other, std::string_view here,
                std::string_view there) {
  const std::string op = op_name(own[n]);
  const auto it = other.ops.find(op);
  if (it == other.ops.end()) return fmt::format("{} has no {}", there, op);
  const size_t count = mine.ops.at(op);
  if (it->second < count) return fmt::format("{} has {} {}, {} has {}", here, count, op, there, it->second);
  return fmt::format("no {} of {} that is free reads or feeds the same", op, there);
}

}  // namespace

Diff diff_models(const Model& a, const Model& b, const WeightOptions& options) {
  Diff d;
  d.alignment = align(a, b);
  d.changes = find_changes(a, b, d.alignment);
  d.weights = compare_weights(a, b, d.alignment, d.changes, options);
  d.provenance = attribute_rewrites(a, b, d.changes);
  d.interface = interface_changes(a, b, d.alignment);
  d.cost_a = cost_of(a);
  d.cost_b = cost_of(b);
  return d;
}

std::string why_removed(const Model& a, const Model&, const Diff& d, NodeId n) {
  return why(a, n, d.cost_a, d.cost_b, "a", "b");
}
std::string why_added(const Model&, const Model& b, const Diff& d, NodeId n) {
  return why(b, n, d.cost_b, d.cost_a, "b", "a");
}

}  // namespace lathe::diff
