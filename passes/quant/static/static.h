// Static quantization: activations are held by codes whose scales calibration has fixed.
#pragma once
#include <functional>
#include <string>

#include "passes/core/pass.h"
#include "passes/quant/int8/bytes.h"
#include "passes/quant/static/ranges.h"

namespace lathe {

struct StaticOptions {
  DType activations = DType::U8;  // or I8, U16, I16, F8E4M3FN
  bool symmetric = false;         // zero point in the middle
  ByteFormat weights;             // of 8-bit floats where the activations are
  RangeOptions ranges;
  std::string data;        // calibration; empty: seeded
  bool correct = true;     // the mean error of each output goes into the bias
  bool operators = false;  // what has an op on codes becomes one (QLinearConv, MatMulIntegerToFloat, ...)
  // Empty: quantize. Otherwise why the node stays.
  std::function<std::string(NodeId)> keep;
};

// QuantizeLinear and DequantizeLinear around what place_codes() finds, weights and biases behind
// DequantizeLinear; with `operators` ops on codes in their place.
void quantize_static(PassContext& ctx, const StaticOptions& options);

// Is an Attention quantized as it is, so that nothing need take it apart?
bool quantizes_attention(const PassContext& ctx, const StaticOptions& o, NodeId attention);

// Takes com.microsoft FusedConv apart.
void split_convolutions(PassContext& ctx);

// Nodes between DequantizeLinear and QuantizeLinear become QLinearConv, QLinearAdd and so on, products and
// Attention behind DequantizeLinear become MatMulIntegerToFloat and QAttention, as far as the target has
// them.
void to_operators(PassContext& ctx);

// Cross-layer equalization (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
// Correction", ICCV 2019): where a convolution feeds another through nothing or a Relu, factors move between
// the channels of both until their ranges are alike.
void equalize(PassContext& ctx, const std::function<std::string(NodeId)>& keep);

PassDef quant_static();

}  // namespace lathe
