// SmoothQuant (Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
// Language Models", ICML 2023): activations have a few channels that are far larger than the rest and cost
// all others their precision. They are divided by a factor, and their rows of the weight multiplied by it,
// before either is rounded to bytes. Two departures: only channels above the median are made smaller (no
// channel is made larger, so one that calibration found quiet may still speak up), and an input is left alone
// where little is gained.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "passes/core/context.h"
#include "passes/core/pass.h"
#include "passes/quant/channels.h"
#include "passes/quant/sites.h"

namespace lathe {

// One factor a channel, at least 1: largest |x| ^ power / largest |w| ^ (1 - power), over its median.
std::vector<float> smooth_factors(const ChannelStats& x, std::span<const float> largest_weight, double power);

// The option smooth of a pass, checked: 0 (not) to 1.
double smooth_option(const PassContext& ctx, const PassOptions& o);

struct SmoothOptions {
  double power = 0.7;   // the paper's alpha
  std::string data;     // calibration; empty: seeded
  bool padded = false;  // ranges are those of whole batches: what stands in their padding counts
  std::function<bool(const WeightSite&)> choose;
};

// Rewrites the float model: the factors go into the normalization before (where nothing else reads it), into
// the values of the attention before, or into a Mul by a constant.
void smooth_inputs(PassContext& ctx, const SmoothOptions& options);

}  // namespace lathe
