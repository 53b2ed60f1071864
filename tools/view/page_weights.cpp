#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/diff/text.h"
#include "tools/view/page_data.h"

namespace lathe::view {
namespace {

constexpr int64_t kSamples = 16384, kRun = 64;
constexpr size_t kBins = 40;

// All elements, or kSamples of them.
std::vector<double> sample(const Tensor& t) {
  const int64_t n = t.count();
  std::vector<double> out;
  out.reserve(static_cast<size_t>(std::min(n, kSamples)));
  const int64_t runs = n > kSamples ? kSamples / kRun : 1, length = n > kSamples ? kRun : n;
  for (int64_t r = 0; r < runs; ++r) {
    const int64_t start = runs == 1 ? 0 : (n - kRun) / (runs - 1) * r;
    for (int64_t i = start; i < start + length; ++i) out.push_back(t.as_double(i));
  }
  return out;
}

}  // namespace

Json weight_data(const Tensor& t) {
  Json j = Json::object();
  const bool there = t.dtype == DType::String || !t.bytes().empty() || t.count() == 0;
  if (!there) {
    j["text"] = "the data is not here";
    return j;
  }
  if (t.count() <= 8 || t.dtype == DType::String || t.dtype == DType::C64 || t.dtype == DType::C128) {
    j["text"] = diff::tensor_text(t);
    return j;
  }
  std::vector<double> x = sample(t);
  const auto total = static_cast<double>(x.size());
  const auto zeros = static_cast<double>(std::count(x.begin(), x.end(), 0.0));
  const auto bad = std::erase_if(x, [](double v) { return !std::isfinite(v); });
  if (t.count() > kSamples) j["sampled"] = kSamples;
  if (bad > 0) j["bad"] = bad;
  if (zeros > 0) j["zeros"] = zeros / total;
  if (x.empty()) return j;
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  // Halved: the width of a range of doubles may be no double.
  const double from = *low, half = *high / 2 - from / 2;
  double mean = 0, square = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) square += (v - mean) * (v - mean) / static_cast<double>(x.size());
  std::vector<int64_t> bins(kBins, 0);
  for (const double v : x) {
    const double part = half > 0 ? (v / 2 - from / 2) / half : 0.5;
    ++bins[std::min(static_cast<size_t>(part * static_cast<double>(kBins)), kBins - 1)];
  }
  j["bins"] = bins;
  j["low"] = from;
  j["high"] = *high;
  j["mean"] = mean;
  j["deviation"] = std::isfinite(square) ? std::sqrt(square) : 0;
  return j;
}

}  // namespace lathe::view
