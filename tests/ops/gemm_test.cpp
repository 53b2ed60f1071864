// Matrix products and the convolutions that are made of them: against sums in double, and with the same bits
// for any number of threads, any number of callers, and any processor with fused multiply-add.
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "ir/base/rng.h"
#include "ir/core/attr.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/math/gemm_micro.h"
#include "ir/ops/nn/conv.h"
#include "ir/ops/nn/window_columns.h"

namespace lathe {
namespace {

template <class T>
std::vector<T> noise(int64_t n, const char* seed) {
  Rng rng(7, seed);
  std::vector<T> v(static_cast<size_t>(n));
  for (T& x : v) x = static_cast<T>(rng.uniform(-1, 1));
  return v;
}

struct Case {
  int64_t m, n, k;
  bool trans_a = false, trans_b = false;
  double alpha = 1, beta = 0;
  int64_t gap = 0;  // between rows, as stored
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.m << "x" << c.n << "x" << c.k << (c.trans_a ? " A'" : "") << (c.trans_b ? " B'" : "")
             << " alpha " << c.alpha << " beta " << c.beta << " gap " << c.gap;
}

template <class T>
struct Operands {
  Gemm<T> g;
  std::vector<T> a, b, c;

  explicit Operands(const Case& s) {
    g = {s.trans_a, s.trans_b, s.m, s.n, s.k, static_cast<T>(s.alpha), static_cast<T>(s.beta)};
    g.lda = std::max<int64_t>(1, (s.trans_a ? s.m : s.k) + s.gap);
    g.ldb = std::max<int64_t>(1, (s.trans_b ? s.k : s.n) + s.gap);
    g.ldc = std::max<int64_t>(1, s.n + s.gap);
    a = noise<T>(g.lda * (s.trans_a ? s.k : s.m), "a");
    b = noise<T>(g.ldb * (s.trans_b ? s.n : s.k), "b");
    c = noise<T>(g.ldc * s.m, "c");
    if (s.beta == 0) std::fill(c.begin(), c.end(), std::numeric_limits<T>::quiet_NaN());  // must not be read
  }

  void expect_right(const std::vector<T>& made, const std::vector<T>& before) const {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        double sum = 0, size = 0;
        for (int64_t p = 0; p < g.k; ++p) {
          const double v =
              static_cast<double>(a[static_cast<size_t>(g.trans_a ? p * g.lda + i : i * g.lda + p)]) *
              static_cast<double>(b[static_cast<size_t>(g.trans_b ? j * g.ldb + p : p * g.ldb + j)]);
          sum += v;
          size += std::abs(v);
        }
        const auto at = static_cast<size_t>(i * g.ldc + j);
        sum = static_cast<double>(g.alpha) * sum;
        if (g.beta != 0) sum += static_cast<double>(g.beta) * static_cast<double>(before[at]);
        const double bound = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                             (static_cast<double>(g.k) + 4) *
                             (std::abs(static_cast<double>(g.alpha)) * size + 1);
        ASSERT_NEAR(static_cast<double>(made[at]), sum, bound) << "at " << i << ", " << j;
      }
    }
  }
};

std::vector<Case> cases() {
  std::vector<Case> list = {{1, 1, 1},      {1, 40, 300},   {3, 33, 7},   {12, 32, 256},  {13, 31, 257},
                            {5, 100, 0},    {0, 5, 3},      {5, 0, 3},    {128, 384, 64}, {257, 49, 300},
                            {64, 300, 147}, {40, 513, 520}, {1, 65, 700}, {2, 2, 2000},   {300, 17, 40}};
  const size_t plain = list.size();
  for (size_t i = 0; i < plain; ++i) {
    for (const int how : {1, 2, 3, 4}) {
      Case c = list[i];
      c.trans_a = how & 1;
      c.trans_b = how & 2;
      c.gap = how;
      if (how == 3) c.alpha = 0.5;
      if (how >= 2) c.beta = how == 2 ? 1 : -2;
      list.push_back(c);
    }
  }
  return list;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

TEST(Gemm, AgreesWithSumsInDouble) {
  for (const Case& s : cases()) {
    SCOPED_TRACE(::testing::Message() << s);
    Operands<float> f(s);
    std::vector<float> c = f.c;
    gemm_batch(f.g, f.a.data(), f.b.data(), c.data(), {{}});
    f.expect_right(c, f.c);
    Operands<double> d(s);
    std::vector<double> e = d.c;
    gemm_batch(d.g, d.a.data(), d.b.data(), e.data(), {{}});
    d.expect_right(e, d.c);
  }
}

TEST(Gemm, BitsDoNotDependOnThreadsOrOnTheWayIn) {
  for (const Case& s : cases()) {
    SCOPED_TRACE(::testing::Message() << s);
    const Operands<float> f(s);
    std::vector<float> wanted = f.c;
    gemm_serial(f.g, f.a.data(), f.b.data(), wanted.data());
    for (const int threads : {1, 2, 5}) {
      std::vector<float> c = f.c;
      oneapi::tbb::task_arena(threads).execute(
          [&] { gemm_batch(f.g, f.a.data(), f.b.data(), c.data(), {{}}); });
      EXPECT_TRUE(same_bits(c, wanted)) << threads << " threads";
    }
  }
}

TEST(Gemm, PackedOperandsGiveTheSameBits) {
  for (const Case& s : cases()) {
    const Operands<float> f(s);
    if (!packs_b(f.g)) continue;
    SCOPED_TRACE(::testing::Message() << s);
    std::vector<float> wanted = f.c, c = f.c;
    gemm_serial(f.g, f.a.data(), f.b.data(), wanted.data());
    const auto packed = pack_b(f.g, f.b.data());
    for (const int threads : {1, 5}) {
      c = f.c;
      oneapi::tbb::task_arena(threads).execute([&] { gemm_packed(f.g, f.a.data(), *packed, c.data()); });
      EXPECT_TRUE(same_bits(c, wanted)) << threads << " threads";
    }
  }
}

TEST(Gemm, ManyCallersAtOnce) {
  const std::vector<Case> list = cases();
  std::vector<std::vector<float>> wanted;
  for (const Case& s : list) {
    const Operands<float> f(s);
    gemm_serial(f.g, f.a.data(), f.b.data(), wanted.emplace_back(f.c).data());
  }
  std::vector<int> wrong(8);
  std::vector<std::thread> callers;
  for (size_t t = 0; t < wrong.size(); ++t) {
    callers.emplace_back([&, t] {
      for (size_t round = 0; round < 3 * list.size(); ++round) {
        const size_t i = (round * 7 + t * 5) % list.size();
        Operands<float> f(list[i]);
        gemm_batch(f.g, f.a.data(), f.b.data(), f.c.data(), {{}});
        wrong[t] += !same_bits(f.c, wanted[i]);
      }
    });
  }
  for (std::thread& t : callers) t.join();
  for (const int w : wrong) EXPECT_EQ(w, 0);
}

TEST(Gemm, NumbersThatAreNotFinitePass) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> a = {1, 0, inf, 0, nan, 0}, b = {1, 2, 3, 4};
  std::vector<float> c(6);
  gemm_serial(Gemm<float>{false, false, 3, 2, 2, 1, 0, 2, 2, 2}, a.data(), b.data(), c.data());
  EXPECT_EQ(c[0], 1);
  EXPECT_EQ(c[1], 2);
  EXPECT_EQ(c[2], inf);
  EXPECT_EQ(c[3], inf);
  EXPECT_TRUE(std::isnan(c[4]) && std::isnan(c[5]));
}

template <class T>
void expect_same_bits_on(const char* one, const char* other) {
  const MicroKernels<T>*x = micro_kernels<T>(one), *y = micro_kernels<T>(other);
  if (x == nullptr || y == nullptr) GTEST_SKIP() << "this processor lacks " << one << " or " << other;
  const int64_t k = 200, columns = 64;
  const std::vector<T> a = noise<T>(kMaxStrip * kStripStride, "a"), b = noise<T>(k * columns, "b");
  const auto run = [&](const MicroKernels<T>& m, T beta) {
    std::vector<T> c = noise<T>(kMaxStrip * columns, "c");
    for (int64_t i = 0; i < kMaxStrip; ++i)
      for (int64_t j = 0; j < columns; j += m.width)
        m.full[1](k, a.data() + i * kStripStride, b.data() + j, columns, c.data() + i * columns + j, columns,
                  T(0.3), beta);
    return c;
  };
  for (const T beta : {T(0), T(1), T(0.7)}) {
    const auto c = run(*x, beta), d = run(*y, beta);
    EXPECT_TRUE(same_bits(c, d));
  }
  for (const int64_t n : {1, 31, 32, 100, 200})
    EXPECT_EQ(x->dot(n, a.data(), b.data()), y->dot(n, a.data(), b.data()));
}

TEST(Gemm, ProcessorsAgreeOnFloats) { expect_same_bits_on<float>("avx512", "avx2"); }
TEST(Gemm, ProcessorsAgreeOnDoubles) { expect_same_bits_on<double>("avx512", "avx2"); }

TEST(Gemm, PlainKernelsAreRight) {
  const MicroKernels<float>& m = *micro_kernels<float>("plain");
  const int64_t k = 100;
  const std::vector<float> a = noise<float>(kMaxStrip * kStripStride, "a"),
                           b = noise<float>(k * m.width, "b");
  for (int rows = 1; rows <= m.rows; ++rows) {
    std::vector<float> c(static_cast<size_t>(rows * m.width));
    m.full[rows](k, a.data(), b.data(), m.width, c.data(), m.width, 1, 0);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < m.width; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += static_cast<double>(a[static_cast<size_t>(i * kStripStride + p)]) *
                 static_cast<double>(b[static_cast<size_t>(p * m.width + j)]);
        EXPECT_NEAR(static_cast<double>(c[static_cast<size_t>(i * m.width + j)]), sum, 1e-4);
      }
    }
  }
}

// --- convolution
// --------------------------------------------------------------------------------------------------

struct ConvCase {
  Dims x, w;
  Dims strides, dilations, pads;
  int64_t group = 1;
  bool bias = false;
};

Tensor tensor_of(const Dims& dims, const char* seed) {
  return Tensor::of<float>(DType::F32, dims, noise<float>(element_count(dims), seed));
}

// Straight from the definition.
double conv_at(const ConvCase& s, const Tensor& x, const Tensor& w, const Dims& out, int64_t index) {
  const size_t rank = out.size() - 2;
  Dims at(out.size());
  for (size_t d = out.size(); d-- > 0; index /= out[d]) at[d] = index % out[d];
  const int64_t in_group = s.w[1], feature = at[1], first = feature / (s.w[0] / s.group) * in_group;
  double sum = 0;
  const int64_t taps = span_count(s.w, 2, s.w.size());
  for (int64_t c = 0; c < in_group; ++c) {
    for (int64_t t = 0; t < taps; ++t) {
      int64_t rest = t, pixel = 0;
      bool inside = true;
      Dims place(rank);
      for (size_t d = rank; d-- > 0; rest /= s.w[d + 2])
        place[d] = at[d + 2] * s.strides[d] - s.pads[d] + rest % s.w[d + 2] * s.dilations[d];
      for (size_t d = 0; d < rank; ++d) {
        inside = inside && place[d] >= 0 && place[d] < s.x[d + 2];
        pixel = pixel * s.x[d + 2] + place[d];
      }
      if (!inside) continue;
      const int64_t plane = span_count(s.x, 2, s.x.size());
      sum += static_cast<double>(
                 x.data<float>()[static_cast<size_t>((at[0] * s.x[1] + first + c) * plane + pixel)]) *
             static_cast<double>(w.data<float>()[static_cast<size_t>((feature * in_group + c) * taps + t)]);
    }
  }
  return sum;
}

TEST(Conv, AgreesWithTheDefinition) {
  const std::vector<ConvCase> list = {
      {{1, 3, 9, 11}, {5, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, true},
      {{2, 4, 17, 40}, {6, 2, 3, 5}, {2, 3}, {1, 2}, {0, 3, 2, 1}, 2, true},
      {{1, 8, 7, 7}, {4, 8, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{2, 8, 7, 7}, {4, 4, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 2, true},
      {{1, 8, 9, 9}, {4, 8, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}},
      {{1, 6, 12, 37}, {6, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6, true},
      {{1, 6, 12, 37}, {12, 1, 5, 5}, {2, 2}, {1, 2}, {2, 4, 2, 4}, 6},
      {{2, 3, 5, 33}, {6, 1, 3, 2}, {1, 3}, {1, 1}, {0, 0, 0, 0}, 3, true},  // wider than the kernel: a
                                                                             // stride
      {{1, 4, 50}, {4, 1, 5}, {2}, {3}, {7, 6}, 4},
      {{1, 2, 4, 5, 18}, {4, 1, 2, 3, 3}, {1, 2, 2}, {2, 1, 1}, {1, 1, 1, 1, 1, 1}, 2, true},
      {{1, 3, 70}, {4, 3, 7}, {2}, {3}, {9, 9}, 1, true},
      {{1, 2, 5, 6, 7}, {3, 2, 2, 3, 3}, {1, 2, 1}, {2, 1, 1}, {1, 1, 1, 1, 1, 1}, 1, true},
      {{1, 40, 20, 20}, {70, 40, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, true},
      {{1, 1, 3, 3}, {1, 1, 3, 3}, {1, 1}, {4, 4}, {4, 4, 4, 4}}};  // most taps meet padding alone
  for (const ConvCase& s : list) {
    const Tensor x = tensor_of(s.x, "x"), w = tensor_of(s.w, "w"), bias = tensor_of({s.w[0]}, "bias");
    Attrs attrs;
    attrs.set("strides", s.strides);
    attrs.set("dilations", s.dilations);
    attrs.set("pads", s.pads);
    attrs.set("group", s.group);
    Tensor first;
    for (const int threads : {1, 2, 5}) {
      Tensor y;
      oneapi::tbb::task_arena(threads).execute([&] { y = conv(x, w, s.bias ? &bias : nullptr, attrs); });
      if (threads == 1) first = y;
      EXPECT_TRUE(same_content(first, y)) << threads << " threads";
    }
    for (int64_t i = 0; i < first.count(); ++i) {
      const double b = s.bias ? bias.as_double(i / span_count(first.dims, 2, first.dims.size()) % s.w[0]) : 0;
      ASSERT_NEAR(first.as_double(i), conv_at(s, x, w, first.dims, i) + b, 1e-4) << "element " << i;
    }
  }
}

}  // namespace
}  // namespace lathe
