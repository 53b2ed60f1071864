// Dynamic quantization: weights are bytes, activations become bytes while the model runs, by the range of
// each tensor (DynamicQuantizeLinear).
#pragma once
#include <functional>
#include <string>

#include "passes/core/context.h"
#include "passes/quant/int8/bytes.h"
#include "passes/quant/sites.h"

namespace lathe {

enum class DynamicForm : uint8_t {
  contrib,   // com.microsoft DynamicQuantizeMatMul, MatMulIntegerToFloat, QAttention
  standard,  // DynamicQuantizeLinear, MatMulInteger, Cast, Mul
};

struct DynamicOptions {
  ByteFormat format;
  DynamicForm form = DynamicForm::contrib;
  bool correct = true;  // the mean error of each output, as calibration sees it, goes into the bias
  std::string data;     // calibration; empty: seeded
  // Empty: quantize. Otherwise why the site stays.
  std::function<std::string(const WeightSite&)> keep;
};

// Products by constant matrices, and Attention, on bytes. Each weight is quantized once; one that something
// else still reads in float stays.
void quantize_dynamic(PassContext& ctx, const DynamicOptions& options);

// Why QAttention cannot stand for a com.microsoft Attention; empty: it can. `weight`: a constant, float or
// bytes; or null.
std::string attention_refusal(const PassContext& ctx, NodeId attention, const Tensor* weight);
std::string attention_refusal(const PassContext& ctx, NodeId attention);

// A tensor as bytes: (codes - zero) * scale.
struct ByteOperand {
  ValueId codes, scale, zero;
};

// QAttention for the Attention `n`, which attention_refusal() lets pass.
ValueId q_attention(Builder& b, const Node& n, const ByteOperand& x, const ByteOperand& w, ValueId bias);

// Conv as ConvInteger; LSTM as DynamicQuantizeLSTM, GRU and RNN with their weights behind DequantizeLinear.
void quantize_convolutions(PassContext& ctx, const DynamicOptions& options);
void quantize_recurrent(PassContext& ctx, const DynamicOptions& options);

}  // namespace lathe
