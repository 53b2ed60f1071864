// The range of a tensor that static quantization spans with its codes, from what calibration saw.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "passes/quant/calibrate.h"

namespace lathe {

enum class RangeMethod : uint8_t {
  minmax,      // everything that was seen
  percentile,  // all but a fraction of the elements, half of it at either end
  entropy,     // least Kullback-Leibler divergence (Migacz, "8-bit Inference with TensorRT", GTC 2017)
  mse,         // least squared error of rounding and cutting off
};

struct CodeRange {
  double low = 0, high = 0;  // zero is inside
};

struct RangeOptions {
  RangeMethod method = RangeMethod::minmax;
  double percentile = 99.999;
  int levels = 256;  // codes
};

// Equal cells between `low` and `high`, and how many elements fell into each.
struct Histogram {
  CodeRange range;
  std::vector<uint64_t> counts;

  double width() const { return (range.high - range.low) / static_cast<double>(counts.size()); }
  double center(size_t cell) const { return range.low + width() * (static_cast<double>(cell) + 0.5); }
};

// What the method makes of a histogram; its whole range where that is as good.
CodeRange choose_range(const Histogram& h, const RangeOptions& options);

// Runs the model once (minmax) or twice. A wanted value that no run made, or that is no float tensor, is not
// in the result; one with a NaN or an infinity is an input error.
std::map<ValueId, CodeRange> tensor_ranges(const Model& m, const ShapeValues& values,
                                           const std::vector<ValueId>& wanted,
                                           const CalibrationOptions& calibration,
                                           const RangeOptions& options);

}  // namespace lathe
