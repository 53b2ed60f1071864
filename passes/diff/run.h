// Values: both models run on the same seeded inputs. Two comparisons at every value that both have: b fed
// with a's values at the border of each node (what that node or rewrite does by itself), and b running on its
// own (what has piled up until there).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "passes/diff/diff.h"

namespace lathe::diff {

struct RunOptions {
  uint64_t seed = 0;
  std::map<std::string, int64_t> dims;  // sizes of symbolic dims; others are small primes
  // Allowed difference as a part of the value's largest magnitude; nullopt: by element type.
  std::optional<double> tolerance;
  int64_t max_bytes = 0;  // live values of one run; 0 = no limit
};

struct ValueDifference {
  ValueId a, b;
  NodeId node;  // of b, that makes it
  bool same = true;
  double max_abs = 0, scale = 0;  // largest difference; largest magnitude in a
  std::string text;               // empty if same
  double relative() const { return scale > 0 ? max_abs / scale : max_abs; }
};

struct RunReport {
  std::vector<std::pair<std::string, std::string>> inputs;  // name, "int64[2, 3]"
  std::vector<ValueDifference> alone;                       // fed with a's values, in b's order
  std::vector<ValueDifference> together;                    // by itself, the same values
  std::vector<ValueDifference> outputs;                     // of main, by itself
  std::optional<size_t> first;                              // of `alone` that differs
  bool same() const;                                        // all outputs agree
};

// Both models must be lifted. What cannot run is an input error that names the model and the node.
RunReport run_both(const Model& a, const Model& b, const Diff& d, const RunOptions& options);

}  // namespace lathe::diff
