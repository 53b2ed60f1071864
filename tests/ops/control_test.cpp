// If, Loop, Scan with captures; sequences and optionals.
#include "ir/onnx/text.h"
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

std::vector<Datum> run_text(const std::string& text, std::vector<Datum> inputs,
                            const ExecOptions& options = {}) {
  Model m = parse_model(text);
  infer_types(m);
  return Executor(m, options).run(std::move(inputs));
}

constexpr const char* kIf = R"(g (bool c, float[N] x) => (float[M] y) {
  y = If (c) <then_branch = t () => (float[N] a) { a = Add(x, x) },
              else_branch = e () => (float[K] b) { b = Mul(x, x) }>
})";

TEST(If, TakesTheBranchAndItsCaptures) {
  const Tensor x = f32({2}, {3, 4});
  expect_same(*run_text(kIf, {boolean({}, {1}), x})[0].tensor(), f32({2}, {6, 8}));
  expect_same(*run_text(kIf, {boolean({}, {0}), x})[0].tensor(), f32({2}, {9, 16}));
}

constexpr const char* kLoop = R"(g (int64 n, bool go, float[2] x) => (float[2] last, float[K, 2] all) {
  last, all = Loop (n, go, x) <body = b (int64 i, bool c, float[2] s) => (bool k, float[2] t, float[2] o) {
    k = Identity(c)
    t = Add(s, x)
    o = Identity(t)
  }>
})";

TEST(Loop, CarriesAndStacks) {
  const auto out = run_text(kLoop, {Tensor::scalar_i64(3), boolean({}, {1}), f32({2}, {1, 2})});
  expect_same(*out[0].tensor(), f32({2}, {4, 8}));
  expect_same(*out[1].tensor(), f32({3, 2}, {2, 4, 3, 6, 4, 8}));
}

TEST(Loop, NoIterationGivesEmptyStacks) {
  const auto none = run_text(kLoop, {Tensor::scalar_i64(0), boolean({}, {1}), f32({2}, {1, 2})});
  expect_same(*none[0].tensor(), f32({2}, {1, 2}));
  EXPECT_EQ(none[1].tensor()->dims, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(run_text(kLoop, {Tensor::scalar_i64(5), boolean({}, {0}), f32({2}, {1, 2})})[1].tensor()->dims[0],
            0);
}

TEST(Loop, EndsAtItsConditionOrAtTheLimit) {
  const char* text = R"(g (int64 x) => (int64 last) {
    last = Loop ("", "", x) <body = b (int64 i, bool c, int64 s) => (bool k, int64 t) {
      one = Constant <value_int = 1> ()
      t = Add(s, one)
      limit = Constant <value_int = 5> ()
      k = Less(t, limit)
    }>
  })";
  const std::string forever = R"(g (int64 x) => (int64 last) {
    last = Loop ("", "", x) <body = b (int64 i, bool c, int64 s) => (bool k, int64 t) {
      k = Identity(c)
      t = Identity(s)
    }>
  })";
  expect_same(*run_text(text, {Tensor::scalar_i64(0)})[0].tensor(), Tensor::scalar_i64(5));
  ExecOptions options;
  options.max_iterations = 100;
  try {
    run_text(forever, {Tensor::scalar_i64(0)}, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("more than 100 iterations"));
  }
}

TEST(Scan, DirectionsAndAxes) {
  const char* text = R"(g (float[2] s, float[2, 3] x) => (float[2] last, float[2, 3] sums) {
    last, sums = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1],
                       scan_input_directions = [1], scan_output_directions = [1],
                       body = b (float[2] a, float[2] e) => (float[2] t, float[2] o) {
                         t = Add(a, e)
                         o = Identity(t)
                       }> (s, x)
  })";
  const auto out = run_text(text, {f32({2}, {0, 0}), f32({2, 3}, {1, 2, 3, 4, 5, 6})});
  expect_same(*out[0].tensor(), f32({2}, {6, 15}));
  expect_same(*out[1].tensor(), f32({2, 3}, {6, 5, 3, 15, 11, 6}));
}

TEST(Sequence, BuildsAndReads) {
  const char* text = R"(g (float[N] a, float[M] b, int64 at) => (float[K] item, int64 n, float[L] joined) {
    s = SequenceConstruct(a, b)
    t = SequenceInsert(s, a)
    item = SequenceAt(t, at)
    u = SequenceErase(t)
    n = SequenceLength(u)
    joined = ConcatFromSequence <axis = 0> (t)
  })";
  const auto out = run_text(text, {f32({1}, {1}), f32({2}, {2, 3}), Tensor::scalar_i64(-2)});
  expect_same(*out[0].tensor(), f32({2}, {2, 3}));
  expect_same(*out[1].tensor(), Tensor::scalar_i64(2));
  expect_same(*out[2].tensor(), f32({4}, {1, 2, 3, 1}));
  EXPECT_THROW(run_text(text, {f32({1}, {1}), f32({2}, {2, 3}), Tensor::scalar_i64(3)}), Error);
}

TEST(Sequence, SplitKeepsOrDropsTheAxis) {
  const char* text = R"(g (float[3, 2] x, int64 at) => (float[N, 2] part, float[2] row) {
    two = Constant <value_int = 2> ()
    s = SplitToSequence <axis = 0> (x, two)
    part = SequenceAt(s, at)
    t = SplitToSequence <axis = 0, keepdims = 0> (x)
    row = SequenceAt(t, at)
  })";
  const auto out = run_text(text, {f32({3, 2}, {1, 2, 3, 4, 5, 6}), Tensor::scalar_i64(1)});
  expect_same(*out[0].tensor(), f32({1, 2}, {5, 6}));
  expect_same(*out[1].tensor(), f32({2}, {3, 4}));
}

TEST(Optional, HasAndGets) {
  const char* text = R"(g (float[N] x) => (bool has, float[N] y) {
    o = Optional(x)
    has = OptionalHasElement(o)
    y = OptionalGetElement(o)
  })";
  const auto out = run_text(text, {f32({1}, {7})});
  expect_same(*out[0].tensor(), boolean({}, {1}));
  expect_same(*out[1].tensor(), f32({1}, {7}));
}

}  // namespace
}  // namespace lathe::test
