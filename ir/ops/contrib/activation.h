// The activation that a fused op applies last. Its parameters are activation_alpha, activation_beta
// (FusedGemm) or activation_params (FusedConv).
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "ir/base/error.h"
#include "ir/core/attr.h"

namespace lathe {

template <class T>
void activate(const Attrs& attrs, std::span<T> values) {
  const std::string name = attrs.s("activation", "");
  const auto params = attrs.floats("activation_params");
  const auto param = [&](size_t i, const char* attr, double otherwise) {
    if (i < params.size()) return static_cast<T>(params[i]);
    return attrs.has(attr) ? static_cast<T>(attrs.f(attr, 0)) : static_cast<T>(otherwise);
  };
  const auto map = [&](const auto& f) {
    for (T& v : values) v = f(v);
  };
  if (name.empty()) return;
  if (name == "Relu") return map([](T v) { return v < 0 ? T(0) : v; });
  if (name == "Tanh") return map([](T v) { return std::tanh(v); });
  if (name == "Sigmoid") return map([](T v) { return T(1) / (T(1) + std::exp(-v)); });
  if (name == "LeakyRelu") {
    const T a = param(0, "activation_alpha", 0.01);
    return map([a](T v) { return v < 0 ? a * v : v; });
  }
  if (name == "Clip") {
    const T lo = param(0, "activation_alpha", std::numeric_limits<T>::lowest()),
            hi = param(1, "activation_beta", std::numeric_limits<T>::max());
    return map([lo, hi](T v) { return v < lo ? lo : v > hi ? hi : v; });
  }
  if (name == "HardSigmoid") {
    const T a = param(0, "activation_alpha", 0.2), b = param(1, "activation_beta", 0.5);
    return map([a, b](T v) { return std::clamp(a * v + b, T(0), T(1)); });
  }
  fail("activation {}", name);
}

}  // namespace lathe
