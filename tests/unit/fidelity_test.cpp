// How near outputs stay: vectors by their cosine, single numbers by what they are off by.
#include "passes/quant/search/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

namespace lathe {
namespace {

Fidelity of(const std::vector<int64_t>& dims, const std::vector<float>& wanted,
            const std::vector<float>& got) {
  OutputViews views;
  views.outputs.resize(1);
  FidelityMeter meter(views);
  const auto output = [&](const std::vector<float>& values) {
    return std::vector<Datum>{Datum(Tensor::of(DType::F32, dims, std::span<const float>(values)))};
  };
  meter.add({}, output(wanted), output(got));
  return meter.result();
}

TEST(Fidelity, VectorsByTheirDirection) {
  const Fidelity f = of({2, 2}, {1, 0, 0, 2}, {3, 0, 2, 0});
  EXPECT_EQ(f.vectors, 2);
  EXPECT_DOUBLE_EQ(f.min_cosine, 0);
  EXPECT_DOUBLE_EQ(f.mean_cosine, 0.5);
}

TEST(Fidelity, OneNumberASampleHasNoDirection) {
  const Fidelity f = of({2, 1}, {1, 1}, {1, 1.1F});
  EXPECT_EQ(f.vectors, 2);
  EXPECT_NEAR(f.min_cosine, 1 - 0.01 / 2, 1e-6);
  EXPECT_DOUBLE_EQ(of({1, 1}, {2}, {-2}).min_cosine, -1);
  EXPECT_NEAR(of({}, {2}, {2.2F}).min_cosine, 1 - 0.01 / 2, 1e-6);
}

TEST(Fidelity, SmallNumbersAreMeasuredBesideTheirRun) {
  EXPECT_GT(of({2, 1}, {1, 1e-6F}, {1, 1e-3F}).min_cosine, 0.999999);
}

TEST(Fidelity, WhatIsNoNumberIsOpposite) {
  EXPECT_DOUBLE_EQ(of({1, 1}, {1}, {NAN}).min_cosine, -1);
  EXPECT_DOUBLE_EQ(of({1, 2}, {1, 1}, {NAN, 1}).min_cosine, -1);
  EXPECT_DOUBLE_EQ(of({1, 1}, {0}, {0}).min_cosine, 1);
}

}  // namespace
}  // namespace lathe
