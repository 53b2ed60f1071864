#include "tools/report/measured.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/exec/executor.h"
#include "ir/ops/infer.h"
#include "passes/analysis/roles.h"
#include "passes/quant/calibrate.h"

namespace lathe::report {
namespace {

// The first sample of each input; inputs that do not agree on their first size are taken whole.
std::vector<Datum> first_sample(const std::vector<Datum>& inputs) {
  int64_t samples = -1;
  for (const Datum& d : inputs) {
    const Tensor* t = d.tensor();
    if (d.empty()) continue;
    if (t == nullptr || t->rank() == 0 || t->count() == 0 || (samples >= 0 && t->dims[0] != samples))
      return inputs;
    samples = t->dims[0];
  }
  std::vector<Datum> out;
  for (const Datum& d : inputs) {
    if (d.empty()) {
      out.emplace_back();
      continue;
    }
    const Tensor whole = d.tensor()->aligned();
    std::vector<int64_t> dims = whole.dims;
    dims[0] = 1;
    Tensor t = Tensor::uninitialized(whole.dtype, dims);
    std::copy_n(whole.bytes().begin(), t.bytes().size(), t.mutable_bytes().begin());
    out.emplace_back(std::move(t));
  }
  return out;
}

}  // namespace

Measured measure_both(const Model& before, const std::filesystem::path& before_file, const Model& after,
                      const std::filesystem::path& after_file, const std::string& data, uint64_t seed) {
  Measured r;
  try {
    Model typed = before;
    const ShapeValues values = infer_types(typed);
    const auto runs = run_inputs(typed, values, data, seed);
    const bool seeded = data.empty() || data == "seeded";
    r.data = seeded ? fmt::format("{} runs on seeded inputs", runs.size())
                    : fmt::format("{} runs on {}", runs.size(), data);
    FidelityMeter meter(view_outputs(typed, analyze_roles(typed)));
    Executor a(typed, {.seed = seed}), b(after, {.seed = seed});
    for (const auto& inputs : runs) meter.add(inputs, a.run(inputs), b.run(inputs));
    r.fidelity = meter.result();
    r.latency = measure_latency(typed, before_file, after, after_file, first_sample(runs.back()));
  } catch (const Error& e) {
    r.why_not = e.what();
  }
  return r;
}

}  // namespace lathe::report
