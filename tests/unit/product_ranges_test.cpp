// Results of products and normalizations by constants lie within their interval, and the interval is not
// wide.
#include "passes/analysis/product_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ir/base/rng.h"
#include "ir/exec/executor.h"

namespace lathe {
namespace {

using Dims = std::vector<int64_t>;

Tensor random(Rng& rng, const Dims& dims, double low, double high, bool corners) {
  Tensor t = Tensor::uninitialized(DType::F32, dims);
  for (float& x : t.mutable_data<float>())
    x = static_cast<float>(corners ? (rng.integer(0, 1) != 0 ? high : low) : rng.uniform(low, high));
  return t;
}

struct Case {
  std::string type;
  Dims x;
  std::vector<Dims> constants;
  std::vector<std::pair<std::string, AttrValue>> attrs = {};
  bool constant_first = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.type; }

class ProductRange : public ::testing::TestWithParam<Case> {};

TEST_P(ProductRange, HoldsWhatComesOut) {
  const Case& c = GetParam();
  Rng rng(3, c.type);
  for (const auto& [low, high] : {std::pair{-1.0, 2.0}, std::pair{0.0, 1.0}, std::pair{-3.0, -1.0}}) {
    Model m;
    m.info.opsets = {{"", 23}};
    const ValueId x =
        m.add_input(m.main(), {"x", Type::tensor(DType::F32, Shape(c.x.begin(), c.x.end())), nullptr});
    std::vector<ValueId> in{x};
    for (const Dims& d : c.constants) in.push_back(m.add_initializer(m.main(), random(rng, d, -1, 1, false)));
    if (c.constant_first) std::swap(in[0], in[1]);
    Attrs attrs;
    for (const auto& [name, value] : c.attrs) attrs.set(name, value);
    const NodeId n = m.create("", c.type, in, attrs, 1, "n", {"y"});
    m.place(n, m.main());
    m.add_output(m.main(), m[n].out[0], {"y", {}, nullptr});
    const auto r = product_range(m, n, {low, high});
    ASSERT_TRUE(r);
    Interval seen{1e30, -1e30};
    for (int round = 0; round < 200; ++round) {
      std::vector<Datum> feeds;
      feeds.emplace_back(random(rng, c.x, low, high, round % 2 == 0));
      const auto results = Executor(m).run(feeds);
      for (const float y : results.at(0).tensor()->data<float>()) {
        ASSERT_GE(y, r->low);
        ASSERT_LE(y, r->high);
        seen.low = std::min<double>(seen.low, y);
        seen.high = std::max<double>(seen.high, y);
      }
    }
    // Few terms: corners of the operand's range come near the interval's ends.
    EXPECT_GT(seen.high - seen.low, (c.type.ends_with("Normalization") ? 0.3 : 0.6) * (r->high - r->low));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ops, ProductRange,
    ::testing::Values(
        Case{"MatMul", {2, 3, 4}, {{4, 5}}}, Case{"MatMul", {2, 3, 4}, {{2, 4, 5}}},
        Case{"MatMul", {3, 4}, {{4}}}, Case{"MatMul", {4, 3}, {{2, 4}}, {}, true},
        Case{"Gemm", {3, 4}, {{5, 4}, {5}}, {{"transB", int64_t{1}}, {"alpha", -0.5F}, {"beta", 2.F}}},
        Case{"Gemm", {3, 4}, {{4, 5}}},
        Case{"Conv", {1, 2, 6, 6}, {{2, 1, 2, 2}, {2}}, {{"group", int64_t{2}}, {"pads", Dims{1, 1, 0, 0}}}},
        Case{"LayerNormalization", {4, 3}, {{3}, {3}}}, Case{"RMSNormalization", {4, 3}, {{3}}}));

TEST(ProductRange, SaysNothingOfOthers) {
  Model m;
  m.info.opsets = {{"", 21}};
  const ValueId x = m.add_input(m.main(), {"x", Type::tensor(DType::F32, Shape{Dim(2), Dim(2)}), nullptr});
  const auto made = [&](std::string type, Tensor w) {
    const NodeId n = m.create("", std::move(type), {x, m.add_initializer(m.main(), std::move(w))}, {}, 1);
    m.place(n, m.main());
    return n;
  };
  EXPECT_FALSE(product_range(m, made("MatMul", Tensor::full(DType::F32, {2, 2}, NAN)), {0, 1}));
  EXPECT_FALSE(product_range(m, made("MatMul", Tensor::full(DType::F32, {2, 2}, 3e38)), {0, 1}));
  EXPECT_FALSE(product_range(m, made("MatMul", Tensor::full(DType::F32, {2, 2}, 1)), {0, INFINITY}));
  EXPECT_FALSE(product_range(m, made("Add", Tensor::full(DType::F32, {2, 2}, 1)), {0, 1}));
}

}  // namespace
}  // namespace lathe
