#include "ir/core/dim.h"

#include <gtest/gtest.h>

#include <limits>

namespace lathe {
namespace {

const Dim n = Dim::symbol("n"), s = Dim::symbol("s");

TEST(Dim, EqualMeansProvablyEqual) {
  EXPECT_EQ(n + s, s + n);
  EXPECT_EQ((n + 1) * 2, 2 * n + 2);
  EXPECT_EQ(n * s - s * n, Dim(0));
  EXPECT_EQ(n + 1 - 1, n);
  EXPECT_FALSE(n == s);
  EXPECT_FALSE(Dim::unknown() == Dim::unknown());
  EXPECT_EQ(Dim::symbol("n"), n);
}

TEST(Dim, Prints) {
  EXPECT_EQ((n * s + 2 * n - 1).str(), "n*s + 2*n - 1");
  EXPECT_EQ(Dim::floor_div(n, 2).str(), "floordiv(n, 2)");
  EXPECT_EQ((Dim(0) - n).str(), "-n");
  EXPECT_EQ(to_string(Shape{n, 3}), "[n, 3]");
}

TEST(Dim, DividesWhatItCan) {
  EXPECT_EQ(Dim::floor_div(12 * n, 4), 3 * n);
  EXPECT_EQ(Dim::floor_div(4 * n + 6, 4), n + 1);
  EXPECT_EQ(*Dim::exact_div(n * s * 6, 2 * s), 3 * n);
  EXPECT_FALSE(Dim::exact_div(n + 1, 2));
  EXPECT_EQ(Dim::floor_div(-7, 2), Dim(-4));
  EXPECT_EQ(Dim::ceil_div(7, 2), Dim(4));
  EXPECT_EQ(Dim::mod(-7, 3), Dim(2));
  EXPECT_EQ(Dim::mod(6 * n, 3), Dim(0));
  EXPECT_EQ(Dim::ceil_div(n, 1), n);
}

TEST(Dim, Broadcasts) {
  EXPECT_EQ(Dim::broadcast(1, n), n);
  EXPECT_EQ(Dim::broadcast(n, n), n);
  EXPECT_EQ(Dim::broadcast(n, 7), Dim(7));
  EXPECT_EQ(Dim::broadcast(n, s), Dim::broadcast(s, n));
}

TEST(Dim, MinAndMaxUseWhatIsProvable) {
  EXPECT_EQ(Dim::max(n, n + 1), n + 1);
  EXPECT_EQ(Dim::min(n + 2, n), n);
  EXPECT_FALSE(Dim::min(n, s) == n);
  EXPECT_TRUE(Dim::provably_ge(n + s, s));
  EXPECT_FALSE(Dim::provably_ge(n, 1));
  EXPECT_TRUE(Dim::provably_ge(n, 1, 1));
  EXPECT_TRUE(Dim::provably_ne(n + 1, n));
  EXPECT_FALSE(Dim::provably_ne(n, s));
}

TEST(Dim, EvaluatesAndSubstitutes) {
  const Dim d = Dim::floor_div(n * s + 1, 2) + Dim::max(n, 5);
  EXPECT_EQ(d.eval({{"n", 3}, {"s", 4}}), 6 + 5);
  EXPECT_FALSE(d.eval({{"n", 3}}));
  const auto to_seven = [](const std::string& name) {
    return name == "s" ? std::optional<Dim>(7) : std::nullopt;
  };
  EXPECT_EQ((n + s).substitute(to_seven), n + 7);
  EXPECT_EQ(Dim::floor_div(s, 2).substitute(to_seven), Dim(3));
}

TEST(Dim, OverflowNeverWraps) {
  const Dim big = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE((big + 1).is_unknown());
  EXPECT_TRUE((big * 2).is_unknown());
  EXPECT_FALSE((n * big).eval({{"n", 2}}));
  EXPECT_FALSE(Dim::floor_div(n, s).eval({{"n", 2}, {"s", 0}}));
}

TEST(Dim, LargeProductsStayBounded) {
  Dim d = 1;
  for (int i = 0; i < 40; ++i) d = d * (Dim::symbol("v" + std::to_string(i)) + 1);
  EXPECT_LT(d.str().size(), 4000u);
}

}  // namespace
}  // namespace lathe
