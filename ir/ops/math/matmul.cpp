#include "ir/ops/math/matmul.h"

#include "ir/ops/broadcast.h"
#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/math/gemm_kept.h"
#include "ir/ops/op_def.h"
#include "ir/ops/relations.h"

namespace lathe {
namespace {

Dims swapped(const Tensor& t, bool swap) {
  Dims dims = t.dims;
  if (!swap) return dims;
  if (dims.size() < 2) fail("a tensor of rank {} cannot be transposed", dims.size());
  std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return dims;
}

// Which of a stretched batch's matrices each product reads, in order.
Dims batch_index(std::span<const int64_t> own, const Dims& batch) {
  Dims index(static_cast<size_t>(element_count(batch)));
  const StridedLoop<1> loop(batch, {broadcast_strides(own, batch)});
  loop.run(0, loop.count(), [&](int64_t o, const auto& at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) index[static_cast<size_t>(o + i)] = at[0] + i * loop.inner()[0];
  });
  return index;
}

template <class T>
void product(const Tensor& a, const Tensor& b, Tensor& out, const MatMulDims& d, double alpha, bool ta,
             bool tb) {
  Gemm<T> g;
  g.trans_a = ta;
  g.trans_b = tb;
  g.m = d.m;
  g.n = d.n;
  g.k = d.k;
  g.alpha = static_cast<T>(alpha);
  g.lda = std::max<int64_t>(1, ta ? d.m : d.k);
  g.ldb = std::max<int64_t>(1, tb ? d.k : d.n);
  g.ldc = std::max<int64_t>(1, d.n);
  std::vector<GemmOffsets> at(d.a_batch.size());
  bool one_b = true, packed_a = true;
  for (size_t i = 0; i < at.size(); ++i) {
    const auto at_i = static_cast<int64_t>(i);
    one_b = one_b && d.b_batch[i] == 0;
    packed_a = packed_a && d.a_batch[i] == at_i;
    at[i] = {d.a_batch[i] * d.m * d.k, d.b_batch[i] * d.k * d.n, at_i * d.m * d.n};
  }
  if (at.size() > 1 && one_b && packed_a && !ta) {  // one weight matrix: all rows in one product
    g.m *= static_cast<int64_t>(at.size());
    at.resize(1);
  }
  const T* from = a.data<T>().data();
  T* to = out.mutable_data<T>().data();
  if (at.size() == 1) return gemm_kept(g, from, b, to);
  const Tensor y = std::is_integral_v<T> ? b.aligned() : convert(b, out.dtype);
  gemm_batch(g, from, y.data<T>().data(), to, at);
}

void eval_matmul(EvalCtx& c) {
  const Tensor &a = c.raw(0), &b = c.raw(1);
  if (c.max_bytes > 0)
    c.out(0, a.dtype, matmul_dims(a.dims, b.dims).out);  // refuses what is beyond the limit
  c.set(0, matmul(a, b));
}

void infer_matmul(InferCtx& c) {
  const Shape *pa = c.shape(0), *pb = c.shape(1);
  if (pa == nullptr || pb == nullptr) return c.out(0, c.dtype(0));
  Shape a = *pa, b = *pb;
  if (a.empty() || b.empty()) c.contradiction("a scalar has no matrix product");
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), Dim(1));
  if (vector_b) b.push_back(Dim(1));
  const Dim ka = a.back(), kb = b[b.size() - 2], m = a[a.size() - 2], n = b.back();
  if (ka.is_const() && kb.is_const() && !(ka == kb))
    c.contradiction(fmt::format("inner sizes {} and {} of {} and {} differ", ka.str(), kb.str(),
                                to_string(*pa), to_string(*pb)));
  must_equal(c, ka, kb);
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  Shape out = broadcast_shapes(c, a, b);
  if (!vector_a) out.push_back(m);
  if (!vector_b) out.push_back(n);
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

MatMulDims matmul_dims(const std::vector<int64_t>& a_dims, const std::vector<int64_t>& b_dims) {
  Dims a = a_dims, b = b_dims;
  if (a.empty() || b.empty()) fail("a scalar has no matrix product");
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  MatMulDims d;
  d.m = a[a.size() - 2];
  d.k = a.back();
  d.n = b.back();
  if (b[b.size() - 2] != d.k) fail("inner sizes {} and {} of the matrices differ", d.k, b[b.size() - 2]);
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  d.out = broadcast_dims(a, b);
  d.a_batch = batch_index(a, d.out);
  d.b_batch = batch_index(b, d.out);
  if (!vector_a) d.out.push_back(d.m);
  if (!vector_b) d.out.push_back(d.n);
  return d;
}

Tensor matmul(const Tensor& a, const Tensor& b, double alpha, bool trans_a, bool trans_b) {
  if (a.dtype != b.dtype) fail("element types {} and {} differ", onnx_name(a.dtype), onnx_name(b.dtype));
  const MatMulDims d = matmul_dims(swapped(a, trans_a), swapped(b, trans_b));
  const bool half = a.dtype == DType::F16 || a.dtype == DType::BF16;
  const DType wide = half ? DType::F32 : a.dtype;
  Tensor out = Tensor::uninitialized(wide, d.out);
  using Types = TypeList<float, double, int32_t, int64_t, uint32_t, uint64_t>;
  dispatch<Types>(wide, [&]<class T>() {
    constexpr bool own_loop = std::is_integral_v<T>;  // BLAS alone takes misaligned operands
    product<T>(own_loop ? a.aligned() : convert(a, wide), b, out, d, alpha, trans_a, trans_b);
  });
  return half ? convert(out, a.dtype) : out;
}

void register_matmul(OpRegistry& r) {
  r.add({.domain = "", .type = "MatMul", .infer = infer_matmul, .eval = eval_matmul});
}

}  // namespace lathe
