// What every family of arithmetic does at the edges: NaN, infinities, signed zeros, integer wrap, division by
// zero. Where the specification is silent, numpy decides.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

const double kNaN64 = std::numeric_limits<double>::quiet_NaN(),
             kInf64 = std::numeric_limits<double>::infinity();
const DType kInts[] = {DType::I8, DType::I16, DType::I32, DType::I64,
                       DType::U8, DType::U16, DType::U32, DType::U64};
const DType kFloats[] = {DType::F16, DType::BF16, DType::F32, DType::F64};

Tensor ints(DType t, std::vector<int64_t> v) {
  Tensor x = Tensor::make(t, {static_cast<int64_t>(v.size())});
  for (size_t i = 0; i < v.size(); ++i) store_i64(t, x.mutable_bytes().data(), static_cast<int64_t>(i), v[i]);
  return x;
}
Tensor floats(DType t, const std::vector<double>& v) { return of(t, {static_cast<int64_t>(v.size())}, v); }
int64_t lowest(DType t) {
  return is_signed_integer(t) ? std::numeric_limits<int64_t>::min() >> (64 - bit_width(t)) : 0;
}
AttrValue number(int64_t v) { return v; }

// Values, NaN for NaN, and the sign of zeros.
void expect_floats(const Tensor& got, const std::vector<double>& want) {
  const auto v = got.to_doubles();
  ASSERT_EQ(v.size(), want.size());
  for (size_t i = 0; i < v.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(v[i])) << "element " << i << " is " << v[i];
      continue;
    }
    EXPECT_EQ(v[i], want[i]) << "element " << i;
    EXPECT_EQ(std::signbit(v[i]), std::signbit(want[i])) << "sign of element " << i;
  }
}

TEST(IntegerNumbers, TheSmallestByMinusOne) {
  for (const DType t : kInts) {
    if (!is_signed_integer(t)) continue;
    const int64_t low = lowest(t);
    expect_same(run1({"Div"}, {ints(t, {low, 7}), ints(t, {-1, -1})}), ints(t, {low, -7}));
    expect_same(run1({"Mod"}, {ints(t, {low, 7, -7}), ints(t, {-1, -3, 3})}), ints(t, {0, -2, 2}));
    expect_same(run1({"Mod", {{"fmod", number(1)}}}, {ints(t, {low, 7, -7}), ints(t, {-1, -3, 3})}),
                ints(t, {0, 1, -1}));
    expect_same(run1({"Mul"}, {ints(t, {low}), ints(t, {-1})}), ints(t, {low}));
    expect_same(run1({"Sub"}, {ints(t, {low}), ints(t, {1})}), ints(t, {-(low + 1)}));
    expect_same(run1({"Neg"}, {ints(t, {low})}), ints(t, {low}));
    expect_same(run1({"Abs"}, {ints(t, {low})}), ints(t, {low}));
    expect_same(run1({"Sign"}, {ints(t, {low, 0, 5})}), ints(t, {-1, 0, 1}));
  }
}

TEST(IntegerNumbers, DivisionByZeroNamesTheNode) {
  for (const DType t : kInts)
    for (const char* type : {"Div", "Mod"}) {
      const std::string why = error_of({type}, {ints(t, {1, 2}), ints(t, {1, 0})});
      EXPECT_THAT(why, HasSubstr(std::string("node 'n' (") + type)) << onnx_name(t);
      EXPECT_THAT(why, HasSubstr("division by zero")) << onnx_name(t);
    }
}

TEST(IntegerNumbers, UnsignedWrapAndPow) {
  expect_same(run1({"Sub"}, {ints(DType::U8, {0}), ints(DType::U8, {1})}), ints(DType::U8, {255}));
  expect_same(run1({"Add"}, {ints(DType::U64, {-1}), ints(DType::U64, {2})}), ints(DType::U64, {1}));
  expect_same(run1({"Pow"}, {i64({3}, {3, -2, 10}), i64({3}, {40, 63, 19})}),
              i64({3}, {-6289078614652622815, std::numeric_limits<int64_t>::min(),
                        static_cast<int64_t>(10000000000000000000U)}));
  expect_same(run1({"Pow"}, {i32({4}, {0, 1, -1, -1}), i32({4}, {0, -5, -2, -3})}), i32({4}, {1, 1, 1, -1}));
  expect_same(run1({"ReduceSum"}, {i64({2}, {std::numeric_limits<int64_t>::max(), 1})}),
              i64({1}, {std::numeric_limits<int64_t>::min()}));
  expect_same(run1({"ReduceProd"}, {i32({2}, {1 << 30, 4})}), i32({1}, {0}));
  expect_same(run1({"CumSum"}, {i32({2}, {std::numeric_limits<int32_t>::max(), 1}), i64({}, {0})}),
              i32({2}, {std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}));
}

TEST(IntegerNumbers, Shifts) {
  const auto shift = [](const char* way, const Tensor& x, const Tensor& by) {
    return run1({"BitShift", {{"direction", std::string(way)}}}, {x, by});
  };
  for (const DType t : {DType::U8, DType::U16, DType::U32, DType::U64}) {
    const int64_t width = bit_width(t);
    expect_same(shift("LEFT", ints(t, {1, 1, 1, 3}), ints(t, {0, width - 1, width, 200})),
                ints(t, {1, static_cast<int64_t>(uint64_t{1} << (width - 1)), 0, 0}));
    expect_same(shift("RIGHT", ints(t, {-1, -1, -1}), ints(t, {width - 1, width, 255})), ints(t, {1, 0, 0}));
  }
}

TEST(FloatNumbers, MaxMinClipKeepNaNAndZeros) {
  for (const DType t : kFloats) {
    expect_floats(run1({"Max"}, {floats(t, {kNaN64, 1, -kInf64}), floats(t, {1, kNaN64, -5})}),
                  {kNaN64, kNaN64, -5});
    expect_floats(run1({"Min"}, {floats(t, {kNaN64, 1, kInf64}), floats(t, {1, kNaN64, 5})}),
                  {kNaN64, kNaN64, 5});
    expect_floats(
        run1({"Clip"}, {floats(t, {kNaN64, -kInf64, kInf64, 0.5}), of(t, {}, {-1}), of(t, {}, {1})}),
        {kNaN64, -1, 1, 0.5});
    expect_floats(run1({"Relu"}, {floats(t, {kNaN64, -kInf64, kInf64})}), {kNaN64, 0, kInf64});
    expect_floats(run1({"Sign"}, {floats(t, {kNaN64, -kInf64, kInf64, 0, -2})}), {kNaN64, -1, 1, 0, -1});
    expect_floats(run1({"Abs"}, {floats(t, {-0.0, -kInf64, kNaN64})}), {0.0, kInf64, kNaN64});
    expect_floats(run1({"Neg"}, {floats(t, {0.0, -0.0})}), {-0.0, 0.0});
  }
}

TEST(FloatNumbers, DivisionAndRemainder) {
  for (const DType t : kFloats) {
    expect_floats(run1({"Div"}, {floats(t, {1, -1, 0, kInf64, 1}), floats(t, {0, 0, 0, kInf64, -kInf64})}),
                  {kInf64, -kInf64, kNaN64, kNaN64, -0.0});
    // fmod has the sign of the dividend; numpy.mod that of the divisor, zeros too.
    const Tensor a = floats(t, {-5, 5, -6, 6, 5, kInf64, 5}), b = floats(t, {3, -3, 3, -3, kInf64, 2, 0});
    expect_floats(run1({"Mod", {{"fmod", number(1)}}}, {a, b}), {-2, 2, -0.0, 0.0, 5, kNaN64, kNaN64});
  }
  expect_floats(run1({"Sub"}, {floats(DType::F32, {0.0, -0.0}), floats(DType::F32, {0.0, 0.0})}),
                {0.0, -0.0});
  expect_floats(run1({"Mul"}, {floats(DType::F32, {-0.0, kInf64}), floats(DType::F32, {5, 0})}),
                {-0.0, kNaN64});
}

TEST(FloatNumbers, RoundingFamily) {
  for (const DType t : kFloats) {
    expect_floats(run1({"Round"}, {floats(t, {0.5, 1.5, 2.5, -0.5, -1.5, kNaN64, kInf64})}),
                  {0, 2, 2, -0.0, -2, kNaN64, kInf64});
    expect_floats(run1({"Floor"}, {floats(t, {-0.5, 0.5, -0.0, kNaN64})}), {-1, 0, -0.0, kNaN64});
    expect_floats(run1({"Ceil"}, {floats(t, {-0.5, 0.5, -0.0, -kInf64})}), {-0.0, 1, -0.0, -kInf64});
  }
}

TEST(FloatNumbers, PowAndRoots) {
  const DType t = DType::F64;
  expect_floats(run1({"Pow"}, {floats(t, {0, 0, -0.0, kNaN64, 1, -8, kInf64, 2}),
                               floats(t, {0, -1, -3, 0, kNaN64, 1.0 / 3, -1, kInf64})}),
                {1, kInf64, -kInf64, 1, 1, kNaN64, 0, kInf64});
  expect_floats(run1({"Sqrt"}, {floats(t, {-0.0, -1, kInf64})}), {-0.0, kNaN64, kInf64});
  expect_floats(run1({"Log"}, {floats(t, {0, -1, kInf64, 1})}), {-kInf64, kNaN64, kInf64, 0});
  expect_floats(run1({"Exp"}, {floats(t, {-kInf64, kInf64, kNaN64, 0})}), {0, kInf64, kNaN64, 1});
  for (const DType f : {DType::F32, DType::F64}) {
    expect_floats(run1({"Tanh"}, {floats(f, {-kInf64, kInf64, kNaN64, -0.0})}), {-1, 1, kNaN64, -0.0});
    expect_floats(run1({"Sigmoid"}, {floats(f, {-kInf64, kInf64, kNaN64})}), {0, 1, kNaN64});
    expect_floats(run1({"Erf"}, {floats(f, {-kInf64, kInf64, kNaN64, -0.0})}), {-1, 1, kNaN64, -0.0});
  }
}

TEST(FloatNumbers, ReductionsCarryNaN) {
  for (const DType t : kFloats) {
    for (const char* type : {"ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1",
                             "ReduceL2", "ReduceLogSumExp"})
      for (const size_t at :
           {size_t{0}, size_t{1}, size_t{18}}) {  // in the first lane, in another, in the tail
        std::vector<double> v(19, 1);
        v[at] = kNaN64;
        expect_floats(run1({type}, {floats(t, v)}), {kNaN64});
      }
    expect_same(run1({"ArgMax"}, {floats(t, {1, kNaN64, 9, kNaN64})}), i64({1}, {1}));
    expect_same(run1({"ArgMin"}, {floats(t, {1, kNaN64, -9})}), i64({1}, {1}));
  }
  expect_floats(run1({"ReduceLogSumExp"}, {floats(DType::F32, {-kInf64, -kInf64})}), {-kInf64});
  expect_floats(run1({"ReduceLogSumExp"}, {floats(DType::F32, {kInf64, 1})}), {kInf64});
}

TEST(FloatNumbers, SoftmaxOfInfinities) {
  for (const DType t : kFloats) {
    expect_floats(run1({"Softmax"}, {floats(t, {-kInf64, 0, -kInf64})}), {0, 1, 0});
    expect_floats(run1({"Softmax"}, {floats(t, {-kInf64, -kInf64})}), {kNaN64, kNaN64});
    expect_floats(run1({"Softmax"}, {floats(t, {kNaN64, 0})}), {kNaN64, kNaN64});
    expect_floats(run1({"LogSoftmax"}, {floats(t, {-kInf64, 0})}), {-kInf64, 0});
  }
}

// As many terms as a squeeze-and-excite block has, most of which cancel.
TEST(FloatNumbers, ConvOfOnePixelRoundsLittle) {
  const int64_t depth = 480;
  Tensor x = Tensor::make(DType::F32, {2, 2 * depth, 1, 1}), w = Tensor::make(DType::F32, {6, depth, 1, 1});
  const auto fill = [](Tensor& t, double step) {
    double u = 0.1;
    for (float& v : t.mutable_data<float>()) {
      u += step;
      v = static_cast<float>(u - std::floor(u) - 0.5) * 20;
    }
  };
  fill(x, 0.6180339887498949);
  fill(w, 0.7548776662466927);
  const Tensor bias = f32({6}, {1, 2, 3, 4, 5, 6});
  const Tensor y = run1({"Conv", {{"group", number(2)}}}, {x, w, bias});
  ASSERT_EQ(y.dims, (std::vector<int64_t>{2, 6, 1, 1}));
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t f = 0; f < 6; ++f) {
      double want = bias.as_double(f), size = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const double term = x.as_double((n * 2 + f / 3) * depth + k) * w.as_double(f * depth + k);
        want += term;
        size += std::abs(term);
      }
      EXPECT_NEAR(y.as_double(n * 6 + f), want, 1e-7 * size) << n << ", " << f;
    }
}

TEST(FloatNumbers, ComparisonsWithNaN) {
  const Tensor a = floats(DType::F32, {kNaN64, 0, 1}), b = floats(DType::F32, {kNaN64, -0.0, kNaN64});
  expect_same(run1({"Equal"}, {a, b}), boolean({3}, {0, 1, 0}));
  for (const char* type : {"Less", "Greater"}) expect_same(run1({type}, {a, b}), boolean({3}, {0, 0, 0}));
  for (const char* type : {"LessOrEqual", "GreaterOrEqual"})
    expect_same(run1({type}, {a, b}), boolean({3}, {0, 1, 0}));
  expect_same(run1({"IsNaN"}, {a}), boolean({3}, {1, 0, 0}));
  expect_same(
      run1({"IsInf", {{"detect_negative", number(0)}}}, {floats(DType::F32, {-kInf64, kInf64, kNaN64})}),
      boolean({3}, {0, 1, 0}));
  expect_same(
      run1({"Not"}, {run1({"Cast", {{"to", number(9)}}}, {floats(DType::F32, {kNaN64, 0, -0.0, 0.1})})}),
      boolean({4}, {0, 1, 1, 0}));
}

// Out of range is not defined; it must not be undefined behaviour, and is the same on every machine.
TEST(FloatNumbers, CastOutOfRange) {
  for (const DType f : {DType::F16, DType::BF16, DType::F32, DType::F64})
    for (const DType t : kInts) {
      const Tensor x = floats(f, {kInf64, -kInf64, kNaN64, 1.75, -1.75});
      const Tensor y = run1({"Cast", {{"to", static_cast<int64_t>(t)}}}, {x}),
                   again = run1({"Cast", {{"to", static_cast<int64_t>(t)}}}, {x});
      EXPECT_TRUE(same_content(y, again));
      EXPECT_EQ(y.as_i64(3), 1) << onnx_name(t);
      if (is_signed_integer(t)) {
        EXPECT_EQ(y.as_i64(4), -1) << onnx_name(t);
      }
    }
  expect_floats(run1({"Cast", {{"to", static_cast<int64_t>(DType::F16)}}},
                     {floats(DType::F32, {1e6, -1e6, 65519, 65520, 1e-9})}),
                {kInf64, -kInf64, 65504, kInf64, 0});
}

TEST(MissingInput, IsOneLine) {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4}), none;
  struct Row {
    const char* type;
    std::vector<Tensor> in;
  };
  for (const Row& r : {Row{"Add", {x, none}},
                       {"Add", {none, x}},
                       {"Relu", {none}},
                       {"MatMul", {x, none}},
                       {"Gemm", {none, x}},
                       {"Conv", {none, x}},
                       {"Reshape", {x, none}},
                       {"Gather", {x, none}},
                       {"Where", {none, x, x}},
                       {"Softmax", {none}},
                       {"ReduceSum", {none}},
                       {"Exp", {none}},
                       {"Transpose", {none}},
                       {"Slice", {x, none, none}},
                       {"LayerNormalization", {x, none}},
                       {"Expand", {x, none}},
                       {"TopK", {x, none}},
                       {"Pad", {x, none}},
                       {"ScatterND", {x, none, x}},
                       {"LSTM", {none, x, x}},
                       {"Attention", {none, x, x}},
                       {"ImageDecoder", {none}},
                       {"QuantizeLinear", {x, none}},
                       {"Range", {none, x, x}},
                       {"OneHot", {none, x, x}}}) {
    const std::string why = error_of({r.type}, r.in);
    EXPECT_THAT(why, HasSubstr("is missing")) << r.type;
    EXPECT_THAT(why, HasSubstr(std::string("node 'n' (") + r.type)) << r.type;
    EXPECT_EQ(why.find('\n'), std::string::npos) << why;
  }
}

}  // namespace
}  // namespace lathe::test
