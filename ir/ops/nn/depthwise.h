// Convolution of one input channel a feature.
#pragma once
#include "ir/ops/nn/window.h"

namespace lathe {

// x: [batch, channels, in...], weights: [features, taps], y: [batch, features, out...]; feature f reads
// channel f / (features / channels). y holds what is added to (a bias).
template <class T>
void depthwise_conv(const Window& w, int64_t batch, int64_t channels, int64_t features, const T* x,
                    const T* weights, T* y);

}  // namespace lathe
