// A weight as a matrix of numbers, however it is stored: plain, transposed, or quantized with scales. Read in
// blocks, so that nothing is held whole.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe::diff {

class WeightView {
 public:
  virtual ~WeightView() = default;
  int64_t rows = 1, cols = 1;  // a vector is one row; leading dims are rows
  // rows [r, r + nr) x columns [c, c + nc), row-major, nr * nc doubles.
  virtual void read(int64_t r, int64_t nr, int64_t c, int64_t nc, double* out) const = 0;
};
using WeightViewPtr = std::shared_ptr<const WeightView>;

// A weight of a model: the float matrix that its nodes compute with, and what it is made of.
struct Weight {
  WeightViewPtr view;
  std::vector<int64_t> dims;
  std::string name;     // of the tensor that holds its values
  std::string stored;   // "float16", "4-bit blocks of 32 (MatMulNBits)"
  int64_t bytes = 0;    // scales and zero points too
  bool counts = false;  // plain 32- or 64-bit integers: positions, sizes, no stored form of real weights
  std::vector<ValueId> parts;
};

// nullopt where it has no numeric elements in memory (strings, complex numbers, data left out).
std::optional<Weight> plain_weight(const Model& m, ValueId constant);
// The weight that MatMulNBits, GatherBlockQuantized or a DequantizeLinear of constants stands for; nullopt if
// n is none of them, or its operands are not what the op asks for.
std::optional<Weight> quantized_weight(const Model& m, NodeId n);

WeightViewPtr transposed(WeightViewPtr w);
// Columns [first, first + cols).
WeightViewPtr columns_of(WeightViewPtr w, int64_t first, int64_t cols);

}  // namespace lathe::diff
