#include "passes/fusion/conv_affine.h"

#include <fmt/format.h>

#include <algorithm>

namespace lathe {
namespace {

int64_t weight_axis(const Node& n) {
  if (n.type == "Gemm") return n.attrs.i("transB", 0) != 0 ? 0 : 1;
  return n.type == "Conv" ? 0 : 1;  // ConvTranspose: [C, M / group, ...]
}

}  // namespace

std::optional<int64_t> linear_channels(const Model& m, NodeId linear, std::string* why) {
  const Node& n = m[linear];
  const auto no = [&](std::string text) {
    *why = std::move(text);
    return std::nullopt;
  };
  const Tensor* w = m.constant(n.input(1));
  if (w == nullptr) return no("the weight is not constant");
  if (!is_floating(w->dtype)) return no("the weight is not floating point");
  if (m[n.in[1]].uses.size() != 1)
    return no(fmt::format("the weight '{}' is used in more than one place", m[n.in[1]].name));
  const bool gemm = n.type == "Gemm";
  if (gemm ? w->rank() != 2 : w->rank() < 3) return no("the weight has another rank");
  const int64_t group = gemm ? 1 : n.attrs.i("group", 1);
  const bool transposed = n.type == "ConvTranspose";
  if (group <= 0 || (transposed && w->dims[0] % group != 0))
    return no("the groups do not divide the channels");
  const int64_t channels = checked_mul(w->dims[static_cast<size_t>(weight_axis(n))], transposed ? group : 1);
  if (channels == 0 || w->count() == 0) return no("the weight is empty");
  if (n.input(2)) {
    const Tensor* b = m.constant(n.in[2]);
    if (b == nullptr) return no("the bias is not constant");
    const bool vector = b->count() == channels && !b->dims.empty() && b->dims.back() == channels;
    if (!vector && !(gemm && b->count() == 1)) return no("the bias is not one value for each channel");
  }
  return channels;
}

std::optional<std::vector<double>> by_channel(const Model& m, ValueId constant, NodeId linear,
                                              int64_t channels) {
  const Tensor* t = m.constant(constant);
  const int rank = m[m[linear].out[0]].type.rank();
  if (t == nullptr || rank < 2 || t->rank() > rank || !is_floating(t->dtype)) return std::nullopt;
  if (t->count() == 1) return std::vector<double>(static_cast<size_t>(channels), t->as_double(0));
  const int axis = t->rank() - (rank - 1);  // where axis 1 of the output falls
  if (axis < 0 || t->count() != channels || t->dims[static_cast<size_t>(axis)] != channels)
    return std::nullopt;
  return t->to_doubles();
}

ValueId emit_affine(Builder& b, NodeId linear, const ChannelAffine& a) {
  Model& m = b.model();
  const Node n = m[linear];
  const bool gemm = n.type == "Gemm";
  const Tensor& w = *m.constant(n.in[1]);
  const auto axis = static_cast<size_t>(weight_axis(n));
  const auto channels = static_cast<int64_t>(a.factor.size());
  int64_t inner = 1;
  for (size_t i = axis + 1; i < w.dims.size(); ++i) inner *= w.dims[i];
  const int64_t along = w.dims[axis];
  // ConvTranspose: the rows of group g feed the channels from g * (M / group) on.
  const int64_t rows = n.type == "ConvTranspose" ? w.dims[0] / (channels / along) : w.dims[0];
  Tensor scaled = Tensor::uninitialized(w.dtype, w.dims);
  for (int64_t i = 0, count = w.count(); i < count; ++i) {
    const int64_t group = n.type == "ConvTranspose" ? i / (inner * along) / rows : 0;
    const int64_t channel = group * along + i / inner % along;
    store_double(w.dtype, scaled.mutable_bytes().data(), i,
                 w.as_double(i) * a.factor[static_cast<size_t>(channel)]);
  }
  const ValueId new_weight = b.constant(std::move(scaled), m[n.in[1]].name);
  if (!n.input(2) && std::all_of(a.summand.begin(), a.summand.end(), [](double s) { return s == 0; }))
    return b.op(n.type, {n.in[0], new_weight}, Attrs(n.attrs));
  const Tensor* old = m.constant(n.input(2));
  const double beta = gemm ? n.attrs.f("beta", 1) : 1;
  Tensor bias = Tensor::uninitialized(w.dtype, {channels});
  for (int64_t c = 0; c < channels; ++c) {
    const double before = old == nullptr ? 0 : beta * old->as_double(old->count() == 1 ? 0 : c);
    const auto at = static_cast<size_t>(c);
    store_double(w.dtype, bias.mutable_bytes().data(), c, before * a.factor[at] + a.summand[at]);
  }
  Attrs attributes = n.attrs;
  if (gemm) attributes.erase("beta");
  const std::string bias_name = n.input(2) ? m[n.in[2]].name : m[n.in[1]].name + "_bias";
  return b.op(n.type, {n.in[0], new_weight, b.constant(std::move(bias), bias_name)}, std::move(attributes));
}

Pat linear_op(Var y, bool gemm) {
  const Var x, w, c;
  std::vector<Pat> spellings;
  for (const char* type : {"Conv", "ConvTranspose", "Gemm"}) {
    if (type[0] == 'G' && !gemm) continue;
    spellings.push_back(op(type, {x, constant(w)}));
    spellings.push_back(op(type, {x, constant(w), constant(c)}));
  }
  return bind(y, one_of(std::move(spellings)));
}

}  // namespace lathe
