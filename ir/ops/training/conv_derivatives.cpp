// Derivatives of convolutions and pools. A convolution's derivative by its input is the transposed
// convolution and the other way round; by its weight, the convolution of the input with dy, samples and
// channels swapped.
#include <algorithm>

#include "ir/ops/nn/window.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

Dims spatial(const Dims& dims) { return {dims.begin() + 2, dims.end()}; }

Dims with(Dims front, const Dims& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

// From [n, ...] dims the first ones in this order, then the rest.
Var arranged(Backward& b, Var v, Dims perm) {
  for (auto d = static_cast<int64_t>(perm.size()); d < static_cast<int64_t>(b.dims(v).size()); ++d)
    perm.push_back(d);
  return b.op("Transpose", {v}, {{"perm", std::move(perm)}});
}

// The first `sizes` elements along the spatial dims.
Var cropped(Backward& b, Var v, const Dims& sizes) {
  if (spatial(b.dims(v)) == sizes) return v;
  Dims axes;
  for (size_t d = 0; d < sizes.size(); ++d) axes.push_back(static_cast<int64_t>(d + 2));
  return b.op("Slice", {v, b.ints(Dims(sizes.size())), b.ints(sizes), b.ints(axes)});
}

// Padding behind, so that windows of `reach` at this stride meet `out` positions; negative: input left over.
int64_t padding_behind(int64_t out, int64_t stride, int64_t reach, int64_t in, int64_t begin) {
  return checked_add(checked_mul(stride, out - 1), reach) - in - begin;
}

int64_t reach_of(int64_t taps, int64_t dilation) { return checked_add(checked_mul(taps - 1, dilation), 1); }

// Of the window's output size.
Var convolved(Backward& b, Var x, Var weight, const Window& w, int64_t group) {
  Dims pads = w.begin;
  for (size_t d = 0; d < w.in.size(); ++d)
    pads.push_back(std::max<int64_t>(
        0,
        padding_behind(w.out[d], w.strides[d], reach_of(w.kernel[d], w.dilations[d]), w.in[d], w.begin[d])));
  const Var y = b.op("Conv", {x, weight},
                     {{"strides", w.strides}, {"dilations", w.dilations}, {"pads", pads}, {"group", group}});
  return cropped(b, y, w.out);
}

// Of the window's input size.
Var transposed(Backward& b, Var y, Var weight, const Window& w, int64_t group) {
  Dims pads = w.begin, extra;
  for (size_t d = 0; d < w.in.size(); ++d) {
    const int64_t behind =
        padding_behind(w.out[d], w.strides[d], reach_of(w.kernel[d], w.dilations[d]), w.in[d], w.begin[d]);
    pads.push_back(std::max<int64_t>(0, behind));
    extra.push_back(std::max<int64_t>(0, -behind));
  }
  return b.op("ConvTranspose", {y, weight},
              {{"strides", w.strides},
               {"dilations", w.dilations},
               {"pads", pads},
               {"output_padding", extra},
               {"group", group}});
}

// x [n, c, in...], dy [n, f, out...]: [f, c / group, kernel...]. Taps take the part of output positions.
Var by_weight(Backward& b, Var x, Var dy, const Window& w, int64_t group) {
  const int64_t samples = b.dims(x)[0], members = b.dims(x)[1] / group;
  Var images = b.reshape(x, with({samples, group, members}, w.in));
  images = b.reshape(arranged(b, images, {2, 1, 0}), with({members, group * samples}, w.in));
  Window swapped = w;
  std::swap(swapped.kernel, swapped.out);
  std::swap(swapped.strides, swapped.dilations);
  return arranged(b, convolved(b, images, arranged(b, dy, {1, 0}), swapped, group), {1, 0});
}

void by_bias(Backward& b) {
  if (!b.wants(2)) return;
  Dims axes{0};
  for (size_t d = 2; d < b.dims(b.dy()).size(); ++d) axes.push_back(static_cast<int64_t>(d));
  b.give(2, b.op("ReduceSum", {b.dy(), b.ints(axes)}, {{"keepdims", int64_t{0}}}));
}

void d_conv(Backward& b) {
  by_bias(b);
  const Dims x = b.dims(b.x(0));
  const Window w = make_window(b.attrs(), spatial(b.dims(b.x(1))), spatial(x), false);
  const int64_t group = b.attrs().i("group", 1);
  if (b.at(b.y()).count() == 0) return;
  if (b.wants(0)) b.give(0, transposed(b, b.dy(), b.x(1), w, group));
  if (b.wants(1)) b.give(1, by_weight(b, b.x(0), b.dy(), w, group));
}

void d_conv_transpose(Backward& b) {
  by_bias(b);
  const Dims x = b.dims(b.x(0));
  const Window w = make_transposed_window(b.attrs(), spatial(b.dims(b.x(1))), spatial(x));
  const int64_t group = b.attrs().i("group", 1);
  if (b.at(b.x()).count() == 0 || b.at(b.y()).count() == 0) return;
  if (b.wants(0)) b.give(0, convolved(b, b.dy(), b.x(1), w, group));
  if (b.wants(1)) b.give(1, by_weight(b, b.dy(), b.x(0), w, group));
}

// Each channel of each sample as a sample of one channel.
class Planes {
 public:
  explicit Planes(Backward& b)
      : b_(b),
        x_(b.dims(b.x())),
        window_(make_window(b.attrs(), {}, spatial(x_), b.attrs().i("ceil_mode", 0) != 0)),
        ones_(b.leaf(Tensor::full(b.at(b.x()).dtype, with({1, 1}, window_.kernel), 1))) {}

  Var plane(Var v) { return b_.reshape(v, with({b_.dims(v)[0] * b_.dims(v)[1], 1}, spatial(b_.dims(v)))); }
  // v, of the output's shape, to each element of its window; what meets there is added.
  Var spread(Var v) { return b_.reshape(transposed(b_, plane(v), ones_, window_, 1), x_); }
  // Elements in each window, without padding: [1, 1, out...].
  Var elements() {
    const Var all = b_.leaf(Tensor::full(b_.at(b_.x()).dtype, with({1, 1}, window_.in), 1));
    return convolved(b_, all, ones_, window_, 1);
  }

 private:
  Backward& b_;
  Dims x_;
  Window window_;
  Var ones_;
};

bool nothing_there(Backward& b) {
  return !b.wants(0) || b.at(b.x()).count() == 0 || b.at(b.y()).count() == 0;
}

// The mean of ones says which share of the divisor is padding.
void d_average_pool(Backward& b) {
  if (nothing_there(b)) return;
  Planes p(b);
  const Var share = b.repeat(b.leaf(Tensor::full(b.at(b.x()).dtype, b.dims(b.x()), 1)))[0];
  const Var elements = b.op("Max", {p.elements(), b.number(1)});
  b.give(0, p.spread(b.mul(b.dy(), b.div(share, elements))));
}

// To the first of the largest, as the op's second output says.
void d_max_pool(Backward& b) {
  if (nothing_there(b)) return;
  AttrList attrs;
  for (const Attr& a : b.attrs().items())
    if (a.name != "storage_order") attrs.emplace_back(a.name, a.value);
  const int64_t n = b.at(b.x()).count(), outputs = b.at(b.y()).count();
  const Var places = b.reshape(b.ops("MaxPool", {b.x()}, attrs, 2)[1], {outputs});
  const Var met = b.op("GreaterOrEqual", {places, b.ints({0})});  // windows may lie in the padding alone
  const Var g = b.op("Where", {met, b.reshape(b.dy(), {outputs}), b.number(0)});
  const Var zeros = b.leaf(Tensor::make(b.at(b.x()).dtype, {n}));
  const Var sum = b.op("ScatterElements", {zeros, b.op("Max", {places, b.ints({0})}), g},
                       {{"reduction", std::string("add")}});
  b.give(0, b.reshape(sum, b.dims(b.x())));
}

// d |x|^p / dx / p
Var power_slope(Backward& b, double p) {
  const Var rest = p == 1 ? b.number(1) : b.op("Pow", {b.op("Abs", {b.x()}), b.number(p - 1)});
  return b.mul(rest, b.op("Sign", {b.x()}));
}

// dy y^(1 - p); no slope where the norm is 0.
Var norm_slope(Backward& b, double p) {
  const Var zero = b.op("Equal", {b.y(), b.number(0)});
  const Var y = b.op("Where", {zero, b.number(1), b.y()});
  return b.mul(b.op("Where", {zero, b.number(0), b.dy()}), b.op("Pow", {y, b.number(1 - p)}));
}

void d_lp_pool(Backward& b) {
  if (nothing_there(b)) return;
  const auto p = static_cast<double>(b.attrs().i("p", 2));
  b.give(0, b.mul(Planes(b).spread(norm_slope(b, p)), power_slope(b, p)));
}

void d_global_average(Backward& b) {
  if (nothing_there(b)) return;
  b.give(0, b.mul(b.dy(), b.number(static_cast<double>(b.at(b.y()).count()) /
                                   static_cast<double>(b.at(b.x()).count()))));
}

// Shared evenly among the elements that attain the largest.
void d_global_max(Backward& b) {
  if (nothing_there(b)) return;
  const auto to = static_cast<int64_t>(b.at(b.x()).dtype);
  const Var hits = b.op("Cast", {b.op("Equal", {b.x(), b.y()})}, {{"to", to}});
  b.give(0, b.mul(b.dy(), b.div(hits, b.sum_to(hits, b.dims(b.y())))));
}

void d_global_lp(Backward& b) {
  if (nothing_there(b)) return;
  const auto p = static_cast<double>(b.attrs().i("p", 2));
  b.give(0, b.mul(norm_slope(b, p), power_slope(b, p)));
}

}  // namespace

DerivativeTable conv_derivatives() {
  return {{"AveragePool", d_average_pool},
          {"Conv", d_conv},
          {"ConvTranspose", d_conv_transpose},
          {"GlobalAveragePool", d_global_average},
          {"GlobalLpPool", d_global_lp},
          {"GlobalMaxPool", d_global_max},
          {"LpPool", d_lp_pool},
          {"MaxPool", d_max_pool}};
}

}  // namespace lathe
