// Float rows through the functions of fast_math.h, compiled twice: for AVX2 where the processor has it, and
// for any other. Both give the same bits (no fused multiply-add).
#pragma once
#include <cstdint>

#include "ir/ops/elementwise.h"

namespace lathe {

void exp_row(const float* x, float shift, float* y, int64_t n);  // exp(x - shift)
void erf_row(const float* x, float* y, int64_t n);
void tanh_row(const float* x, float* y, int64_t n);
void sigmoid_row(const float* x, float* y, int64_t n);
void gelu_row(const float* x, float* y, int64_t n);       // with erf
void gelu_tanh_row(const float* x, float* y, int64_t n);  // with tanh

// As eval_unary; floats go through the row function.
template <class Op, class List, void (*Row)(const float*, float*, int64_t)>
void eval_unary_rows(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.dtype != DType::F32) return eval_unary<Op, List>(c);
  const float* in = x.data<float>().data();
  float* out = c.out(0, DType::F32, x.dims).mutable_data<float>().data();
  parallel_for(x.count(), kGrain,
               [&](int64_t begin, int64_t end) { Row(in + begin, out + begin, end - begin); });
}

}  // namespace lathe
