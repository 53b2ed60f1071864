// Comparison of two run-time values.
#pragma once
#include <string>

#include "ir/ops/datum.h"

namespace lathe {

struct Difference {
  bool same = true;
  double max_abs = 0;  // largest |a - b| over finite pairs
  double scale = 0;    // largest |a|
  int64_t index = -1;  // flat index of the worst element, where they differ
  std::string text;    // "values differ by 0.084 at [1, 3] (0.5 against 0.584)"; empty if same
};

// relative: allowed |a - b| as a fraction of the largest |a|, plus `absolute`. 0, 0 asks for equal bits (NaNs
// equal each other, zeros of either sign too). NaN or infinity on one side only always differs.
Difference compare(const Datum& a, const Datum& b, double relative, double absolute = 0);

// Element by element, as numpy.testing.assert_allclose: |got - expected| <= absolute + relative * |expected|.
Difference compare_each(const Datum& expected, const Datum& got, double relative, double absolute);

// What rounding in a few operations of this type may do, as a fraction of the largest magnitude.
double rounding_tolerance(DType t);

}  // namespace lathe
