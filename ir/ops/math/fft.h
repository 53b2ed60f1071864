// Discrete Fourier transforms of any length, in double: radix 2, and Bluestein's algorithm for other lengths
// (Bluestein 1970).
#pragma once
#include <complex>
#include <cstdint>

#include "ir/base/work_vector.h"

namespace lathe {

class Fft {
 public:
  Fft(int64_t length, bool inverse);
  // In place: out[k] = sum of x[n] * exp(-+ 2 pi i k n / length); inverse divides by the length.
  void operator()(WorkVector<std::complex<double>>& x) const;

 private:
  using Values = WorkVector<std::complex<double>>;
  static void radix2(Values& x, const Values& roots);
  static Values roots_of(int64_t length, double sign);

  int64_t length_, padded_;
  bool inverse_;
  Values roots_;             // of the padded length
  Values back_;              // their conjugates
  Values chirp_, spectrum_;  // Bluestein: exp(-+ pi i n^2 / length), and its conjugate's transform
};

}  // namespace lathe
