// FusedMatMul, FusedMatMulActivation, FusedGemm (com.microsoft).
#include <algorithm>
#include <cmath>

#include "ir/ops/call_op.h"
#include "ir/ops/contrib/activation.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/math/gemm_kept.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// An operand as batches of a matrix that BLAS may transpose.
struct Operand {
  std::vector<int64_t> batch, steps;  // sizes and strides of the batch axes
  int64_t rows = 1, cols = 1;         // as stored (before the transposition)
  int64_t lead = 1;
  bool trans = false;
};

// trans_batch: the matrix rows are axis 0 of the tensor, the batch axes follow it.
template <class D>
std::vector<D> rows_last_but_one(const std::vector<D>& dims, bool trans_batch) {
  std::vector<D> out = dims;
  if (trans_batch && dims.size() >= 3) std::rotate(out.begin(), out.begin() + 1, out.end() - 1);
  return out;
}

Operand operand(const Tensor& t, bool trans, bool trans_batch) {
  Operand o;
  const auto strides = rows_last_but_one(row_major_strides(t.dims), trans_batch);
  const auto dims = rows_last_but_one(t.dims, trans_batch);
  const size_t rank = dims.size();
  o.batch.assign(dims.begin(), dims.end() - 2);
  o.steps.assign(strides.begin(), strides.end() - 2);
  o.rows = dims[rank - 2];
  o.cols = dims[rank - 1];
  o.lead = strides[rank - 2];
  o.trans = trans;
  return o;
}

// Result of the batched product, as numpy.matmul broadcasts it.
template <class D, class Broadcast>
std::vector<D> product_shape(std::vector<D> a, std::vector<D> b, bool trans_a, bool trans_b, bool batch_a,
                             bool batch_b, const Broadcast& broadcast) {
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  a = rows_last_but_one(a, batch_a);
  b = rows_last_but_one(b, batch_b);
  if (vector_a) a.insert(a.begin(), D(1));
  if (vector_b) b.push_back(D(1));
  if (trans_a && !vector_a) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (trans_b && !vector_b) std::swap(b[b.size() - 1], b[b.size() - 2]);
  std::vector<D> out =
      broadcast(std::vector<D>(a.begin(), a.end() - 2), std::vector<D>(b.begin(), b.end() - 2));
  if (!vector_a) out.push_back(a[a.size() - 2]);
  if (!vector_b) out.push_back(b.back());
  return out;
}

struct Flags {
  bool trans_a, trans_b, batch_a, batch_b;
  explicit Flags(const Attrs& a)
      : trans_a(a.i("transA", 0) != 0),
        trans_b(a.i("transB", 0) != 0),
        batch_a(a.i("transBatchA", 0) != 0),
        batch_b(a.i("transBatchB", 0) != 0) {}
};

void infer_fused_matmul(InferCtx& c) {
  const Shape *a = c.shape(0), *b = c.shape(1);
  if (a == nullptr || b == nullptr) return c.out(0, c.dtype(0));
  if (a->empty() || b->empty()) c.contradiction("a scalar operand");
  const Flags f(c.attrs());
  c.out(0, c.dtype(0),
        product_shape(*a, *b, f.trans_a, f.trans_b, f.batch_a, f.batch_b,
                      [&](const Shape& x, const Shape& y) { return broadcast_shapes(c, x, y); }));
}

void eval_fused_matmul(EvalCtx& c) {
  Tensor ta = c.in(0), tb = c.raw(1);
  if (ta.dims.empty() || tb.dims.empty()) fail("a scalar operand");
  const Flags f(c.attrs());
  const std::vector<int64_t> dims = product_shape(
      ta.dims, tb.dims, f.trans_a, f.trans_b, f.batch_a, f.batch_b,
      [](const std::vector<int64_t>& x, const std::vector<int64_t>& y) { return broadcast_dims(x, y); });
  const bool vector_a = ta.rank() == 1, vector_b = tb.rank() == 1;
  if (vector_a) ta = ta.reshaped({1, ta.dims[0]});
  if (vector_b) tb = tb.reshaped({tb.dims[0], 1});
  const Operand a = operand(ta, f.trans_a && !vector_a, f.batch_a),
                b = operand(tb, f.trans_b && !vector_b, f.batch_b);
  const int64_t m = a.trans ? a.cols : a.rows, k = a.trans ? a.rows : a.cols, n = b.trans ? b.rows : b.cols;
  if (k != (b.trans ? b.cols : b.rows)) fail("inner sizes {} and {} differ", k, b.trans ? b.cols : b.rows);
  const Dims batch = broadcast_dims(a.batch, b.batch);
  const auto spread = [&](const Operand& o) {  // strides along the common batch
    Dims s(batch.size());
    for (size_t i = 0; i < o.batch.size(); ++i)
      s[batch.size() - o.batch.size() + i] = o.batch[i] == 1 ? 0 : o.steps[i];
    return s;
  };
  const StridedLoop<2> loop(batch, {spread(a), spread(b)});
  const DType t = float_compute_type({&ta, &tb});
  with_float(t, [&]<class T>() {
    const Tensor wa = convert(ta, t);
    Tensor y = Tensor::uninitialized(t, dims);
    const T* pa = wa.data<T>().data();
    T* py = y.mutable_data<T>().data();
    Gemm<T> g{a.trans, b.trans, m, n, k, static_cast<T>(c.attrs().f("alpha", 1)), 0, a.lead, b.lead, n};
    std::vector<GemmOffsets> at;
    if (b.batch.empty() && !a.trans && !f.batch_a) {  // one weight for the whole batch: one product
      g.m = element_count(batch) * m;
      gemm_kept(g, pa, tb, py);
    } else {
      loop.run(0, loop.count(), [&](int64_t o, const auto& from, int64_t count) {
        for (int64_t i = 0; i < count; ++i)
          at.push_back({from[0] + i * loop.inner()[0], from[1] + i * loop.inner()[1], (o + i) * m * n});
      });
      const Tensor wb = convert(tb, t);
      gemm_batch(g, pa, wb.data<T>().data(), py, at);
    }
    set_rounded(c, 0, y, c.in(0).dtype);
  });
}

// ---------------------------------------------------------------- FusedMatMulActivation

// The activation is an op of the main domain; its parameters are the node's activation_* attributes.
void eval_fused_matmul_activation(EvalCtx& c) {
  struct Activation {
    const char* name;
    std::vector<const char*> parameters;
  };
  static const Activation known[] = {
      {"Elu", {"alpha"}},
      {"HardSigmoid", {"alpha", "beta"}},
      {"LeakyRelu", {"alpha"}},
      {"LogSoftmax", {"axis"}},
      {"Relu", {}},
      {"Selu", {"alpha", "gamma"}},
      {"Sigmoid", {}},
      {"Softmax", {"axis"}},
      {"Softplus", {}},
      {"Softsign", {}},
      {"Tanh", {}},
      {"ThresholdedRelu", {"alpha"}},
  };
  const std::string name = c.attrs().s("activation", "");
  const auto* a =
      std::find_if(std::begin(known), std::end(known), [&](const auto& k) { return k.name == name; });
  if (a == std::end(known)) fail("activation '{}'", name);
  Attrs attrs;
  for (const char* parameter : a->parameters)
    if (const AttrValue* v = c.attrs().find("activation_" + std::string(parameter))) attrs.set(parameter, *v);
  auto product = call_op(c, kMicrosoft, "FusedMatMul", c.attrs(), {c.in(0), c.in(1)});
  c.set(0, std::move(call_op(c, "", name, std::move(attrs), product).at(0)));
}

// ---------------------------------------------------------------- FusedGemm

void infer_fused_gemm(InferCtx& c) {
  const Shape *a = c.shape(0), *b = c.shape(1);
  if (a == nullptr || b == nullptr) return c.out(0, c.dtype(0), unknown_shape(2));
  if (a->size() != 2 || b->size() != 2) c.contradiction("operands must be matrices");
  const Flags f(c.attrs());
  c.out(0, c.dtype(0), Shape{(*a)[f.trans_a ? 1 : 0], (*b)[f.trans_b ? 0 : 1]});
}

void eval_fused_gemm(EvalCtx& c) {
  const Tensor &a = c.in(0), &b = c.raw(1);
  const Tensor* bias = c.maybe(2);
  if (a.rank() != 2 || b.rank() != 2) fail("operands of rank {} and {}, not 2", a.rank(), b.rank());
  const Flags f(c.attrs());
  const int64_t m = a.dims[f.trans_a ? 1 : 0], k = a.dims[f.trans_a ? 0 : 1], n = b.dims[f.trans_b ? 0 : 1];
  if (k != b.dims[f.trans_b ? 1 : 0]) fail("inner sizes {} and {} differ", k, b.dims[f.trans_b ? 1 : 0]);
  const DType t = float_compute_type({&a, &b, bias});
  with_float(t, [&]<class T>() {
    const Tensor wa = convert(a, t);
    Tensor y = Tensor::make(t, {m, n});
    T* py = y.mutable_data<T>().data();
    if (bias != nullptr) {
      const Tensor wc = convert(*bias, t);
      const Dims s = broadcast_strides(bias->dims, y.dims);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          py[i * n + j] = wc.data<T>()[static_cast<size_t>(i * s[0] + j * s[1])];
    }
    const Gemm<T> g{f.trans_a,
                    f.trans_b,
                    m,
                    n,
                    k,
                    static_cast<T>(c.attrs().f("alpha", 1)),
                    static_cast<T>(c.attrs().f("beta", 1)),
                    a.dims[1],
                    b.dims[1],
                    n};
    gemm_kept(g, wa.data<T>().data(), b, py);
    activate<T>(c.attrs(), std::span<T>(py, static_cast<size_t>(y.count())));
    set_rounded(c, 0, y, a.dtype);
  });
}

}  // namespace

void register_contrib_fused_matmul(OpRegistry& r) {
  r.add({kMicrosoft, "FusedGemm", infer_fused_gemm, eval_fused_gemm});
  r.add({kMicrosoft, "FusedMatMul", infer_fused_matmul, eval_fused_matmul});
  r.add({kMicrosoft, "FusedMatMulActivation", infer_fused_matmul, eval_fused_matmul_activation});
}

}  // namespace lathe
