// Comparison of weights by value: streamed in tiles, in parallel, with the same result for any number of
// threads.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "passes/diff/changes.h"
#include "passes/diff/weight_view.h"

namespace lathe::diff {

struct WeightStats {
  int64_t count = 0, differing = 0;
  double max_abs = 0, mean_abs = 0;  // of a - b over pairs that are finite
  double relative = 0;               // sqrt(sum (a - b)^2 / sum a^2)
  double cosine = 1;
  int64_t nan_a = 0, nan_b = 0;  // elements that are NaN or infinite
};

// Both views have the same rows and columns.
WeightStats compare_views(const WeightView& a, const WeightView& b);

struct WeightChange {
  ValueId a, b;  // the tensors that hold the values
  std::string name_a, name_b;
  std::vector<int64_t> dims_a, dims_b;
  std::string stored_a, stored_b;
  int64_t bytes_a = 0, bytes_b = 0;
  // How b's lies in relation to a's: "", "transposed", "columns 384 to 768".
  std::string layout;
  enum class Kind : uint8_t {
    values,  // same type and shape, other values
    type,    // other element type or quantization
    shape,   // other shape: not comparable by value
    unread,  // there is no data to compare
  };
  Kind kind = Kind::values;
  bool compared = false;  // stats hold
  WeightStats stats;
  size_t uses = 0;
};

struct Weights {
  std::vector<WeightChange> changes;  // worst first
  size_t same = 0;                    // pairs with equal bytes
  size_t only_a = 0, only_b = 0;      // used tensors without a partner
  int64_t only_a_bytes = 0, only_b_bytes = 0;
  std::vector<ValueId> removed, added;  // those
  bool read = true;                     // false: compared by type and shape only
};

struct WeightOptions {
  bool read = true;
  // Bytes that will not be read again: mapped pages may go.
  std::function<void(std::span<const std::byte>)> done = {};
};

// Compares the constants of aligned nodes, and inside of hunks the weights of both sides with one another.
// Pairs where the node reads another weight that both models have become NodeChange::rewired of `changes`.
Weights compare_weights(const Model& a, const Model& b, const Alignment& al, Changes& changes,
                        const WeightOptions& options);

}  // namespace lathe::diff
