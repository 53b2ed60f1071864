// Derivatives of normalizations, by their formulas: what computes the same from ops of known derivative is
// differentiated instead. Halves are computed in float.
#include <algorithm>
#include <numeric>

#include "ir/ops/broadcast.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

Var wide(Backward& b, Var v) {
  const DType t = b.at(v).dtype;
  if (t != DType::F16 && t != DType::BF16) return v;
  return b.op("Cast", {v}, {{"to", static_cast<int64_t>(DType::F32)}});
}

Dims axes_from(size_t first, size_t rank) {
  Dims axes(rank - first);
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(first));
  return axes;
}

Var mean(Backward& b, Var v, const Dims& axes) { return b.op("ReduceMean", {v, b.ints(axes)}); }
Var square(Backward& b, Var v) { return b.mul(v, v); }

// 1 / sqrt (variance + epsilon)
Var inverse_deviation(Backward& b, Var variance) {
  const DType t = b.at(variance).dtype;
  const Var epsilon = b.number(b.attrs().f("epsilon", 1e-5F), t);
  return b.op("Reciprocal", {b.op("Sqrt", {b.add(variance, epsilon)})});
}

Var affine(Backward& b, Var v, Var scale, Var shift) {
  if (scale != kNoVar) v = b.mul(v, scale);
  return shift == kNoVar ? v : b.add(v, shift);
}

Vars row_norm(Backward& b, bool centered) {
  const Var x = wide(b, b.x());
  const auto rank = b.dims(x).size();
  const auto first = static_cast<size_t>(normalize_axis(b.attrs().i("axis", -1), static_cast<int64_t>(rank)));
  const Dims axes = axes_from(first, rank);
  const Var mu = centered ? mean(b, x, axes) : kNoVar;
  const Var centre = centered ? b.sub(x, mu) : x;
  const Var inverse = inverse_deviation(b, mean(b, square(b, centre), axes));
  const Var shift = b.x(2) == kNoVar ? kNoVar : wide(b, b.x(2));
  return {affine(b, b.mul(centre, inverse), wide(b, b.x(1)), shift), mu, inverse};
}

Vars layer_normalization(Backward& b) { return row_norm(b, true); }
Vars rms_normalization(Backward& b) { return row_norm(b, false); }

// [channels] beside [n, channels, ...]
Var by_channel(Backward& b, Var v) {
  Dims dims(std::max<size_t>(b.dims(b.x()).size(), 1), 1);
  if (dims.size() > 1) dims[1] = b.at(v).count();
  return b.reshape(wide(b, v), dims);
}

Vars group_norm(Backward& b, int64_t groups) {
  const Var x = wide(b, b.x());
  const Dims dims = b.dims(x);
  const Var rows = b.reshape(x, {dims[0], groups, b.at(x).count() / (dims[0] * groups)});
  const Var centre = b.sub(rows, mean(b, rows, {2}));
  const Var y = b.mul(centre, inverse_deviation(b, mean(b, square(b, centre), {2})));
  return {affine(b, b.reshape(y, dims), by_channel(b, b.x(1)), by_channel(b, b.x(2)))};
}

Vars group_normalization(Backward& b) { return group_norm(b, b.attrs().i("num_groups", 1)); }
Vars instance_normalization(Backward& b) { return group_norm(b, b.dims(b.x())[1]); }

Vars batch_norm(Backward& b) {
  const Var x = wide(b, b.x());
  const bool training = b.attrs().i("training_mode", 0) != 0;
  Var mu = by_channel(b, b.x(3)), variance = by_channel(b, b.x(4));
  Vars running;
  if (training) {
    Dims axes = axes_from(0, b.dims(x).size());
    if (axes.size() > 1) axes.erase(axes.begin() + 1);
    const double keep = b.attrs().f("momentum", 0.9F);
    const auto mixed = [&](Var old, Var now) {
      const DType t = b.at(now).dtype;
      const Var sum = b.add(b.mul(old, b.number(keep, t)), b.mul(now, b.number(1 - keep, t)));
      return b.reshape(sum, b.dims(b.x(3)));
    };
    const Var now = mean(b, x, axes), spread = mean(b, square(b, b.sub(x, now)), axes);
    running = {mixed(mu, now), mixed(variance, spread)};
    mu = now;
    variance = spread;
  }
  const Var y = affine(b, b.mul(b.sub(x, mu), inverse_deviation(b, variance)), by_channel(b, b.x(1)),
                       by_channel(b, b.x(2)));
  Vars out{y};
  out.insert(out.end(), running.begin(), running.end());
  return out;
}

Vars lp_normalization(Backward& b) {
  const Var x = wide(b, b.x()), axis = b.ints({b.attrs().i("axis", -1)});
  const bool absolute = b.attrs().i("p", 2) == 1;
  const Var norm = b.op(absolute ? "ReduceL1" : "ReduceL2", {x, axis});
  const Var zero = b.op("Equal", {norm, b.number(0, b.at(norm).dtype)});
  const Var one = b.number(1, b.at(norm).dtype), none = b.number(0, b.at(norm).dtype);
  return {b.op("Where", {zero, none, b.div(x, b.op("Where", {zero, one, norm}))})};
}

// Channels lie along one dim of a picture, and windows over them are means of a pool.
Vars local_response(Backward& b) {
  const Var x = wide(b, b.x());
  const Dims dims = b.dims(x);
  const DType t = b.at(x).dtype;
  const int64_t size = b.attrs().i("size", 0);
  const int64_t before = std::min(dims[1], (size - 1) / 2),
                after = std::min(dims[1], size - 1 - (size - 1) / 2);
  const int64_t taps = before + after + 1;
  const int64_t area = b.at(x).count() / (dims[0] * dims[1]);
  const Var means = b.op("AveragePool", {b.reshape(square(b, x), {dims[0], 1, dims[1], area})},
                         {{"kernel_shape", Dims{taps, 1}},
                          {"pads", Dims{before, 0, after, 0}},
                          {"count_include_pad", int64_t{1}}});
  const double alpha = static_cast<double>(b.attrs().f("alpha", 0.0001F)) * static_cast<double>(taps) /
                       static_cast<double>(size);
  const Var sum =
      b.add(b.number(b.attrs().f("bias", 1), t), b.mul(b.number(alpha, t), b.reshape(means, dims)));
  return {b.div(x, b.op("Pow", {sum, b.number(b.attrs().f("beta", 0.75F), t)}))};
}

Vars mean_variance(Backward& b) {
  constexpr double kEpsilon = 1e-9;  // as the op's function body has it
  const Var x = wide(b, b.x());
  const Dims axes = b.attrs().ints("axes", {0, 2, 3});
  const Var centre = b.sub(x, mean(b, x, axes));
  const Var deviation = b.op("Sqrt", {mean(b, square(b, centre), axes)});
  return {b.div(centre, b.add(deviation, b.number(kEpsilon, b.at(x).dtype)))};
}

template <Vars (*Formula)(Backward&)>
void by_formula(Backward& b) {
  if (b.at(b.x()).count() > 0) b.through(Formula);
}

}  // namespace

DerivativeTable norm_derivatives() {
  return {{"BatchNormalization", by_formula<batch_norm>},
          {"GroupNormalization", by_formula<group_normalization>},
          {"InstanceNormalization", by_formula<instance_normalization>},
          {"LRN", by_formula<local_response>},
          {"LayerNormalization", by_formula<layer_normalization>},
          {"LpNormalization", by_formula<lp_normalization>},
          {"MeanVarianceNormalization", by_formula<mean_variance>},
          {"RMSNormalization", by_formula<rms_normalization>}};
}

}  // namespace lathe
