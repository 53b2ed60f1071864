// Derivatives of products, sums over axes and Softmax.
#include <algorithm>

#include "ir/ops/broadcast.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

std::vector<int64_t> swapped(size_t rank) {
  std::vector<int64_t> perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(i);
  std::swap(perm[rank - 1], perm[rank - 2]);
  return perm;
}

Var transposed(Backward& b, Var v) { return b.op("Transpose", {v}, {{"perm", swapped(b.dims(v).size())}}); }

// Vectors take part as matrices of one row (left) or one column (right), as in the op's definition.
void d_matmul(Backward& b) {
  const Dims left = b.dims(b.x(0)), right = b.dims(b.x(1));
  Dims a = left, c = right, y = b.dims(b.y());
  if (c.size() == 1) {
    c.push_back(1);
    y.push_back(1);
  }
  if (a.size() == 1) {
    a.insert(a.begin(), 1);
    y.insert(y.end() - 1, 1);
  }
  const Var dy = b.reshape(b.dy(), y);
  if (b.wants(0)) {
    const Var g = b.op("MatMul", {dy, transposed(b, b.reshape(b.x(1), c))});
    b.give(0, b.reshape(b.sum_to(g, a), left));
  }
  if (b.wants(1)) {
    const Var g = b.op("MatMul", {transposed(b, b.reshape(b.x(0), a)), dy});
    b.give(1, b.reshape(b.sum_to(g, c), right));
  }
}

void d_gemm(Backward& b) {
  const bool ta = b.attrs().i("transA", 0) != 0, tb = b.attrs().i("transB", 0) != 0;
  const Var dy = b.mul(b.dy(), b.number(b.attrs().f("alpha", 1)));
  const auto oriented = [&](Var v, bool t) { return t ? transposed(b, v) : v; };
  if (b.wants(0)) {
    const Var g = b.op("MatMul", {dy, oriented(b.x(1), !tb)});
    b.give(0, oriented(g, ta));
  }
  if (b.wants(1)) {
    const Var g = b.op("MatMul", {oriented(b.x(0), !ta), dy});
    b.give(1, oriented(g, tb));
  }
  if (b.wants(2)) b.give(2, b.mul(b.dy(), b.number(b.attrs().f("beta", 1))));
}

// A reduced value beside the elements that it was made of: with the reduced axes as 1.
class Reduction {
 public:
  explicit Reduction(Backward& b) : b_(b), dims_(b.dims(b.x())) {
    std::vector<int64_t> axes;
    if (b.x(1) != kNoVar) axes = b.at(b.x(1)).to_i64();
    if (axes.empty()) {
      if (b.attrs().i("noop_with_empty_axes", 0) != 0) return;
      for (size_t i = 0; i < dims_.size(); ++i) axes.push_back(static_cast<int64_t>(i));
    }
    for (const int64_t a : axes) {
      int64_t& d = dims_[static_cast<size_t>(normalize_axis(a, static_cast<int64_t>(dims_.size())))];
      count_ *= d;
      d = 1;
    }
  }
  Var beside(Var reduced) { return b_.reshape(reduced, dims_); }
  double count() const { return static_cast<double>(count_); }

 private:
  Backward& b_;
  Dims dims_;
  int64_t count_ = 1;
};

template <Var (*Factor)(Backward&, Reduction&)>
void reduced(Backward& b) {
  if (!b.wants(0)) return;
  Reduction r(b);
  const Var factor = Factor(b, r);
  b.give(0, b.mul(r.beside(b.dy()), factor));
}

Var d_sum(Backward& b, Reduction&) { return b.number(1); }
Var d_mean(Backward& b, Reduction& r) { return b.number(1 / r.count()); }
Var d_sum_square(Backward& b, Reduction&) { return b.mul(b.number(2), b.x()); }
Var d_l1(Backward& b, Reduction&) { return b.op("Sign", {b.x()}); }
Var d_l2(Backward& b, Reduction& r) { return b.div(b.x(), r.beside(b.y())); }
Var d_log_sum(Backward& b, Reduction& r) { return b.op("Exp", {b.op("Neg", {r.beside(b.y())})}); }
Var d_log_sum_exp(Backward& b, Reduction& r) { return b.op("Exp", {b.sub(b.x(), r.beside(b.y()))}); }
// Shared evenly among the elements that attain the extreme.
Var d_extreme(Backward& b, Reduction& r) {
  const auto to = static_cast<int64_t>(b.at(b.x()).dtype);
  const Var hits = b.op("Cast", {b.op("Equal", {b.x(), r.beside(b.y())})}, {{"to", to}});
  return b.div(hits, b.sum_to(hits, b.dims(r.beside(b.y()))));
}

Var sum_along(Backward& b, Var v) { return b.op("ReduceSum", {v, b.ints({b.attrs().i("axis", -1)})}); }

void d_softmax(Backward& b) {
  if (!b.wants(0)) return;
  const Var inner = sum_along(b, b.mul(b.dy(), b.y()));
  b.give(0, b.mul(b.y(), b.sub(b.dy(), inner)));
}

void d_log_softmax(Backward& b) {
  if (!b.wants(0)) return;
  b.give(0, b.sub(b.dy(), b.mul(b.op("Exp", {b.y()}), sum_along(b, b.dy()))));
}

void d_cumsum(Backward& b) {
  if (!b.wants(0)) return;
  const int64_t reverse = b.attrs().i("reverse", 0) == 0 ? 1 : 0;
  b.give(0, b.op("CumSum", {b.dy(), b.x(1)},
                 {{"exclusive", b.attrs().i("exclusive", 0)}, {"reverse", reverse}}));
}

}  // namespace

DerivativeTable linear_derivatives() {
  return {{"CumSum", d_cumsum},
          {"Einsum", d_einsum},
          {"Gemm", d_gemm},
          {"LogSoftmax", d_log_softmax},
          {"MatMul", d_matmul},
          {"ReduceL1", reduced<d_l1>},
          {"ReduceL2", reduced<d_l2>},
          {"ReduceLogSum", reduced<d_log_sum>},
          {"ReduceLogSumExp", reduced<d_log_sum_exp>},
          {"ReduceMax", reduced<d_extreme>},
          {"ReduceMean", reduced<d_mean>},
          {"ReduceMin", reduced<d_extreme>},
          {"ReduceSum", reduced<d_sum>},
          {"ReduceSumSquare", reduced<d_sum_square>},
          {"Softmax", d_softmax}};
}

}  // namespace lathe
