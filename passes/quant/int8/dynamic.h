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

// Why QAttention cannot stand for a com.microsoft Attention; empty: it can.
std::string attention_refusal(const PassContext& ctx, NodeId attention);

// Conv as ConvInteger; LSTM as DynamicQuantizeLSTM, GRU and RNN with their weights behind DequantizeLinear.
void quantize_convolutions(PassContext& ctx, const DynamicOptions& options);
void quantize_recurrent(PassContext& ctx, const DynamicOptions& options);

}  // namespace lathe
