// Layer and root-mean-square normalisation of rows. Ba et al., "Layer Normalization"; Zhang and Sennrich,
// "RMSNorm".
#pragma once
#include <cmath>
#include <cstdint>

namespace lathe {

template <class T>
struct NormRow {
  int64_t width = 0;
  double epsilon = 0;
  bool centered = true;      // false: root mean square
  const T* gamma = nullptr;  // null: 1
  const T* beta = nullptr;   // null: 0

  struct Moments {
    double mean, inverse;  // 1 / sqrt(variance + epsilon)
  };

  // Sums in double: the result does not depend on their order beyond rounding.
  Moments operator()(const T* x, T* y) const {
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(width);
    if (centered)
      for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / n;
    for (int64_t i = 0; i < width; ++i) {
      const double d = static_cast<double>(x[i]) - mean;
      squares += d * d;
    }
    const double inverse = 1 / std::sqrt(squares / n + epsilon);
    for (int64_t i = 0; i < width; ++i) {
      const T v =
          static_cast<T>((static_cast<double>(x[i]) - mean) * inverse) * (gamma != nullptr ? gamma[i] : T(1));
      y[i] = beta != nullptr ? v + beta[i] : v;
    }
    return {mean, inverse};
  }
};

}  // namespace lathe
