#include "tools/run/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

namespace lathe::cli {

double BenchTimes::mean() const {
  return std::accumulate(ms.begin(), ms.end(), 0.0) / static_cast<double>(ms.size());
}

double BenchTimes::quantile(double q) const {
  const double rank = std::ceil(q * static_cast<double>(ms.size()));
  return ms[static_cast<size_t>(std::clamp(rank - 1, 0.0, static_cast<double>(ms.size() - 1)))];
}

std::string BenchTimes::text() const {
  return fmt::format("{} runs: mean {:.2f} ms, P50 {:.2f} ms, P95 {:.2f} ms, least {:.2f} ms\n", ms.size(),
                     mean(), quantile(0.5), quantile(0.95), ms.front());
}

nlohmann::ordered_json BenchTimes::json() const {
  return {{"runs", ms.size()},
          {"mean_ms", mean()},
          {"p50_ms", quantile(0.5)},
          {"p95_ms", quantile(0.95)},
          {"least_ms", ms.front()}};
}

BenchTimes bench(int warm_up, int runs, const std::function<void()>& started,
                 const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < warm_up; ++i) body();
  started();
  BenchTimes times;
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    body();
    times.ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::sort(times.ms.begin(), times.ms.end());
  return times;
}

}  // namespace lathe::cli
