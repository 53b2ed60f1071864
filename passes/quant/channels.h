// Ranges and means of the channels of activations, gathered while the executor runs the model.
#pragma once
#include <functional>
#include <map>
#include <vector>

#include "passes/quant/calibrate.h"

namespace lathe {

struct ChannelStats {
  int64_t k = 0, rows = 0;
  std::vector<float> low, high;  // [k]; zero is always inside
  std::vector<double> mean;      // [k]
  std::vector<double> rounded;   // [k]: mean of what Rounding makes of it; empty unless given

  float largest(size_t c) const { return high[c] > -low[c] ? high[c] : -low[c]; }
};

// What a float32 tensor becomes when it is held by codes, as float32.
using RoundingOf = std::function<Tensor(ValueId, const Tensor&)>;

// Over an axis (negative: from the end) of each wanted value. A wanted value that no run made is not in the
// result; one with a NaN or an infinity is an input error.
std::map<ValueId, ChannelStats> channel_stats(const Model& m, const ShapeValues& values,
                                              const std::map<ValueId, int64_t>& wanted,
                                              const CalibrationOptions& options,
                                              const RoundingOf& rounded = {});

}  // namespace lathe
