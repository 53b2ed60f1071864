// Ops that name, cut and join shapes: Reshape and kin, Shape, Concat, Split, Slice, Expand, Tile, Transpose.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

const auto ints = [](std::vector<int64_t> v) { return v; };

Tensor vec(std::vector<int64_t> v) { return Tensor::of_i64(std::move(v)); }
Tensor iota(std::vector<int64_t> dims) {
  Tensor t = Tensor::make(DType::F32, std::move(dims));
  float n = 0;
  for (float& f : t.mutable_data<float>()) f = n++;
  return t;
}

TEST(Reshape, InfersOneDimAndCopiesZeros) {
  EXPECT_EQ(run1({"Reshape"}, {iota({2, 3, 4}), vec({0, -1})}).dims, ints({2, 12}));
  EXPECT_EQ(run1({"Reshape"}, {iota({2, 3, 4}), vec({-1, 4})}).dims, ints({6, 4}));
  EXPECT_EQ(run1({"Reshape", {{"allowzero", int64_t{1}}}}, {iota({0, 3}), vec({3, 0})}).dims, ints({3, 0}));
  EXPECT_EQ(run1({"Reshape"}, {iota({1}), vec({})}).rank(), 0);
}

TEST(Reshape, RefusesWhatDoesNotFill) {
  EXPECT_THAT(error_of({"Reshape"}, {iota({2, 3}), vec({4, -1})}), HasSubstr("do not fill"));
  EXPECT_NE(error_of({"Reshape"}, {iota({2, 3}), vec({7})}), "");
  EXPECT_THAT(error_of({"Reshape"}, {iota({2, 3}), vec({-1, -1})}), HasSubstr("more than one -1"));
  EXPECT_NE(error_of({"Reshape"}, {iota({2, 3}), vec({6, 1, 0})}), "");
  EXPECT_NE(error_of({"Reshape"}, {iota({2, 3}), vec({1 << 30, 1 << 30, 1 << 30, -1})}), "");
}

TEST(Reshape, SharesBytes) {
  const Tensor x = iota({4});
  EXPECT_EQ(run1({"Reshape"}, {x, vec({2, 2})}).bytes().data(), x.bytes().data());
}

TEST(Flatten, AxisEndsAndNegative) {
  EXPECT_EQ(run1({"Flatten", {{"axis", int64_t{0}}}}, {iota({2, 3})}).dims, ints({1, 6}));
  EXPECT_EQ(run1({"Flatten", {{"axis", int64_t{2}}}}, {iota({2, 3})}).dims, ints({6, 1}));
  EXPECT_EQ(run1({"Flatten", {{"axis", int64_t{-1}}}}, {iota({2, 3, 4})}).dims, ints({6, 4}));
  EXPECT_NE(error_of({"Flatten", {{"axis", int64_t{3}}}}, {iota({2, 3})}), "");
}

TEST(Squeeze, AxesAndNone) {
  EXPECT_EQ(run1({"Squeeze"}, {iota({1, 3, 1})}).dims, ints({3}));
  EXPECT_EQ(run1({"Squeeze"}, {iota({1, 3, 1}), vec({-1})}).dims, ints({1, 3}));
  EXPECT_THAT(error_of({"Squeeze"}, {iota({1, 3}), vec({1})}), HasSubstr("not 1"));
  EXPECT_THAT(error_of({"Squeeze"}, {iota({1, 3}), vec({0, -2})}), HasSubstr("twice"));
}

TEST(Unsqueeze, CountsAxesInTheOutput) {
  EXPECT_EQ(run1({"Unsqueeze"}, {iota({3}), vec({0, -1})}).dims, ints({1, 3, 1}));
  EXPECT_NE(error_of({"Unsqueeze"}, {iota({3}), vec({5})}), "");
}

TEST(Identity, AnyType) {
  const Tensor s = Tensor::of_strings({2}, {"a", "b"});
  expect_same(run1({"Identity"}, {s}), s);
}

TEST(Shape, StartAndEndClamp) {
  expect_same(run1({"Shape"}, {iota({2, 3, 4})}), vec({2, 3, 4}));
  expect_same(run1({"Shape", {{"start", int64_t{-2}}, {"end", int64_t{9}}}}, {iota({2, 3, 4})}), vec({3, 4}));
  expect_same(run1({"Shape", {{"start", int64_t{2}}, {"end", int64_t{1}}}}, {iota({2, 3, 4})}), vec({}));
  expect_same(run1({"Size"}, {iota({2, 3, 4})}), Tensor::scalar_i64(24));
}

TEST(Concat, AlongEachAxis) {
  const Tensor a = f32({1, 2}, {1, 2}), b = f32({1, 2}, {3, 4});
  expect_same(run1({"Concat", {{"axis", int64_t{0}}}}, {a, b}), f32({2, 2}, {1, 2, 3, 4}));
  expect_same(run1({"Concat", {{"axis", int64_t{-1}}}}, {a, b, a}), f32({1, 6}, {1, 2, 3, 4, 1, 2}));
  expect_same(run1({"Concat", {{"axis", int64_t{0}}}}, {vec({5}), vec({}), vec({7, 8})}), vec({5, 7, 8}));
  expect_same(run1({"Concat", {{"axis", int64_t{0}}}},
                   {Tensor::of_strings({1}, {"a"}), Tensor::of_strings({1}, {"b"})}),
              Tensor::of_strings({2}, {"a", "b"}));
  EXPECT_NE(error_of({"Concat", {{"axis", int64_t{0}}}}, {a, f32({1, 3}, {1, 2, 3})}), "");
}

TEST(Concat, PackedElementsOfOddLength) {
  const auto u4 = [](std::vector<double> v) {
    const auto n = static_cast<int64_t>(v.size());
    return of(DType::U4, {n}, std::move(v));
  };
  expect_same(run1({"Concat", {{"axis", int64_t{0}}}}, {u4({1, 2, 3}), u4({4, 5})}), u4({1, 2, 3, 4, 5}));
}

TEST(Split, SizesAndEqualParts) {
  auto out = run({"Split", {{"axis", int64_t{1}}}, 2}, {f32({2, 3}, {1, 2, 3, 4, 5, 6}), vec({1, 2})});
  expect_same(out[0], f32({2, 1}, {1, 4}));
  expect_same(out[1], f32({2, 2}, {2, 3, 5, 6}));
  out = run({"Split", {{"num_outputs", int64_t{2}}}, 2}, {f32({3}, {1, 2, 3})});  // the last part is smaller
  expect_same(out[0], f32({2}, {1, 2}));
  expect_same(out[1], f32({1}, {3}));
  EXPECT_NE(error_of({"Split", {}, 2}, {iota({3}), vec({1, 1})}), "");
  EXPECT_NE(error_of({"Split", {}, 2}, {iota({3}), vec({-1, 4})}), "");
}

TEST(Slice, ClampsLikeNumpy) {
  const Tensor x = iota({5});
  const int64_t far = std::numeric_limits<int64_t>::max(), low = std::numeric_limits<int64_t>::min();
  expect_same(run1({"Slice"}, {x, vec({1}), vec({far})}), f32({4}, {1, 2, 3, 4}));
  expect_same(run1({"Slice"}, {x, vec({-2}), vec({far})}), f32({2}, {3, 4}));
  expect_same(run1({"Slice"}, {x, vec({0}), vec({-1}), vec({0}), vec({2})}), f32({2}, {0, 2}));
  expect_same(run1({"Slice"}, {x, vec({-1}), vec({low}), vec({0}), vec({-1})}), f32({5}, {4, 3, 2, 1, 0}));
  expect_same(run1({"Slice"}, {x, vec({far}), vec({low}), vec({0}), vec({-3})}), f32({2}, {4, 1}));
  expect_same(run1({"Slice"}, {x, vec({3}), vec({1})}), f32({0}, {}));
  expect_same(run1({"Slice"}, {x, vec({low}), vec({far}), vec({0}), vec({far})}), f32({1}, {0}));
  EXPECT_THAT(error_of({"Slice"}, {x, vec({0}), vec({1}), vec({0}), vec({0})}), HasSubstr("step 0"));
  EXPECT_NE(error_of({"Slice"}, {x, vec({0, 0}), vec({1, 1}), vec({0, -1})}), "");
}

TEST(Slice, SeveralAxes) {
  expect_same(run1({"Slice"}, {iota({3, 4}), vec({1, 0}), vec({3, 4}), vec({0, 1}), vec({1, 3})}),
              f32({2, 2}, {4, 7, 8, 11}));
  expect_same(run1({"Slice"}, {iota({3, 4}), vec({0}), vec({2}), vec({-1})}),
              f32({3, 2}, {0, 1, 4, 5, 8, 9}));
}

TEST(Slice, ContentsOfShapes) {
  expect_same(run1({"Slice"}, {vec({7, 8, 9}), vec({0}), vec({-1})}), vec({7, 8}));
}

TEST(Expand, BothWays) {
  expect_same(run1({"Expand"}, {f32({2, 1}, {1, 2}), vec({3})}), f32({2, 3}, {1, 1, 1, 2, 2, 2}));
  expect_same(run1({"Expand"}, {f32({3}, {1, 2, 3}), vec({2, 1})}), f32({2, 3}, {1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(run1({"Expand"}, {f32({1}, {1}), vec({0})}).dims, ints({0}));
  EXPECT_NE(error_of({"Expand"}, {iota({3}), vec({2})}), "");
  EXPECT_NE(error_of({"Expand"}, {iota({1}), vec({-1})}), "");
}

TEST(Tile, RepeatsEachAxis) {
  expect_same(run1({"Tile"}, {f32({2, 1}, {1, 2}), vec({2, 2})}), f32({4, 2}, {1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(run1({"Tile"}, {iota({2}), vec({0})}).dims, ints({0}));
  EXPECT_NE(error_of({"Tile"}, {iota({2}), vec({-1})}), "");
  EXPECT_NE(error_of({"Tile"}, {iota({2}), vec({1, 1})}), "");
  EXPECT_NE(error_of({"Tile"}, {iota({2}), vec({std::numeric_limits<int64_t>::max()})}), "");
}

TEST(Transpose, DefaultReverses) {
  expect_same(run1({"Transpose"}, {iota({2, 3})}), f32({3, 2}, {0, 3, 1, 4, 2, 5}));
  EXPECT_NE(error_of({"Transpose", {{"perm", ints({0, 0})}}}, {iota({2, 3})}), "");
}

// Every permutation of four axes against index arithmetic, with sizes beyond one tile.
TEST(Transpose, AllPermutations) {
  const Tensor x = iota({3, 19, 2, 33});
  std::vector<int64_t> perm = {0, 1, 2, 3};
  do {
    const Tensor y = run1({"Transpose", {{"perm", perm}}}, {x});
    int64_t index[4];
    int64_t k = 0;
    bool equal = true;
    for (int64_t a = 0; a < y.dims[0]; ++a)
      for (int64_t b = 0; b < y.dims[1]; ++b)
        for (int64_t c = 0; c < y.dims[2]; ++c)
          for (int64_t d = 0; d < y.dims[3]; ++d) {
            const int64_t at[4] = {a, b, c, d};
            for (size_t i = 0; i < 4; ++i) index[perm[i]] = at[i];
            const auto want = static_cast<float>(((index[0] * 19 + index[1]) * 2 + index[2]) * 33 + index[3]);
            equal = equal && y.data<float>()[static_cast<size_t>(k++)] == want;
          }
    EXPECT_TRUE(equal) << ::testing::PrintToString(perm);
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Transpose, WideAndPackedElements) {
  expect_same(run1({"Transpose"}, {of(DType::I4, {2, 3}, {-8, 1, 2, 3, 4, 7})}),
              of(DType::I4, {3, 2}, {-8, 3, 1, 4, 2, 7}));
  expect_same(run1({"Transpose"}, {Tensor::of_strings({1, 2}, {"a", "b"})}),
              Tensor::of_strings({2, 1}, {"a", "b"}));
}

TEST(DepthToSpace, InverseOfSpaceToDepth) {
  const Tensor x = iota({1, 8, 2, 3});
  const Tensor y = run1({"DepthToSpace", {{"blocksize", int64_t{2}}}}, {x});
  EXPECT_EQ(y.dims, ints({1, 2, 4, 6}));
  EXPECT_EQ(y.data<float>()[1], 12.0f);  // DCR: the next column comes from channel 2
  expect_same(run1({"SpaceToDepth", {{"blocksize", int64_t{2}}}}, {y}), x);
  const Tensor z = run1({"DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}}, {x});
  EXPECT_EQ(z.data<float>()[1], 6.0f);
  EXPECT_NE(error_of({"DepthToSpace", {{"blocksize", int64_t{3}}}}, {x}), "");
  EXPECT_NE(error_of({"SpaceToDepth", {{"blocksize", int64_t{2}}}}, {x}), "");
}

}  // namespace
}  // namespace lathe::test
