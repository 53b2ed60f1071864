#include "tests/backend/random_cases.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ir/exec/executor.h"

namespace lathe::test {
namespace {

constexpr std::array<std::string_view, 10> kNames = {"test_bernoulli",
                                                     "test_bernoulli_double",
                                                     "test_bernoulli_double_expanded",
                                                     "test_bernoulli_expanded",
                                                     "test_bernoulli_seed",
                                                     "test_bernoulli_seed_expanded",
                                                     "test_training_dropout",
                                                     "test_training_dropout_default",
                                                     "test_training_dropout_default_mask",
                                                     "test_training_dropout_mask"};

std::vector<Tensor> outputs_at(const Model& m, const CaseData& data, uint64_t seed) {
  std::vector<Tensor> out;
  for (const Datum& d : Executor(m, {.seed = seed}).run(data.inputs)) out.push_back(*d.tensor());
  return out;
}

std::string differing_type(const CaseData& data, const std::vector<Tensor>& got) {
  for (size_t i = 0; i < data.outputs.size(); ++i)
    if (data.outputs[i].tensor()->dtype != got[i].dtype || data.outputs[i].tensor()->dims != got[i].dims)
      return fmt::format("output {} has another type or shape than expected", i);
  return "";
}

bool within_chance(double hits, double trials, double p) {
  return std::fabs(hits - trials * p) <= 5 * std::sqrt(trials * p * (1 - p)) + 1e-9;
}

// Each element is 1 as often as its probability says; a seed attribute gives the same draw every time.
std::string check_bernoulli(const Model& m, const CaseData& data, bool has_seed, bool expanded) {
  auto p = data.inputs[0].tensor()->to_doubles();
  if (expanded)  // the schema's function body asks whether the draw is greater than p
    for (double& v : p) v = 1 - v;
  const int draws = has_seed ? 2 : 2000;
  std::vector<double> ones(p.size()), first;
  for (int k = 0; k < draws; ++k) {
    const auto got = outputs_at(m, data, static_cast<uint64_t>(k));
    if (auto why = differing_type(data, got); !why.empty()) return why;
    const auto y = got[0].to_doubles();
    for (size_t i = 0; i < y.size(); ++i) {
      if (y[i] != 0 && y[i] != 1) return fmt::format("element {} is {}", i, y[i]);
      ones[i] += y[i];
    }
    if (k == 0) first = y;
    if (has_seed && y != first) return "two runs with one seed differ";
  }
  if (!has_seed)
    for (size_t i = 0; i < p.size(); ++i)
      if (!within_chance(ones[i], draws, p[i]))
        return fmt::format("element {}: {} ones in {} draws at probability {}", i, ones[i], draws, p[i]);
  return "";
}

// What is kept is scaled by 1 / (1 - ratio), the rest is 0; the mask says which; as many are dropped as the
// ratio asks for.
std::string check_dropout(const Model& m, const CaseData& data) {
  const auto x = data.inputs[0].tensor()->to_doubles();
  const double ratio =
      data.inputs.size() > 1 && !data.inputs[1].empty() ? data.inputs[1].tensor()->as_double(0) : 0.5;
  const auto got = outputs_at(m, data, 0);
  if (auto why = differing_type(data, got); !why.empty()) return why;
  const auto y = got[0].to_doubles();
  double kept = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double scaled = x[i] / (1 - ratio);
    const bool keeps = y[i] != 0;
    if (keeps && std::fabs(y[i] - scaled) > 1e-5 * std::fabs(scaled))
      return fmt::format("element {} is {}, kept it would be {}", i, y[i], scaled);
    if (got.size() > 1 && (got[1].as_i64(static_cast<int64_t>(i)) != 0) != keeps)
      return fmt::format("element {}: the mask says otherwise", i);
    kept += keeps ? 1 : 0;
  }
  if (!within_chance(kept, static_cast<double>(x.size()), 1 - ratio))
    return fmt::format("{} of {} are kept at ratio {}", kept, x.size(), ratio);
  return "";
}

}  // namespace

bool is_random_case(std::string_view name) {
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string check_random_case(std::string_view name, const Model& m, const CaseData& data) {
  if (name.find("bernoulli") != std::string_view::npos)
    return check_bernoulli(m, data, name.find("seed") != std::string_view::npos, name.ends_with("_expanded"));
  return check_dropout(m, data);
}

}  // namespace lathe::test
