// A factor and a summand for each output channel, moved into the weight and bias of the linear op before.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/ops/op_def.h"
#include "passes/core/rule.h"

namespace lathe {

struct ChannelAffine {
  std::vector<double> factor, summand;  // by output channel
};

// Output channels of a Conv, ConvTranspose or Gemm whose weight (and bias, where there is one) are constants
// that nothing else reads; otherwise why not.
std::optional<int64_t> linear_channels(const Model& m, NodeId linear, std::string* why);
// The constant as one number for each channel of `linear`'s output (axis 1): a scalar, [C, 1, ...] or [1, C,
// 1, ...]. A bare [C] lies on the last axis and is refused where that is not the channel axis.
std::optional<std::vector<double>> by_channel(const Model& m, ValueId constant, NodeId linear,
                                              int64_t channels);
// The op again with scaled weight and shifted bias; computed in double, rounded once.
ValueId emit_affine(Builder& b, NodeId linear, const ChannelAffine& a);

// Conv or ConvTranspose (and Gemm, if wanted) with or without bias; its output is bound to y.
Pat linear_op(Var y, bool gemm);

}  // namespace lathe
