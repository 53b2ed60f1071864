#include "passes/quant/rounding/awq.h"

#include <algorithm>
#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/math/gemm_kernel.h"
#include "passes/quant/nbits.h"

namespace lathe {
namespace {

// Factors of mean |x| to the power, with their geometric middle at one.
std::vector<float> factors_of(const InputStats& stats, float power) {
  std::vector<float> f(stats.absolute.size());
  float low = HUGE_VALF, high = 0;
  for (size_t i = 0; i < f.size(); ++i) {
    f[i] = std::max(std::pow(stats.absolute[i], power), 1e-4f);
    low = std::min(low, f[i]);
    high = std::max(high, f[i]);
  }
  const float middle = std::sqrt(low * high);
  for (float& x : f) x /= middle;
  return f;
}

// Sum over columns of e^T G e for the error e that rounding leaves on the scaled weight, seen unscaled.
double product_error(const AwqWeight& w, const InputStats& stats, const Scheme& scheme,
                     const std::vector<float>& factors) {
  const Tensor scaled = scaled_channels(w, factors);
  const int64_t k = stats.k, n = scaled.count() / k;
  std::vector<float> importance(factors.size());
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = stats.square[i] / (factors[i] * factors[i]);
  const NBitsWeight q = quantize_nbits(scaled, w.transposed, scheme, {.importance = importance});
  const Tensor back = dequantize_nbits(q, k, n, w.transposed, scheme);
  std::vector<float> error(static_cast<size_t>(k * n)), moved(error.size());  // [K, N]
  const auto a = scaled.data<float>(), b = back.data<float>();
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const auto at = static_cast<size_t>(w.transposed ? j * k + i : i * n + j);
      error[static_cast<size_t>(i * n + j)] = (a[at] - b[at]) / factors[static_cast<size_t>(i)];
    }
  gemm_batch(Gemm<float>{false, false, k, n, k, 1, 0, k, n, n}, stats.gram.data(), error.data(), moved.data(),
             {{0, 0, 0}});
  double sum = 0;
  for (size_t i = 0; i < error.size(); ++i) sum += static_cast<double>(error[i]) * moved[i];
  return sum;
}

}  // namespace

Tensor scaled_channels(const AwqWeight& w, const std::vector<float>& factors) {
  const Tensor from = convert(w.weight->aligned(), DType::F32);
  Tensor out = Tensor::uninitialized(DType::F32, from.dims);
  const auto a = from.data<float>();
  const auto b = out.mutable_data<float>();
  const auto k = static_cast<int64_t>(factors.size()), n = k == 0 ? 0 : from.count() / k;
  for (int64_t i = 0; i < k * n; ++i)
    b[static_cast<size_t>(i)] =
        a[static_cast<size_t>(i)] * factors[static_cast<size_t>(w.transposed ? i % k : i / n)];
  return out;
}

std::vector<float> awq_factors(const std::vector<AwqWeight>& weights, const InputStats& stats,
                               const Scheme& scheme) {
  constexpr int kSteps = 10;
  Scheme plain = scheme;
  plain.rounding = Rounding::mse;
  std::vector<float> best;
  double least = 0;
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<float> f = factors_of(stats, static_cast<float>(step) / kSteps);
    double error = 0;
    for (const AwqWeight& w : weights) error += product_error(w, stats, plain, f);
    if (step > 0 && !(error < least)) continue;
    least = error;
    best = step == 0 ? std::vector<float>() : f;
  }
  return best;
}

}  // namespace lathe
