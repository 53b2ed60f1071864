// Tables of kernels: what a line says, and that all that are compiled in can be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/base/error.h"
#include "passes/core/target.h"

namespace lathe {
namespace {

using testing::HasSubstr;
using Fit = KernelTable::Fit;

constexpr std::string_view kTable = R"(# a comment
@limits ir=9 opset=18
@types f = float double
@domain ai.onnx
Add,Sub 7-13 0,1:f
Add 14 0,1:f|int64
Cast 6-13 0:f o0:f|bool
@domain com.microsoft
Gelu 1 0:float
)";

Fit ask(std::string_view type, int version, std::vector<DType> in, std::vector<DType> out = {},
        std::string_view domain = "") {
  static const KernelTable table(kTable);
  return table.ask({domain, type, version, std::move(in), std::move(out)}).fit;
}

TEST(KernelTable, FitsByOpVersionAndTypes) {
  using enum DType;
  EXPECT_EQ(ask("Add", 7, {F32, F32}), Fit::yes);
  EXPECT_EQ(ask("Sub", 13, {F64, F64}), Fit::yes);
  EXPECT_EQ(ask("Sub", 14, {F64, F64}), Fit::no_version);
  EXPECT_EQ(ask("Add", 13, {I64, I64}), Fit::no_type);
  EXPECT_EQ(ask("Add", 14, {I64, I64}), Fit::yes);
  EXPECT_EQ(ask("Add", 6, {F32, F32}), Fit::no_version);
  EXPECT_EQ(ask("Mul", 14, {F32, F32}), Fit::no_op);
  EXPECT_EQ(ask("Add", 14, {Undefined}), Fit::yes);  // what is not known fits
  EXPECT_EQ(ask("Cast", 13, {F32}, {Bool}), Fit::yes);
  EXPECT_EQ(ask("Cast", 13, {F32}, {F16}), Fit::no_type);
  EXPECT_EQ(ask("Gelu", 1, {F32}, {}, "com.microsoft"), Fit::yes);
  EXPECT_EQ(ask("Gelu", 1, {F32}), Fit::no_op);
}

TEST(KernelTable, SaysWhy) {
  const KernelTable table(kTable);
  EXPECT_EQ(table.max_ir(), 9);
  EXPECT_EQ(table.max_opset(), 18);
  EXPECT_THAT(table.ask({"", "Add", 14, {DType::F16}, {}}).why,
              HasSubstr("float16 at input 0 (but float, int64, double)"));
  EXPECT_TRUE(table.mentions("", "Cast", DType::Bool));
  EXPECT_FALSE(table.mentions("", "Cast", DType::I8));
  EXPECT_THROW(KernelTable("Add 7 0:flaot\n"), Error);
  EXPECT_THROW(KernelTable("Add seven\n"), Error);
}

TEST(KernelTable, OfEveryTargetIsRead) {
  for (const std::string& name : Target::names()) {
    SCOPED_TRACE(name);
    const KernelTable* table = Target::named(name).kernels();
    EXPECT_EQ(table == nullptr, name == "standard");
    if (table == nullptr) continue;
    EXPECT_GT(table->max_ir(), 0);
    EXPECT_GT(table->max_opset(), 0);
    EXPECT_EQ(table->ask({"", "MatMul", 13, {DType::F32, DType::F32}, {}}).fit, Fit::yes);
    EXPECT_EQ(table->ask({"", "MatMul", 13, {DType::String}, {}}).fit, Fit::no_type);
  }
}

TEST(Target, HasContribKernels) {
  const Target cpu = Target::named("ort-cpu"), cuda = Target::named("ort-cuda"),
               trt = Target::named("tensorrt");
  for (const char* op : {"Attention",
                         "BiasGelu",
                         "DynamicQuantizeMatMul",
                         "EmbedLayerNormalization",
                         "FastGelu",
                         "FusedConv",
                         "FusedGemm",
                         "FusedMatMul",
                         "GatherBlockQuantized",
                         "Gelu",
                         "GroupQueryAttention",
                         "MatMulIntegerToFloat",
                         "MatMulNBits",
                         "MultiHeadAttention",
                         "QuickGelu",
                         "RotaryEmbedding",
                         "SkipLayerNormalization",
                         "DynamicQuantizeLSTM",
                         "QAttention",
                         "QGemm",
                         "QLinearAdd",
                         "QLinearAveragePool",
                         "QLinearConcat",
                         "QLinearGlobalAveragePool",
                         "QLinearLeakyRelu",
                         "QLinearMul",
                         "QLinearSigmoid",
                         "SkipSimplifiedLayerNormalization"}) {
    SCOPED_TRACE(op);
    EXPECT_TRUE(cpu.has("com.microsoft", op, DType::F32));
    EXPECT_TRUE(cpu.has("com.microsoft", op, DType::F16));  // between casts
    EXPECT_FALSE(trt.has("com.microsoft", op, DType::F32));
  }
  EXPECT_FALSE(cpu.has("com.microsoft", "Frobnicate", DType::F32));
  EXPECT_TRUE(cuda.has("com.microsoft", "BiasGelu", DType::F16));
  EXPECT_FALSE(cuda.has("com.microsoft", "FusedGemm", DType::F32));
}

}  // namespace
}  // namespace lathe
