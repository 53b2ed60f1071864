#include "passes/quant/channels.h"

#include <algorithm>
#include <cmath>

#include "ir/base/clones.h"
#include "ir/ops/convert.h"
#include "ir/ops/quant/affine.h"

namespace lathe {
namespace {

LATHE_CLONES void add_row(const float* x, int64_t k, float* low, float* high, double* sum) {
  for (int64_t i = 0; i < k; ++i) {
    low[i] = x[i] < low[i] ? x[i] : low[i];
    high[i] = x[i] > high[i] ? x[i] : high[i];
    sum[i] += x[i];
  }
}

LATHE_CLONES void add_rounded(const float* x, int64_t k, float scale, float zero, double* sum) {
  constexpr float kMagic = 12582912.0f;  // rounds half to even
  for (int64_t i = 0; i < k; ++i) {
    float q = ((x[i] / scale + kMagic) - kMagic) + zero;
    q = q < 0 ? 0 : q > 255 ? 255 : q;
    sum[i] += (q - zero) * scale;
  }
}

void see(ChannelStats& s, const Datum& d, bool rounded) {
  const Tensor* t = d.tensor();
  if (t == nullptr || t->rank() < 1 || !is_floating(t->dtype) || t->count() == 0) return;
  const Tensor x = convert(t->aligned(), DType::F32);
  const int64_t k = x.dims.back(), rows = x.count() / k;
  if (s.k != 0 && s.k != k) fail("a calibrated value has {} channels in one run and {} in another", s.k, k);
  const auto size = static_cast<size_t>(k);
  if (s.k == 0) {
    s.k = k;
    s.low.assign(size, 0);
    s.high.assign(size, 0);
    s.mean.assign(size, 0);
    if (rounded) s.rounded.assign(size, 0);
  }
  s.rows += rows;
  const float* p = x.data<float>().data();
  for (int64_t r = 0; r < rows; ++r) add_row(p + r * k, k, s.low.data(), s.high.data(), s.mean.data());
  if (!rounded) return;
  const DynamicScale scale = dynamic_scale(x);
  const auto step = static_cast<float>(scale.scale.as_double(0)),
             zero = static_cast<float>(scale.zero.as_double(0));
  for (int64_t r = 0; r < rows; ++r) add_rounded(p + r * k, k, step, zero, s.rounded.data());
}

}  // namespace

std::map<ValueId, ChannelStats> channel_stats(const Model& m, const ShapeValues& values,
                                              const std::vector<ValueId>& wanted,
                                              const CalibrationOptions& options, bool rounded) {
  std::map<ValueId, ChannelStats> stats;
  const auto reset = [&] {
    stats.clear();
    for (const ValueId v : wanted) stats[v];
  };
  reset();
  run_calibration(
      m, values, options,
      [&](ValueId v, const Datum& d) {
        if (const auto it = stats.find(v); it != stats.end()) see(it->second, d, rounded);
      },
      reset);
  std::erase_if(stats, [](const auto& s) { return s.second.rows == 0; });
  for (auto& [v, s] : stats)
    for (size_t i = 0; i < s.mean.size(); ++i) {
      s.mean[i] /= static_cast<double>(s.rows);
      if (!s.rounded.empty()) s.rounded[i] /= static_cast<double>(s.rows);
      if (!std::isfinite(s.mean[i]) || !std::isfinite(s.low[i]) || !std::isfinite(s.high[i]))
        fail("calibration met a NaN or an infinity in '{}'", m[v].name);
    }
  return stats;
}

}  // namespace lathe
