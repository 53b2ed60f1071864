// com.microsoft ops, quantization and recurrent ops on cases small enough to check by hand;
// tests/python/test_ops_ort.py compares them with onnxruntime.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

const char* const kMs = "com.microsoft";
Tensor bytes(std::vector<int64_t> dims, std::vector<double> v) {
  return of(DType::U8, std::move(dims), std::move(v));
}

TEST(Gelu, KnownValues) {
  const Tensor x = f32({3}, {-1, 0, 1});
  expect_close(run1({"Gelu", {}, 1, kMs}, {x}), f32({3}, {-0.15865525f, 0, 0.84134475f}));
  expect_close(run1({"FastGelu", {}, 1, kMs}, {x}), f32({3}, {-0.15880801f, 0, 0.841192f}));
  expect_close(run1({"BiasGelu", {}, 1, kMs}, {f32({3}, {-2, -1, 0}), f32({3}, {1, 1, 1})}),
               f32({3}, {-0.15865525f, 0, 0.84134475f}));
  EXPECT_NE(error_of({"BiasGelu", {}, 1, kMs}, {x, f32({2}, {1, 1})}), "");
}

TEST(SkipLayerNormalization, SumThenNorm) {
  const Tensor x = f32({1, 1, 2}, {1, 2}), skip = f32({1, 1, 2}, {1, 4}), one = f32({2}, {1, 1});
  const auto out = run({"SkipLayerNormalization", {{"epsilon", 0.0f}}, 4, kMs}, {x, skip, one});
  expect_close(out[0], f32({1, 1, 2}, {-1, 1}));
  expect_close(out[3], f32({1, 1, 2}, {2, 6}));
  EXPECT_NE(error_of({"SkipLayerNormalization", {}, 1, kMs}, {x, f32({1, 1, 3}, {1, 2, 3}), one}), "");
  EXPECT_NE(error_of({"SkipLayerNormalization", {}, 1, kMs}, {x, skip, f32({3}, {1, 1, 1})}), "");
}

TEST(FusedMatMul, TransposedAndScaled) {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4}), b = f32({2, 2}, {1, 0, 0, 1});
  expect_same(run1({"FusedMatMul", {{"transA", int64_t{1}}, {"alpha", 2.0f}}, 1, kMs}, {a, b}),
              f32({2, 2}, {2, 6, 4, 8}));
  EXPECT_NE(error_of({"FusedMatMul", {}, 1, kMs}, {a, f32({3, 1}, {1, 1, 1})}), "");
  EXPECT_NE(error_of({"FusedMatMul", {}, 1, kMs}, {f32({}, {1}), b}), "");
}

// Column 0 holds the codes 0, 1, ..., 15, column 1 all 8.
TEST(MatMulNBits, FourBits) {
  std::vector<double> codes;
  for (int i = 0; i < 8; ++i) codes.push_back((2 * i + 1) * 16 + 2 * i);
  for (int i = 0; i < 8; ++i) codes.push_back(0x88);
  const std::vector<std::pair<std::string, AttrValue>> attrs = {
      {"K", int64_t{16}}, {"N", int64_t{2}}, {"bits", int64_t{4}}, {"block_size", int64_t{16}}};
  const Tensor ones = Tensor::full(DType::F32, {1, 16}, 1), b = bytes({2, 1, 8}, codes),
               scales = f32({2, 1}, {0.5f, 2});
  expect_close(run1({"MatMulNBits", attrs, 1, kMs}, {ones, b, scales}), f32({1, 2}, {-4, 0}));
  expect_close(run1({"MatMulNBits", attrs, 1, kMs}, {ones, b, scales, bytes({2, 1}, {0x0, 0x7})}),
               f32({1, 2}, {60, 32}));
  EXPECT_NE(
      error_of({"MatMulNBits", attrs, 1, kMs}, {ones, bytes({2, 1, 7}, std::vector<double>(14)), scales}),
      "");
  EXPECT_NE(error_of({"MatMulNBits", attrs, 1, kMs}, {ones, b, f32({3}, {1, 1, 1})}), "");
  EXPECT_NE(error_of({"MatMulNBits", attrs, 1, kMs}, {Tensor::full(DType::F32, {1, 15}, 1), b, scales}), "");
  auto bad = attrs;
  bad[3].second = int64_t{24};
  EXPECT_NE(error_of({"MatMulNBits", bad, 1, kMs}, {ones, b, scales}), "");
}

TEST(GatherBlockQuantized, OutOfRangeIsZero) {
  const std::vector<std::pair<std::string, AttrValue>> attrs = {{"block_size", int64_t{16}}};
  const Tensor table = bytes({2, 8}, {0x98, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x8f, 0x88, 0x88, 0x88,
                                      0x88, 0x88, 0x88, 0x88});
  const Tensor scales = f32({2, 1}, {1, 2});
  const Tensor y = run1({"GatherBlockQuantized", attrs, 1, kMs}, {table, i64({3}, {1, 0, 7}), scales});
  EXPECT_EQ(y.dims, (std::vector<int64_t>{3, 16}));
  EXPECT_EQ(y.as_double(0), 14);
  EXPECT_EQ(y.as_double(16 + 1), 1);
  for (int64_t i = 32; i < 48; ++i) EXPECT_EQ(y.as_double(i), 0);
  // int4 data: signed codes, no implied zero point.
  std::vector<double> codes(32, 0);
  codes[0] = -8;
  codes[17] = 7;
  const Tensor z = run1({"GatherBlockQuantized", attrs, 1, kMs},
                        {of(DType::I4, {2, 16}, codes), i64({2}, {0, 1}), scales});
  EXPECT_EQ(z.as_double(0), -8);
  EXPECT_EQ(z.as_double(17), 14);
  EXPECT_NE(
      error_of({"GatherBlockQuantized", attrs, 1, kMs}, {table, i64({1}, {0}), f32({2, 2}, {1, 2, 3, 4})}),
      "");
}

// One head of size 1, keys 0 and 0: equal weights.
TEST(Attention, MasksAndFullyMaskedRows) {
  const Tensor q = f32({1, 1, 2, 1}, {0, 0}), k = f32({1, 1, 2, 1}, {0, 0}), v = f32({1, 1, 2, 1}, {2, 4});
  expect_close(run1({"Attention"}, {q, k, v}), f32({1, 1, 2, 1}, {3, 3}));
  expect_close(run1({"Attention", {{"is_causal", int64_t{1}}}}, {q, k, v}), f32({1, 1, 2, 1}, {2, 3}));
  expect_close(run1({"Attention"}, {q, k, v, boolean({2, 2}, {0, 1, 0, 0})}), f32({1, 1, 2, 1}, {4, 0}));
  expect_close(run1({"Attention"}, {q, k, v, boolean({2, 1}, {1, 0})}), f32({1, 1, 2, 1}, {3, 0}));
  EXPECT_NE(error_of({"Attention"}, {q, k, f32({1, 1, 3, 1}, {1, 2, 3})}), "");
  EXPECT_NE(error_of({"Attention"}, {q, k, v, f32({3, 2}, {0, 0, 0, 0, 0, 0})}), "");
  EXPECT_NE(
      error_of({"Attention"}, {f32({1, 2, 4}, std::vector<float>(8)), f32({1, 2, 4}, std::vector<float>(8)),
                               f32({1, 2, 4}, std::vector<float>(8))}),
      "");
}

TEST(MultiHeadAttention, PaddingMask) {
  const Tensor q = f32({1, 1, 1}, {0}), k = f32({1, 2, 1}, {0, 0}), v = f32({1, 2, 1}, {2, 4});
  const std::vector<std::pair<std::string, AttrValue>> attrs = {{"num_heads", int64_t{1}}};
  expect_close(run1({"MultiHeadAttention", attrs, 1, kMs}, {q, k, v}), f32({1, 1, 1}, {3}));
  expect_close(run1({"MultiHeadAttention", attrs, 1, kMs}, {q, k, v, Tensor(), i32({1, 2}, {1, 0})}),
               f32({1, 1, 1}, {2}));
  EXPECT_NE(error_of({"MultiHeadAttention", attrs, 1, kMs}, {q, k, v, Tensor(), i32({1, 3}, {1, 0, 1})}), "");
  EXPECT_NE(error_of({"MultiHeadAttention", {{"num_heads", int64_t{2}}}, 1, kMs}, {q, k, v}), "");
}

TEST(RotaryEmbedding, QuarterTurn) {
  // cos 0, sin 1 at position 1: (a, b) -> (-b, a).
  const Tensor x = f32({1, 1, 1, 2}, {3, 5}), cos = f32({2, 1}, {1, 0}), sin = f32({2, 1}, {0, 1});
  expect_close(run1({"RotaryEmbedding"}, {x, cos, sin, i64({1, 1}, {1})}), f32({1, 1, 1, 2}, {-5, 3}));
  expect_close(run1({"RotaryEmbedding", {}, 1, kMs}, {x, i64({1, 1}, {1}), cos, sin}),
               f32({1, 1, 1, 2}, {-5, 3}));
  EXPECT_NE(error_of({"RotaryEmbedding"}, {x, cos, sin, i64({1, 1}, {2})}), "");
}

// A hostile node lists fewer outputs than the op has.
TEST(DynamicQuantizeLinear, CodesAlone) {
  expect_same(run1({"DynamicQuantizeLinear"}, {f32({3}, {0, 1, 2.55F})}), bytes({3}, {0, 100, 255}));
}

TEST(QuantizeLinear, RoundsHalfToEvenAndSaturates) {
  const Tensor x = f32({5}, {0.5f, 1.5f, -300, 300, kNaN}), scale = f32({}, {1});
  expect_same(run1({"QuantizeLinear"}, {x, scale, bytes({}, {1})}), bytes({5}, {1, 3, 0, 255, 0}));
  expect_same(run1({"QuantizeLinear"}, {f32({3}, {-9, 7.4f, 2.5f}), scale, of(DType::I4, {}, {0})}),
              of(DType::I4, {3}, {-8, 7, 2}));
  expect_same(run1({"QuantizeLinear", {{"axis", int64_t{0}}}},
                   {f32({2, 1}, {4, 4}), f32({2}, {1, 2}), bytes({2}, {0, 10})}),
              bytes({2, 1}, {4, 12}));
  EXPECT_NE(error_of({"QuantizeLinear"}, {x, f32({2}, {1, 1}), bytes({2}, {0, 0})}), "");
}

TEST(DequantizeLinear, Blocks) {
  expect_close(
      run1({"DequantizeLinear", {{"axis", int64_t{1}}, {"block_size", int64_t{2}}}},
           {of(DType::I4, {1, 3}, {-8, 7, 2}), f32({1, 2}, {0.5f, 10}), of(DType::I4, {1, 2}, {0, 1})}),
      f32({1, 3}, {-4, 3.5f, 10}));
  EXPECT_NE(error_of({"DequantizeLinear", {{"block_size", int64_t{2}}}},
                     {bytes({1, 4}, {0, 0, 0, 0}), f32({1, 3}, {1, 1, 1})}),
            "");
}

TEST(MatMulInteger, ZeroPoints) {
  expect_same(run1({"MatMulInteger"},
                   {bytes({1, 2}, {11, 7}), bytes({2, 1}, {1, 3}), bytes({}, {12}), bytes({}, {0})}),
              i32({1, 1}, {-16}));
  EXPECT_NE(error_of({"MatMulInteger"}, {bytes({1, 2}, {11, 7}), bytes({3, 1}, {1, 3, 4})}), "");
}

TEST(Rnn, OneStepByHand) {
  const std::vector<std::pair<std::string, AttrValue>> attrs = {{"hidden_size", int64_t{1}}};
  const auto out =
      run({"RNN", attrs, 2}, {f32({2, 1, 1}, {1, 1}), f32({1, 1, 1}, {0.5f}), f32({1, 1, 1}, {2})});
  const float h1 = std::tanh(0.5f), h2 = std::tanh(0.5f + 2 * h1);
  expect_close(out[0], f32({2, 1, 1, 1}, {h1, h2}));
  expect_close(out[1], f32({1, 1, 1}, {h2}));
  EXPECT_NE(
      error_of({"RNN", attrs, 1}, {f32({2, 1, 1}, {1, 1}), f32({1, 1, 2}, {0, 0}), f32({1, 1, 1}, {2})}), "");
  EXPECT_NE(error_of({"RNN", attrs, 1}, {f32({2, 1, 1}, {1, 1}), f32({1, 1, 1}, {0}), f32({1, 1, 1}, {2}),
                                         Tensor(), i32({1}, {3})}),
            "");
}

TEST(Lstm, PaddedStepsAreZero) {
  const auto w = [](int64_t n) { return Tensor::full(DType::F32, {1, 4, n}, 0.5); };
  const auto out = run({"LSTM", {{"hidden_size", int64_t{1}}}, 3},
                       {f32({2, 1, 1}, {1, 1}), w(1), w(1), Tensor(), i32({1}, {1})});
  const float gate = 1 / (1 + std::exp(-0.5f)), c = gate * std::tanh(0.5f), h = gate * std::tanh(c);
  expect_close(out[0], f32({2, 1, 1, 1}, {h, 0}));
  expect_close(out[1], f32({1, 1, 1}, {h}));
  expect_close(out[2], f32({1, 1, 1}, {c}));
}

}  // namespace
}  // namespace lathe::test
