#include "passes/quant/channels.h"

#include <algorithm>
#include <cmath>

#include "ir/base/clones.h"
#include "ir/ops/convert.h"

namespace lathe {
namespace {

LATHE_CLONES void add_row(const float* x, int64_t k, float* low, float* high, double* sum) {
  for (int64_t i = 0; i < k; ++i) {
    low[i] = x[i] < low[i] ? x[i] : low[i];
    high[i] = x[i] > high[i] ? x[i] : high[i];
    sum[i] += x[i];
  }
}

void see(ChannelStats& s, ValueId v, int64_t axis, const Datum& d, const RoundingOf& rounded) {
  const Tensor* t = d.tensor();
  if (t == nullptr || t->rank() < 1 || !is_floating(t->dtype) || t->count() == 0) return;
  if (axis < 0) axis += t->rank();
  if (axis < 0 || axis >= t->rank()) return;
  const Tensor x = convert(t->aligned(), DType::F32), last = channels_last(x, axis);
  const int64_t rows = last.dims[0], k = last.dims[1];
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
  const float* p = last.data<float>().data();
  for (int64_t r = 0; r < rows; ++r) add_row(p + r * k, k, s.low.data(), s.high.data(), s.mean.data());
  if (!rounded) return;
  const Tensor codes = channels_last(rounded(v, x), axis);
  std::vector<float> low(size), high(size);
  for (int64_t r = 0; r < rows; ++r)
    add_row(codes.data<float>().data() + r * k, k, low.data(), high.data(), s.rounded.data());
}

}  // namespace

std::map<ValueId, ChannelStats> channel_stats(const Model& m, const ShapeValues& values,
                                              const std::map<ValueId, int64_t>& wanted,
                                              const CalibrationOptions& options, const RoundingOf& rounded) {
  std::map<ValueId, ChannelStats> stats;
  run_calibration(
      m, values, options,
      [&](ValueId v, const Datum& d) {
        if (const auto it = wanted.find(v); it != wanted.end()) see(stats[v], v, it->second, d, rounded);
      },
      [&] { stats.clear(); });
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
