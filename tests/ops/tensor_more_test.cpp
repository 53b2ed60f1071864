// Pad, TopK, Unique, OneHot, ReverseSequence, Resize.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

Tensor vec(std::vector<int64_t> v) { return Tensor::of_i64(std::move(v)); }
AttrValue text(const char* s) { return std::string(s); }

TEST(Pad, Modes) {
  const Tensor x = f32({3}, {1, 2, 3}), pads = vec({2, 1});
  expect_same(run1({"Pad"}, {x, pads}), f32({6}, {0, 0, 1, 2, 3, 0}));
  expect_same(run1({"Pad"}, {x, pads, f32({}, {9})}), f32({6}, {9, 9, 1, 2, 3, 9}));
  expect_same(run1({"Pad", {{"mode", text("reflect")}}}, {x, pads}), f32({6}, {3, 2, 1, 2, 3, 2}));
  expect_same(run1({"Pad", {{"mode", text("edge")}}}, {x, pads}), f32({6}, {1, 1, 1, 2, 3, 3}));
  expect_same(run1({"Pad", {{"mode", text("wrap")}}}, {x, pads}), f32({6}, {2, 3, 1, 2, 3, 1}));
}

TEST(Pad, NegativeCutsAndAxes) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_same(run1({"Pad"}, {x, vec({0, -1, 0, 1})}), f32({2, 3}, {2, 3, 0, 5, 6, 0}));
  expect_same(run1({"Pad"}, {x, vec({1, 0}), Tensor(), vec({-2})}), f32({3, 3}, {0, 0, 0, 1, 2, 3, 4, 5, 6}));
  EXPECT_NE(error_of({"Pad"}, {x, vec({0, -4, 0, 0})}), "");
  EXPECT_NE(error_of({"Pad"}, {x, vec({0, 0})}), "");
  EXPECT_NE(error_of({"Pad"}, {x, vec({std::numeric_limits<int64_t>::max(), 0, 1, 0})}), "");
  EXPECT_NE(error_of({"Pad", {{"mode", text("edge")}}}, {f32({0}, {}), vec({1, 0})}), "");
}

TEST(TopK, TiesGoToTheLowerIndex) {
  const Tensor x = f32({2, 4}, {1, 3, 3, 2, 5, 5, 5, 5});
  auto out = run({"TopK", {}, 2}, {x, vec({2})});
  expect_same(out[0], f32({2, 2}, {3, 3, 5, 5}));
  expect_same(out[1], i64({2, 2}, {1, 2, 0, 1}));
  out = run({"TopK", {{"largest", int64_t{0}}, {"axis", int64_t{0}}}, 2}, {x, vec({1})});
  expect_same(out[0], f32({1, 4}, {1, 3, 3, 2}));
  EXPECT_NE(error_of({"TopK", {}, 2}, {x, vec({5})}), "");
  EXPECT_NE(error_of({"TopK", {}, 2}, {x, vec({-1})}), "");
}

TEST(Unique, SortedOrInOrder) {
  auto out = run({"Unique", {}, 4}, {f32({5}, {2, 1, 1, 3, 2})});
  expect_same(out[0], f32({3}, {1, 2, 3}));
  expect_same(out[1], vec({1, 0, 3}));
  expect_same(out[2], vec({1, 0, 0, 2, 1}));
  expect_same(out[3], vec({2, 2, 1}));
  out = run({"Unique", {{"sorted", int64_t{0}}}, 4}, {f32({5}, {2, 1, 1, 3, 2})});
  expect_same(out[0], f32({3}, {2, 1, 3}));
  expect_same(out[2], vec({0, 1, 1, 2, 0}));
  out = run({"Unique", {{"axis", int64_t{0}}}, 1}, {f32({3, 2}, {1, 0, 1, 0, 0, 3})});
  expect_same(out[0], f32({2, 2}, {0, 3, 1, 0}));
  expect_same(run1({"Unique"}, {Tensor::of_strings({3}, {"b", "a", "b"})}),
              Tensor::of_strings({2}, {"a", "b"}));
}

TEST(OneHot, OutOfRangeIsOff) {
  expect_same(run1({"OneHot"}, {vec({0, -1, 3}), Tensor::scalar_i64(3), f32({2}, {0, 1})}),
              f32({3, 3}, {1, 0, 0, 0, 0, 1, 0, 0, 0}));
  expect_same(run1({"OneHot", {{"axis", int64_t{0}}}}, {vec({1}), Tensor::scalar_i64(2), vec({5, 7})}),
              i64({2, 1}, {5, 7}));
  EXPECT_NE(error_of({"OneHot"}, {vec({0}), Tensor::scalar_i64(0), f32({2}, {0, 1})}), "");
}

TEST(ReverseSequence, ByLength) {
  expect_same(run1({"ReverseSequence", {{"time_axis", int64_t{1}}, {"batch_axis", int64_t{0}}}},
                   {f32({2, 3}, {1, 2, 3, 4, 5, 6}), vec({2, 3})}),
              f32({2, 3}, {2, 1, 3, 6, 5, 4}));
  EXPECT_NE(error_of({"ReverseSequence"}, {f32({2, 3}, {1, 2, 3, 4, 5, 6}), vec({1, 1, 3})}), "");
}

TEST(Resize, NearestOfAnyType) {
  const Tensor scales = f32({1}, {2});
  expect_same(run1({"Resize"}, {vec({1, 2}), Tensor(), scales}), vec({1, 1, 2, 2}));
  expect_same(run1({"Resize"}, {Tensor::of_strings({2}, {"a", "b"}), Tensor(), scales}),
              Tensor::of_strings({4}, {"a", "a", "b", "b"}));
}

TEST(Resize, LinearBySizes) {
  expect_close(run1({"Resize", {{"mode", text("linear")}}}, {f32({2}, {0, 4}), Tensor(), Tensor(), vec({4})}),
               f32({4}, {0, 1, 3, 4}));
  EXPECT_NE(error_of({"Resize"}, {f32({2}, {0, 4}), Tensor(), f32({1}, {1e30f})}), "");
  EXPECT_NE(error_of({"Resize"}, {f32({2}, {0, 4}), Tensor(), f32({1}, {-1})}), "");
  EXPECT_NE(error_of({"Resize"}, {f32({2}, {0, 4})}), "");
  EXPECT_NE(error_of({"Resize"}, {f32({0}, {}), Tensor(), Tensor(), vec({4})}), "");
}

}  // namespace
}  // namespace lathe::test
