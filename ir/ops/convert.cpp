#include "ir/ops/convert.h"

#include "ir/ops/elementwise.h"
#include "ir/ops/half_rows.h"
#include "ir/ops/int_math.h"

namespace lathe {

Tensor convert(const Tensor& t, DType dtype) {
  if (t.dtype == dtype) return t;
  if (t.dtype == DType::F16 && dtype == DType::F64) return convert(convert(t, DType::F32), dtype);
  const Tensor x = t.aligned();
  Tensor out = Tensor::uninitialized(dtype, t.dims);
  if (x.dtype == DType::F16 && dtype == DType::F32) {
    parallel_for(x.count(), kGrain, [&](int64_t begin, int64_t end) {
      widen_halves(x.data<Half>().data() + begin, out.mutable_data<float>().data() + begin, end - begin);
    });
    return out;
  }
  if (x.dtype == DType::F32 && dtype == DType::F16) {
    parallel_for(x.count(), kGrain, [&](int64_t begin, int64_t end) {
      narrow_to_halves(x.data<float>().data() + begin, out.mutable_data<Half>().data() + begin, end - begin);
    });
    return out;
  }
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
