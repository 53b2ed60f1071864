#include "passes/quant/sample.h"

namespace lathe {

std::vector<int64_t> sample_columns(int64_t n) {
  constexpr int64_t kSample = 64;
  std::vector<int64_t> at;
  if (n < 2 * kSample) return at;
  for (int64_t i = 0; i < kSample; ++i) at.push_back(i * (n - 1) / (kSample - 1));
  return at;
}

}  // namespace lathe
