// Ranges and means of the channels of activations, gathered while the executor runs the model.
#pragma once
#include <map>
#include <vector>

#include "passes/quant/calibrate.h"

namespace lathe {

struct ChannelStats {
  int64_t k = 0, rows = 0;
  std::vector<float> low, high;  // [k]; zero is always inside
  std::vector<double> mean;      // [k]
  // [k]: mean of what DynamicQuantizeLinear of each run's tensor makes of it; empty unless asked for
  std::vector<double> rounded;

  float largest(size_t c) const { return high[c] > -low[c] ? high[c] : -low[c]; }
};

// Over the last axis of each wanted value. A wanted value that no run made is not in the result; one with a
// NaN or an infinity is an input error.
std::map<ValueId, ChannelStats> channel_stats(const Model& m, const ShapeValues& values,
                                              const std::vector<ValueId>& wanted,
                                              const CalibrationOptions& options, bool rounded);

}  // namespace lathe
