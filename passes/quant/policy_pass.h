// Applies a policy to a model: what the pass of that name and a search under a budget share.
#pragma once
#include <string>

#include "passes/core/context.h"
#include "passes/core/pass.h"
#include "passes/quant/policy.h"

namespace lathe {

struct PolicyOptions {
  std::string data;             // calibration (passes/quant/calibrate.h); empty: none
  double damping = 0;           // GPTQ's; 0: 0.03, on seeded data 0.1
  int64_t min_elements = 4096;  // smaller weights stay
};

// From the options data, damping and min-elements of a pass.
PolicyOptions policy_options(const PassContext& ctx, const PassOptions& o);

// The scheme that a rule gives to this site, as the quantizers take it.
Scheme settled(const PolicyRule& r, const WeightSite& s, bool has_data);

// Every weight gets the scheme of the first rule that matches it. A policy that decides about none of the
// model's weights is an input error.
void apply_policy(PassContext& ctx, const Policy& policy, const PolicyOptions& options);

}  // namespace lathe
