#include "ir/ops/convert.h"

#include "ir/ops/elementwise.h"
#include "ir/ops/int_math.h"

namespace lathe {

Tensor convert(const Tensor& t, DType dtype) {
  if (t.dtype == dtype) return t;
  const Tensor x = t.aligned();
  Tensor out = Tensor::uninitialized(dtype, t.dims);
  dispatch<NumbersAndBool>(x.dtype, [&]<class T>() {
    dispatch<NumbersAndBool>(dtype, [&]<class R>() {
      map_unary<T, R>(x, out, [](auto v) {
        using C = Compute<R>;
        if constexpr (std::is_same_v<R, BoolByte>)
          return v != 0;
        else if constexpr (std::is_floating_point_v<decltype(v)> && std::is_integral_v<C>)
          return to_int<C>(v);
        else
          return static_cast<C>(v);
      });
    });
  });
  return out;
}

}  // namespace lathe
