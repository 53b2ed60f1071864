#include "ir/ops/math/fft.h"

#include <bit>
#include <numbers>

#include "ir/base/checked.h"

namespace lathe {

Fft::Values Fft::roots_of(int64_t length, double sign) {
  Values roots(static_cast<size_t>(length / 2 + 1));
  for (size_t k = 0; k < roots.size(); ++k)
    roots[k] =
        std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
  return roots;
}

void Fft::radix2(Values& x, const Values& roots) {
  const size_t n = x.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (size_t size = 2; size <= n; size *= 2) {
    const size_t half = size / 2, step = n / size;
    for (size_t start = 0; start < n; start += size) {
      for (size_t k = 0; k < half; ++k) {
        const std::complex<double> a = x[start + k], b = x[start + k + half] * roots[k * step];
        x[start + k] = a + b;
        x[start + k + half] = a - b;
      }
    }
  }
}

Fft::Fft(int64_t length, bool inverse) : length_(length), padded_(length), inverse_(inverse) {
  if (length < 1 || length > (int64_t{1} << 40)) fail("a transform of length {}", length);
  const double sign = inverse ? 1 : -1;
  const auto n = static_cast<uint64_t>(length);
  if (!std::has_single_bit(n)) padded_ = static_cast<int64_t>(std::bit_ceil(2 * n - 1));
  roots_ = roots_of(padded_, padded_ == length ? sign : -1);
  if (padded_ == length) return;
  back_ = roots_of(padded_, 1);
  chirp_.resize(n);
  for (uint64_t k = 0; k < n; ++k) {
    // k^2 modulo 2 n keeps the angle exact.
    const auto square = static_cast<double>(static_cast<unsigned __int128>(k) * k % (2 * n));
    chirp_[k] = std::polar(1.0, sign * std::numbers::pi * square / static_cast<double>(n));
  }
  spectrum_.assign(static_cast<size_t>(padded_), 0);
  for (uint64_t k = 0; k < n; ++k) {
    spectrum_[k] = std::conj(chirp_[k]);
    if (k > 0) spectrum_[static_cast<uint64_t>(padded_) - k] = std::conj(chirp_[k]);
  }
  radix2(spectrum_, roots_);
}

void Fft::operator()(Values& x) const {
  const double scale = inverse_ ? 1 / static_cast<double>(length_) : 1;
  if (padded_ == length_) {
    radix2(x, roots_);
    if (inverse_)
      for (auto& v : x) v *= scale;
    return;
  }
  Values a(static_cast<size_t>(padded_));
  for (size_t k = 0; k < x.size(); ++k) a[k] = x[k] * chirp_[k];
  radix2(a, roots_);
  for (size_t k = 0; k < a.size(); ++k) a[k] *= spectrum_[k];
  radix2(a, back_);
  for (size_t k = 0; k < x.size(); ++k) x[k] = a[k] * chirp_[k] * (scale / static_cast<double>(padded_));
}

}  // namespace lathe
