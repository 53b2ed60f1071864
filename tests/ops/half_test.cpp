// float16 and bfloat16 kernels compute in float32 and round once: their results are those of doubles,
// rounded, but where float32 falls on the other side of a tie.
#include "ir/base/rng.h"
#include "ir/ops/convert.h"
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

struct HalfCase {
  Op op;
  std::vector<std::vector<int64_t>> dims;
  double low = -2, high = 2;
};

void PrintTo(const HalfCase& c, std::ostream* out) { *out << c.op.type; }

class HalfKernel : public ::testing::TestWithParam<HalfCase> {};

TEST_P(HalfKernel, RoundsOnce) {
  const HalfCase& s = GetParam();
  for (const DType dtype : {DType::F16, DType::BF16}) {
    Rng rng(5, s.op.type);
    std::vector<Tensor> in;
    for (const auto& dims : s.dims) {
      Tensor& t = in.emplace_back(Tensor::uninitialized(dtype, dims));
      for (int64_t i = 0; i < t.count(); ++i)
        store_double(dtype, t.mutable_bytes().data(), i, rng.uniform(s.low, s.high));
    }
    const Tensor made = run1(s.op, in);
    ASSERT_EQ(made.dtype, dtype);
    std::vector<Datum> wide;
    for (const Tensor& t : in) wide.emplace_back(convert(t, DType::F64));
    Model m = model_of(
        s.op,
        [&] {
          std::vector<Tensor> all;
          for (const Datum& d : wide) all.push_back(*d.tensor());
          return all;
        }(),
        Inputs::fixed);
    const Tensor exact = *Executor(m).run(std::move(wide)).at(0).tensor();
    int64_t off = 0;
    double scale = 0;
    for (int64_t i = 0; i < made.count(); ++i) scale = std::max(scale, std::abs(exact.as_double(i)));
    for (int64_t i = 0; i < made.count(); ++i) {
      Tensor one = Tensor::full(dtype, {}, exact.as_double(i));
      if (one.as_double(0) == made.as_double(i)) continue;
      ++off;
      // Within half a unit in the last place, and what float32 may be off in sums that cancel.
      const double unit = dtype == DType::F16 ? 0x1p-10 : 0x1p-7, size = std::abs(exact.as_double(i));
      EXPECT_LE(std::abs(made.as_double(i) - exact.as_double(i)), unit / 2 * size * 1.01 + 1e-5 * scale)
          << "element " << i;
    }
    EXPECT_LE(off, made.count() / 50) << onnx_name(dtype) << ": rounded more than once?";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ops, HalfKernel,
    ::testing::Values(
        HalfCase{{"MatMul"}, {{20, 300}, {300, 30}}}, HalfCase{{"MatMul"}, {{1, 300}, {300, 300}}},
        HalfCase{{"Gemm", {{"transB", int64_t{1}}, {"alpha", 0.3f}}}, {{20, 300}, {30, 300}, {30}}},
        HalfCase{{"Conv"}, {{1, 8, 9, 9}, {16, 8, 3, 3}, {16}}},
        HalfCase{{"Conv", {{"group", int64_t{8}}}}, {{1, 8, 9, 9}, {8, 1, 3, 3}, {8}}},
        HalfCase{{"LayerNormalization"}, {{20, 60}, {60}, {60}}},
        HalfCase{{"RMSNormalization"}, {{20, 60}, {60}}}, HalfCase{{"LogSoftmax"}, {{20, 60}}},
        HalfCase{{"SwiGLU"}, {{20, 60}, {20, 60}}}, HalfCase{{"ReduceMean"}, {{30, 10, 70}}},
        HalfCase{{"ReduceSum"}, {{30, 700}}}, HalfCase{{"ReduceL2"}, {{30, 700}}},
        HalfCase{{"Erf"}, {{1000}}}, HalfCase{{"Gelu"}, {{1000}}}, HalfCase{{"Tanh"}, {{1000}}},
        HalfCase{{"Exp"}, {{1000}}}, HalfCase{{"Pow"}, {{1000}, {1000}}, 0.1, 3},
        HalfCase{{"Sqrt"}, {{1000}}, 0.1, 3}, HalfCase{{"Div"}, {{1000}, {1000}}, 0.1, 3},
        HalfCase{{"AveragePool", {{"kernel_shape", std::vector<int64_t>{3, 3}}}}, {{1, 4, 12, 12}}},
        HalfCase{{"BatchNormalization"}, {{2, 4, 9, 9}, {4}, {4}, {4}, {4}}, 0.1, 3},
        HalfCase{{"Attention", {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}}},
                 {{1, 12, 32}, {1, 12, 32}, {1, 12, 32}}},
        HalfCase{{"MultiHeadAttention", {{"num_heads", int64_t{2}}}, 1, "com.microsoft"},
                 {{1, 12, 32}, {1, 12, 32}, {1, 12, 32}}},
        HalfCase{{"SkipLayerNormalization", {}, 1, "com.microsoft"}, {{1, 12, 60}, {1, 12, 60}, {60}, {60}}},
        HalfCase{{"BiasGelu", {}, 1, "com.microsoft"}, {{10, 60}, {60}}},
        HalfCase{{"FusedMatMul", {{"alpha", 0.125f}, {"transB", int64_t{1}}}, 1, "com.microsoft"},
                 {{20, 300}, {30, 300}}}));

}  // namespace
}  // namespace lathe::test
