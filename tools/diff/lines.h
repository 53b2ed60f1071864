// The pieces that every form of onnx-diff's report is made of: nodes as lines of ONNX text, in a's names
// where both models have the value.
#pragma once
#include <string>
#include <vector>

#include "passes/diff/diff.h"
#include "passes/diff/run.h"
#include "tools/markup.h"

namespace lathe::cli {

struct DiffInput {
  std::string path_a, path_b;
  const Model& a;
  const Model& b;
  const diff::Diff& d;
  const diff::RunReport* run = nullptr;  // null: not asked for
};

// "y = Softmax <axis = -1> (x)". Names lose the prefix `scope` if they have it.
std::string line_of_a(const DiffInput& in, NodeId n, std::string_view scope = {});
std::string line_of_b(const DiffInput& in, NodeId n, std::string_view scope = {});
// The prefix up to a '/' or '.' that what the hunk's nodes make shares; "" if it is short.
std::string scope_of(const DiffInput& in, const diff::Hunk& h);
// An operand: a name, or the value of a small constant.
std::string operand_of_a(const DiffInput& in, ValueId v);
std::string operand_of_b(const DiffInput& in, ValueId v);
// The node's name, or its first output's where it has none; "graph outputs" for the end of a graph.
std::string node_title(const Model& m, NodeId n);

// "Add, Div, Erf, Add, 2 Mul -> com.microsoft.BiasGelu"
std::string ops_title(const diff::HunkGroup& g);
std::string rules_text(const std::vector<std::string>& rules);  // "gelu-erf, bias-gelu"

// "12 x LayerNormalization: epsilon 1e-12 -> 1e-05": nodes that changed in the same way.
struct ChangeGroup {
  std::string op, text;
  std::vector<size_t> changes;  // of Changes::nodes
  bool rewired = false;
};
std::vector<ChangeGroup> change_groups(const DiffInput& in);

struct Totals {
  size_t changed = 0, rewired = 0;
};
Totals totals(const diff::Diff& d);
std::string interface_text(const diff::Diff& d);  // "same", "1 change", "2 changes"

// "max 0.013, mean 2e-4, cosine 0.99981"
std::string stats_text(const diff::WeightChange& c);
// "float [384, 384] -> 4-bit, blocks of 32 [384, 384], columns 0 to 384"
std::string storage_text(const diff::WeightChange& c);
std::string dims_text(const std::vector<int64_t>& dims);

// "2.1e-03 of 4.5": the largest difference as a part of the largest magnitude; for what has no such number
// (another type or shape, NaN) what the comparison said.
std::string difference_text(const diff::ValueDifference& v);
// "SkipLayerNormalization 'x'": the node of b that makes a value.
std::string maker(const DiffInput& in, const diff::ValueDifference& v);
// Those of `all` that differ, the largest relative difference first.
std::vector<const diff::ValueDifference*> worst_values(const std::vector<diff::ValueDifference>& all);

std::string arrow(const std::string& before, const std::string& after);  // "3 -> 4", "removed: 3", "added: 4"

}  // namespace lathe::cli
