#include "passes/analysis/op_cost.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string_view>

#include "ir/ops/op_def.h"

namespace lathe {
namespace {

bool one_of(std::string_view t, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), t) != list.end();
}

const Shape* shape(const Model& m, ValueId v) {
  return v && m[v].type.is_tensor() && m[v].type.shape ? &*m[v].type.shape : nullptr;
}

std::optional<OpCost> from_macs(std::optional<Dim> macs) {
  if (!macs) return std::nullopt;
  return OpCost{*macs, *macs * Dim(2)};
}

// Result elements times the length of the inner axis of operand `slot`.
std::optional<Dim> matmul_macs(const Model& m, const Node& n, size_t slot, bool transposed) {
  const Shape *out = shape(m, n.output(0)), *a = shape(m, n.input(slot));
  if (out == nullptr || a == nullptr || a->empty()) return std::nullopt;
  const Dim inner = transposed && a->size() >= 2 ? (*a)[a->size() - 2] : a->back();
  return product(*out) * inner;
}

std::optional<Dim> conv_macs(const Model& m, const Node& n, size_t weight, bool transpose) {
  const Shape *w = shape(m, n.input(weight)), *moved = shape(m, transpose ? n.input(0) : n.output(0));
  if (w == nullptr || moved == nullptr || w->size() < 3) return std::nullopt;
  // w is [out, in / group, kernel...], for a transposed convolution [in, out / group, kernel...].
  return product(*moved) * product(Shape(w->begin() + 1, w->end()));
}

std::optional<Dim> recurrent_macs(const Model& m, const Node& n, int64_t gates) {
  const Shape *x = shape(m, n.input(0)),
              *w = shape(m, n.input(1));  // [seq, batch, in], [dirs, gates*hidden, in]
  if (x == nullptr || w == nullptr || x->size() != 3 || w->size() != 3) return std::nullopt;
  const int64_t hidden = n.attrs.i("hidden_size", 0);
  return (*x)[0] * (*x)[1] * (*w)[0] * Dim(gates) * Dim(hidden) * ((*x)[2] + Dim(hidden));
}

// All letters of "bij,bjk->bik", each once.
std::optional<Dim> einsum_macs(const Model& m, const Node& n) {
  const std::string equation = n.attrs.s("equation", "");
  std::map<char, Dim> sizes;
  size_t operand = 0, axis = 0;
  for (const char ch : equation) {
    if (ch == '-' || ch == '.') {
      if (ch == '.') return std::nullopt;
      break;
    }
    if (ch == ' ') continue;
    if (ch == ',') {
      ++operand;
      axis = 0;
      continue;
    }
    const Shape* s = shape(m, n.input(operand));
    if (s == nullptr || axis >= s->size()) return std::nullopt;
    sizes[ch] = (*s)[axis++];
  }
  Dim all = 1;
  for (const auto& [ch, d] : sizes) all = all * d;
  return all;
}

// Scores and context of a fused attention, and the projections that it may contain.
std::optional<Dim> attention_macs(const Model& m, const Node& n) {
  const Shape *q = shape(m, n.input(0)), *out = shape(m, n.output(0));
  if (q == nullptr || out == nullptr || q->size() < 3) return std::nullopt;
  const bool packed = (n.type == "Attention" && n.domain == "com.microsoft") || n.type == "QAttention";
  if (packed) {  // input [b, s, in], weights [in, 3 * hidden]
    const Shape* w = shape(m, n.input(1));
    if (w == nullptr || w->size() != 2) return std::nullopt;
    const Dim tokens = (*q)[0] * (*q)[1];
    Dim keys = (*q)[1];
    if (const Shape* past = shape(m, n.input(4)); past != nullptr && past->size() == 5)
      keys = keys + (*past)[3];
    return tokens * (*w)[0] * (*w)[1] + tokens * keys * out->back() * Dim(2);
  }
  const Shape* k = shape(m, n.input(1));
  const Shape* past = shape(m, n.input(n.type == "GroupQueryAttention" ? 3 : n.domain.empty() ? 4 : 6));
  Dim keys = k == nullptr ? (*q)[q->size() - 2] : (*k)[k->size() - 2];
  if (past != nullptr && past->size() == 4) keys = keys + (*past)[2];
  // [b, s, hidden] or [b, heads, s, head]: either way elements of the result times keys, twice.
  return product(*out) * keys * Dim(2);
}

}  // namespace

bool is_view(const Node& n) {
  static constexpr std::array<std::string_view, 7> kViews = {"Reshape",  "Squeeze", "Unsqueeze", "Flatten",
                                                             "Identity", "Dropout", "Size"};
  return n.domain.empty() && one_of(n.type, kViews);
}

std::optional<OpCost> op_cost(const Model& m, NodeId id) {
  const Node& n = m[id];
  const std::string& t = n.type;
  const auto times = [](std::optional<Dim> d, int64_t k) -> std::optional<OpCost> {
    if (!d) return std::nullopt;
    return OpCost{0, *d * Dim(k)};
  };
  const auto count = [&](ValueId v) -> std::optional<Dim> {
    const Shape* s = shape(m, v);
    return s == nullptr ? std::nullopt : std::optional(product(*s));
  };
  if (t == "MatMul" || t == "MatMulInteger" || t == "MatMulNBits" || t == "MatMulBnb4" ||
      t == "MatMulIntegerToFloat" || t == "DynamicQuantizeMatMul" || t == "QLinearMatMul")
    return from_macs(matmul_macs(m, n, 0, false));
  if (t == "FusedMatMul" || t == "Gemm" || t == "FusedGemm" || t == "QGemm")
    return from_macs(matmul_macs(m, n, 0, n.attrs.i("transA", 0) != 0));
  if (t == "Conv" || t == "FusedConv" || t == "ConvInteger") return from_macs(conv_macs(m, n, 1, false));
  if (t == "NhwcConv" || t == "NhwcFusedConv") return from_macs(conv_macs(m, n, 1, false));
  if (t == "QLinearConv") return from_macs(conv_macs(m, n, 3, false));
  if (t == "ConvTranspose") return from_macs(conv_macs(m, n, 1, true));
  if (t == "LSTM" || t == "DynamicQuantizeLSTM") return from_macs(recurrent_macs(m, n, 4));
  if (t == "GRU") return from_macs(recurrent_macs(m, n, 3));
  if (t == "RNN") return from_macs(recurrent_macs(m, n, 1));
  if (t == "Einsum") return from_macs(einsum_macs(m, n));
  if (t == "Attention" || t == "MultiHeadAttention" || t == "GroupQueryAttention" || t == "QAttention")
    return from_macs(attention_macs(m, n));
  if (t == "Softmax" || t == "LogSoftmax") return times(count(n.output(0)), 5);
  if (t.find("LayerNorm") != std::string::npos || t == "RMSNormalization" || t == "GroupNormalization" ||
      t == "InstanceNormalization" || t == "GroupNorm")
    return times(count(n.output(0)), 7);
  if (t == "BatchNormalization") return times(count(n.output(0)), 2);
  if (t.starts_with("Reduce") || t == "ArgMax" || t == "ArgMin" || t == "CumSum" ||
      t == "GlobalAveragePool" || t == "GlobalMaxPool" || t == "TopK")
    return times(count(n.input(0)), 1);
  if (t == "AveragePool" || t == "MaxPool" || t == "LpPool") {
    Dim window = 1;
    for (const int64_t k : n.attrs.ints("kernel_shape")) window = window * Dim(k);
    const auto out = count(n.output(0));
    return out ? std::optional(OpCost{0, *out * window}) : std::nullopt;
  }
  if (t == "Gelu" || t == "FastGelu" || t == "QuickGelu" || t == "BiasGelu")
    return times(count(n.output(0)), 8);
  if (t == "Resize") return times(count(n.output(0)), 8);
  const OpDef* def = op_registry().find(n);
  if (def != nullptr && def->elementwise && t != "Cast") return times(count(n.output(0)), 1);
  if (t == "Where" || t == "Clip" || t == "QuantizeLinear" || t == "DequantizeLinear")
    return times(count(n.output(0)), 1);
  return OpCost{};  // moves data
}

}  // namespace lathe
