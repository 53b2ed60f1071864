// TopK, Unique.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/complex_types.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// A total order for sorting: NaN is above every number.
template <class C>
bool less(C a, C b) {
  if constexpr (std::is_floating_point_v<C>)
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

// ---------------------------------------------------------------- TopK

void infer_topk(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) {
    c.out(0, c.dtype(0));
    return c.out(1, DType::I64);
  }
  Shape out = *s;
  const auto axis =
      static_cast<size_t>(normalize_axis(c, c.attrs().i("axis", -1), static_cast<int64_t>(s->size())));
  const auto k = c.value(1);
  out[axis] = k && k->size() == 1 ? (*k)[0] : Dim::unknown();
  if (out[axis].is_const() &&
      (out[axis].value() < 0 || ((*s)[axis].is_const() && out[axis].value() > (*s)[axis].value())))
    c.contradiction(fmt::format("the top {} of {}", out[axis].str(), (*s)[axis].str()));
  c.out(0, c.dtype(0), out);
  c.out(1, DType::I64, std::move(out));
}

void eval_topk(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor& count = c.in(1);
  if (count.count() != 1) fail("K has {} elements", count.count());
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  const int64_t k = count.as_i64(0), n = x.dims[axis];
  if (k < 0 || k > n) fail("the top {} of {}", k, n);
  const bool largest = c.attrs().i("largest", 1) != 0;
  std::vector<int64_t> dims = x.dims;
  dims[axis] = k;
  const std::span<const int64_t> all = x.dims;
  const int64_t outer = element_count(all.first(axis)), inner = element_count(all.subspan(axis + 1));
  Tensor& indices = c.out(1, DType::I64, dims);  // first: a node may list one output only
  Tensor& values = c.out(0, x.dtype, dims);
  if (values.count() == 0) return;
  dispatch<Numbers>(x.dtype, [&]<class T>() {
    const auto in = x.data<T>();
    const auto v = values.mutable_data<T>();
    const auto at = indices.mutable_data<int64_t>();
    parallel_for(outer * inner, std::max<int64_t>(1, (1 << 14) / n), [&](int64_t begin, int64_t end) {
      WorkVector<int64_t> order(static_cast<size_t>(n));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t base = row / inner * n * inner + row % inner,
                      to = row / inner * k * inner + row % inner;
        const auto value = [&](int64_t i) {
          return static_cast<Compute<T>>(in[static_cast<size_t>(base + i * inner)]);
        };
        // Ties go to the lower index.
        const auto before = [&](int64_t a, int64_t b) {
          const auto p = value(a), q = value(b);
          if (largest ? less(q, p) : less(p, q)) return true;
          if (largest ? less(p, q) : less(q, p)) return false;
          return a < b;
        };
        std::iota(order.begin(), order.end(), 0);
        const auto cut = order.begin() + k;
        if (k < n) std::nth_element(order.begin(), cut, order.end(), before);
        std::sort(order.begin(), cut, before);
        for (int64_t i = 0; i < k; ++i) {
          const int64_t from = order[static_cast<size_t>(i)];
          v[static_cast<size_t>(to + i * inner)] = in[static_cast<size_t>(base + from * inner)];
          at[static_cast<size_t>(to + i * inner)] = from;
        }
      }
    });
  });
}

// ---------------------------------------------------------------- Unique

void infer_unique(InferCtx& c) {
  const Dim n = Dim::unknown();
  const Shape* s = c.shape(0);
  if (!c.attrs().has("axis")) {
    c.out(0, c.dtype(0), Shape{n});
  } else if (s != nullptr) {
    Shape out = *s;
    out[static_cast<size_t>(normalize_axis(c, c.attrs().i("axis", 0), static_cast<int64_t>(s->size())))] = n;
    c.out(0, c.dtype(0), std::move(out));
  } else {
    c.out(0, c.dtype(0));
  }
  c.out(1, DType::I64, Shape{n});
  c.out(2, DType::I64, unknown_shape(1));
  c.out(3, DType::I64, Shape{n});
}

// As numpy: by real parts, then by imaginary ones.
template <class F>
bool less(std::complex<F> a, std::complex<F> b) {
  if (less(a.real(), b.real())) return true;
  return !less(b.real(), a.real()) && less(a.imag(), b.imag());
}

// Three-way order of slices a and b, each `inner` elements at stride 1 in every one of `outer` blocks.
template <class Get>
int compare_slices(int64_t outer, int64_t inner, int64_t n, int64_t a, int64_t b, const Get& get) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const auto &p = get((o * n + a) * inner + i), &q = get((o * n + b) * inner + i);
      if (p == q) continue;
      using P = std::decay_t<decltype(p)>;
      if constexpr (std::is_floating_point_v<P> || is_complex<P>) {
        if (less(p, q)) return -1;
        if (less(q, p)) return 1;
      } else {
        return p < q ? -1 : 1;
      }
    }
  return 0;
}

void eval_unique(EvalCtx& c) {
  const Tensor& given = c.in(0);
  const bool flat = !c.attrs().has("axis");
  const Tensor x = flat ? given.reshaped({given.count()}) : given;
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), x.rank()));
  const std::span<const int64_t> all = x.dims;
  const int64_t n = all[axis], outer = element_count(all.first(axis)),
                inner = element_count(all.subspan(axis + 1));

  WorkVector<int64_t> order(static_cast<size_t>(n)), group(order.size()), first, counts;
  std::iota(order.begin(), order.end(), 0);
  const auto run = [&](const auto& get) {
    const auto compare = [&](int64_t a, int64_t b) { return compare_slices(outer, inner, n, a, b, get); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
    for (size_t k = 0; k < order.size(); ++k) {
      if (k == 0 || compare(order[k - 1], order[k]) != 0) {
        first.push_back(order[k]);
        counts.push_back(0);
      }
      ++counts.back();
      group[static_cast<size_t>(order[k])] = static_cast<int64_t>(first.size()) - 1;
    }
  };
  if (x.dtype == DType::String)
    run([&](int64_t i) -> const std::string& { return x.strings()[static_cast<size_t>(i)]; });
  else
    dispatch<Concat<NumbersAndBool, Complex>>(x.dtype, [&]<class T>() {
      const auto v = x.data<T>();
      if constexpr (std::is_same_v<T, BoolByte>)
        run([&](int64_t i) { return static_cast<bool>(v[static_cast<size_t>(i)]); });
      else
        run([&](int64_t i) { return static_cast<Compute<T>>(v[static_cast<size_t>(i)]); });
    });

  if (c.attrs().i("sorted", 1) == 0) {  // in order of first appearance
    WorkVector<int64_t> by_place(first.size()), rank(first.size());
    std::iota(by_place.begin(), by_place.end(), 0);
    const auto at = [](const auto& v, int64_t i) { return v[static_cast<size_t>(i)]; };
    std::sort(by_place.begin(), by_place.end(),
              [&](int64_t a, int64_t b) { return at(first, a) < at(first, b); });
    WorkVector<int64_t> f, k;
    for (size_t i = 0; i < by_place.size(); ++i) {
      rank[static_cast<size_t>(by_place[i])] = static_cast<int64_t>(i);
      f.push_back(at(first, by_place[i]));
      k.push_back(at(counts, by_place[i]));
    }
    first = std::move(f);
    counts = std::move(k);
    for (int64_t& g : group) g = at(rank, g);
  }

  Units u(x.dtype);
  const Tensor from = u.enter(x);
  std::vector<int64_t> dims = x.dims, box = x.dims;
  dims[axis] = static_cast<int64_t>(first.size());
  box[axis] = 1;
  Tensor& y = u.out(c, 0, dims);
  const auto to = row_major(dims), strides = row_major(x.dims);
  for (size_t i = 0; i < first.size(); ++i)
    copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(),
                 {box, to, strides, static_cast<int64_t>(i) * to[axis], first[i] * strides[axis]});
  u.finish(c, 0, y);
  const auto give = [&](size_t i, const WorkVector<int64_t>& v) {
    if (c.wants(i)) c.set(i, Tensor::of<int64_t>(DType::I64, {static_cast<int64_t>(v.size())}, v));
  };
  give(1, first);
  give(2, group);
  give(3, counts);
}

}  // namespace

void register_topk(OpRegistry& r) {
  r.add({"", "TopK", infer_topk, eval_topk, Exactness::bitwise});
  r.add({"", "Unique", infer_unique, eval_unique, Exactness::bitwise});
}

}  // namespace lathe
