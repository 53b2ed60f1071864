#include "passes/analysis/product_ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ir/base/mapped_file.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/elementwise.h"

namespace lathe {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

// Sums of the weights of each result: of those above and below zero.
struct Sums {
  std::vector<double> plus, minus;
  int64_t terms = 0;  // of each sum
};

// The weights as [outer, terms, inner]: one result for each outer and inner.
std::optional<Sums> sums(const Tensor& w, int64_t outer, int64_t terms, int64_t inner) {
  constexpr int64_t kMostResults = 1 << 24;
  if (w.count() == 0 || w.byte_size() == 0 || outer * inner > kMostResults) return std::nullopt;
  if (!lists<Floats>(w.dtype)) return std::nullopt;
  Sums s{std::vector<double>(static_cast<size_t>(outer * inner)), {}, terms};
  s.minus = s.plus;
  bool numbers = true;
  dispatch<Floats>(w.dtype, [&]<class T>() {
    const T* at = w.data<T>().data();
    constexpr int64_t kPages = 1 << 20;  // bytes between releases
    int64_t seen = 0;
    const T* kept = at;
    for (int64_t o = 0; o < outer && numbers; ++o)
      for (int64_t k = 0; k < terms; ++k) {
        double *plus = s.plus.data() + o * inner, *minus = s.minus.data() + o * inner;
        for (int64_t i = 0; i < inner; ++i) {
          const auto v = static_cast<double>(static_cast<Compute<T>>(*at++));
          numbers = numbers && std::isfinite(v);
          plus[i] += std::max(v, 0.0);
          minus[i] += std::min(v, 0.0);
        }
        seen += inner * static_cast<int64_t>(sizeof(T));
        if (seen < kPages) continue;
        MappedFile::forget(std::as_bytes(std::span(kept, at)));
        kept = at;
        seen = 0;
      }
  });
  if (!numbers) return std::nullopt;
  return s;
}

// One number a result, or one for all; none: zeros.
class Offsets {
 public:
  Offsets(const Model& m, ValueId v, double factor) : factor_(factor) {
    if (!v) return;
    t_ = m.constant(v);
    known_ = t_ != nullptr && t_->byte_size() > 0 && lists<Floats>(t_->dtype);
  }
  // Are they one for each of `results`, along the last dim?
  bool fits(size_t results) const {
    if (t_ == nullptr) return known_;
    const int64_t n = t_->count();
    return known_ && (n == 1 || (n == static_cast<int64_t>(results) && t_->dims.back() == n));
  }
  double at(size_t i) const {
    return t_ == nullptr ? 0 : factor_ * t_->as_double(t_->count() == 1 ? 0 : static_cast<int64_t>(i));
  }

 private:
  const Tensor* t_ = nullptr;
  double factor_ = 1;
  bool known_ = true;
};

double largest(DType t) { return t == DType::F16 ? 65504 : t == DType::F64 ? 1e308 : 3.4e38; }

std::optional<Interval> bounded(const Sums& s, Interval x, double factor, const Offsets& offsets, DType t) {
  if (!offsets.fits(s.plus.size())) return std::nullopt;
  const double most = std::max(std::abs(x.low), std::abs(x.high));
  const bool half = t == DType::F16 || t == DType::BF16;
  Interval r{kInf, -kInf};
  for (size_t i = 0; i < s.plus.size(); ++i) {
    const double up = times(s.plus[i], x.high) + times(s.minus[i], x.low);
    const double down = times(s.plus[i], x.low) + times(s.minus[i], x.high);
    const double size = times(s.plus[i] - s.minus[i], most) * std::abs(factor) + std::abs(offsets.at(i));
    const double room = size * (static_cast<double>(s.terms + 2) * 0x1p-24 + (half ? 0x1p-8 : 0));
    if (!(size < largest(t))) return std::nullopt;
    r.low = std::min(r.low, std::min(factor * down, factor * up) + offsets.at(i) - room);
    r.high = std::max(r.high, std::max(factor * down, factor * up) + offsets.at(i) + room);
  }
  return r;
}

int64_t product(const std::vector<int64_t>& dims, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= dims[i];
  return n;
}

std::optional<Interval> matmul(const Model& m, const Node& n, Interval x) {
  const Tensor *left = m.constant(n.in[0]), *right = m.constant(n.in[1]);
  const Tensor* w = right != nullptr ? right : left;
  if (w == nullptr || (left != nullptr && right != nullptr) || w->rank() < 1) return std::nullopt;
  const size_t rank = w->dims.size();
  // [..., k, n] on the right, [..., m, k] on the left; a vector is k alone.
  const int64_t last = w->dims[rank - 1], before = rank > 1 ? w->dims[rank - 2] : 1;
  std::optional<Sums> s;
  if (right != nullptr)
    s = rank == 1 ? sums(*w, 1, last, 1) : sums(*w, product(w->dims, 0, rank - 2), before, last);
  else
    s = sums(*w, product(w->dims, 0, rank - 1), last, 1);
  if (!s) return std::nullopt;
  return bounded(*s, x, 1, Offsets(m, {}, 1), w->dtype);
}

std::optional<Interval> gemm(const Model& m, const Node& n, Interval x) {
  const Tensor* w = m.constant(n.in[1]);
  if (w == nullptr || w->rank() != 2) return std::nullopt;
  const bool transposed = n.attrs.i("transB", 0) != 0;
  const auto s = transposed ? sums(*w, w->dims[0], w->dims[1], 1) : sums(*w, 1, w->dims[0], w->dims[1]);
  if (!s) return std::nullopt;
  const auto beta = static_cast<double>(n.attrs.f("beta", 1));
  return bounded(*s, x, n.attrs.f("alpha", 1), Offsets(m, n.input(2), beta), w->dtype);
}

std::optional<Interval> conv(const Model& m, const Node& n, Interval x) {
  const Tensor* w = m.constant(n.in[1]);
  if (w == nullptr || w->rank() < 3 || w->dims[0] < 1) return std::nullopt;
  const auto s = sums(*w, w->dims[0], w->count() / w->dims[0], 1);
  if (!s) return std::nullopt;
  // Where a window reaches into the padding, an element is 0.
  return bounded(*s, {std::min(x.low, 0.0), std::max(x.high, 0.0)}, 1, Offsets(m, n.input(2), 1), w->dtype);
}

// Of n elements of mean 0 and mean square 1, none is larger than the root of n.
std::optional<Interval> norm(const Model& m, const Node& n) {
  const Tensor* scale = m.constant(n.in[1]);
  const auto& shape = m[n.in[0]].type.shape;
  if (scale == nullptr || !shape || shape->empty() || scale->count() == 0 || scale->byte_size() == 0 ||
      !lists<Floats>(scale->dtype))
    return std::nullopt;
  int64_t axis = n.attrs.i("axis", -1);
  if (axis < 0) axis += static_cast<int64_t>(shape->size());
  if (axis != static_cast<int64_t>(shape->size()) - 1 || !shape->back().is_const()) return std::nullopt;
  const double root = std::sqrt(static_cast<double>(shape->back().value()));
  Sums s;
  s.terms = shape->back().value();
  for (int64_t i = 0; i < scale->count(); ++i) {
    const double v = scale->as_double(i);
    if (!std::isfinite(v)) return std::nullopt;
    s.plus.push_back(std::max(v, 0.0));
    s.minus.push_back(std::min(v, 0.0));
  }
  return bounded(s, {-root, root}, 1, Offsets(m, n.type[0] == 'L' ? n.input(2) : ValueId{}, 1), scale->dtype);
}

}  // namespace

std::optional<Interval> product_range(const Model& m, NodeId id, Interval x) {
  const Node& n = m[id];
  if (n.is("LayerNormalization") || n.is("RMSNormalization")) return norm(m, n);
  if (!std::isfinite(x.low) || !std::isfinite(x.high)) return std::nullopt;
  if (n.is("MatMul")) return matmul(m, n, x);
  if (n.is("Gemm")) return gemm(m, n, x);
  if (n.is("Conv")) return conv(m, n, x);
  return std::nullopt;
}

}  // namespace lathe
