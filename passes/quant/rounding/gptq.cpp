#include "passes/quant/rounding/gptq.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <numeric>

#include "ir/base/error.h"

namespace lathe {
namespace {

// values[row] -= factor * error, for the 64 columns of one row.
LATHE_CLONES void subtract(float* row, const float* error, float factor) {
  for (int64_t c = 0; c < kTileColumns; ++c) row[c] -= factor * error[c];
}

// Codes of one row, and what is left over: (value - rounded) / pivot.
LATHE_CLONES void round_row(const float* row, const float* scale, const float* inverse, const float* zero,
                            float top, float pivot, uint8_t* codes, float* error) {
  for (int64_t c = 0; c < kTileColumns; ++c) {
    float x = row[c] * inverse[c] + zero[c];
    x = x > 0 ? x : 0;
    x = x < top ? x : top;
    // x is in [0, top], and lround would keep the loop scalar.
    const float q =
        static_cast<float>(static_cast<int32_t>(x + 0.5f));  // NOLINT(bugprone-incorrect-roundings)
    codes[c] = static_cast<uint8_t>(q);
    error[c] = (row[c] - (q - zero[c]) * scale[c]) * pivot;
  }
}

}  // namespace

double gptq_damping(double asked, const std::string& data) {
  if (asked > 0) return asked;
  return data.empty() || data == "seeded" ? 0.1 : 0.03;
}

GptqFactor gptq_factor(std::span<const float> gram, int64_t k, double damping) {
  GptqFactor f;
  f.order.resize(static_cast<size_t>(k));
  std::iota(f.order.begin(), f.order.end(), 0);
  const auto diagonal = [&](int64_t i) { return gram[static_cast<size_t>(i * k + i)]; };
  std::stable_sort(f.order.begin(), f.order.end(),
                   [&](int64_t a, int64_t b) { return diagonal(a) > diagonal(b); });
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += diagonal(i) / static_cast<double>(k);
  if (!std::isfinite(mean)) fail("the captured inputs have a NaN or an infinity");
  if (mean <= 0) mean = 1;  // nothing was seen: every row counts the same
  // With the order reversed, H = R R^T for an upper R comes from the usual factor, and U = R^-1.
  Eigen::MatrixXd h(k, k);
  for (double damp = damping;; damp *= 10) {
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        h(i, j) = gram[static_cast<size_t>(f.order[static_cast<size_t>(k - 1 - i)] * k +
                                           f.order[static_cast<size_t>(k - 1 - j)])];
    h.diagonal().array() += damp * mean;
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> llt(h);
    if (llt.info() == Eigen::Success) break;
    if (damp > 1e3) fail("the second moments of the captured inputs have no factor");
  }
  Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(k, k);
  h.triangularView<Eigen::Lower>().solveInPlace(inverse);
  f.upper.resize(static_cast<size_t>(k * k));
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = i; j < k; ++j)
      f.upper[static_cast<size_t>(i * k + j)] = static_cast<float>(inverse(k - 1 - i, k - 1 - j));
  return f;
}

void gptq_round(const GptqFactor& f, const Scheme& s, std::span<float> values, std::span<const Lane> scale,
                std::span<const Lane> zero, std::span<uint8_t> codes) {
  const auto k = static_cast<int64_t>(f.order.size());
  std::vector<Lane> inverse(scale.size());
  for (size_t b = 0; b < scale.size(); ++b)
    for (int64_t c = 0; c < kTileColumns; ++c) inverse[b][c] = reciprocal(scale[b][c]);
  Lane error;
  for (int64_t i = 0; i < k; ++i) {
    const int64_t row = f.order[static_cast<size_t>(i)];
    const auto b = static_cast<size_t>(row / s.block);
    const float* u = &f.upper[static_cast<size_t>(i * k)];
    round_row(&values[static_cast<size_t>(row * kTileColumns)], scale[b].v, inverse[b].v, zero[b].v,
              top_code(s), 1 / u[i], &codes[static_cast<size_t>(row * kTileColumns)], error.v);
    for (int64_t j = i + 1; j < k; ++j)
      subtract(&values[static_cast<size_t>(f.order[static_cast<size_t>(j)] * kTileColumns)], error.v, u[j]);
  }
}

}  // namespace lathe
