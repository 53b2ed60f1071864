#include "ir/ops/fast_math_rows.h"

#include <numbers>

#include "ir/base/clones.h"
#include "ir/ops/fast_math.h"

namespace lathe {

LATHE_CLONES void exp_row(const float* x, float shift, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = fast_exp(x[i] - shift);
}
LATHE_CLONES void erf_row(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = fast_erf(x[i]);
}
LATHE_CLONES void tanh_row(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = fast_tanh(x[i]);
}
LATHE_CLONES void sigmoid_row(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = 1 / (1 + fast_exp(-x[i]));
}
LATHE_CLONES void gelu_row(const float* x, float* y, int64_t n) {
  constexpr float kHalfRoot = std::numbers::sqrt2_v<float> / 2;
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] / 2 * (1 + fast_erf(x[i] * kHalfRoot));
}
LATHE_CLONES void gelu_tanh_row(const float* x, float* y, int64_t n) {
  constexpr float k = 0.7978845608f;  // sqrt(2 / pi)
  for (int64_t i = 0; i < n; ++i)
    y[i] = x[i] / 2 * (1 + fast_tanh(k * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

}  // namespace lathe
