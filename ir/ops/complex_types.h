// The complex element types, for the few ops whose arithmetic is defined on them.
#pragma once
#include <complex>

#include "ir/ops/dispatch.h"

namespace lathe {

using Complex = TypeList<std::complex<float>, std::complex<double>>;

template <class T>
inline constexpr bool is_complex = false;
template <class F>
inline constexpr bool is_complex<std::complex<F>> = true;

}  // namespace lathe
