// What a report measures on both models: how near the outputs are, and how long they take.
#pragma once
#include <optional>
#include <string>

#include "passes/quant/search/fidelity.h"
#include "tools/report/latency.h"

namespace lathe::report {

struct Measured {
  std::optional<Fidelity> fidelity;
  std::string data;     // "the 14 files of calibration/", "seeded inputs"
  std::string why_not;  // the models could not be compared
  Latencies latency;
};

// Runs both on `data` (a .npz, a folder of them, or seeded where empty).
Measured measure_both(const Model& before, const std::filesystem::path& before_file, const Model& after,
                      const std::filesystem::path& after_file, const std::string& data, uint64_t seed);

}  // namespace lathe::report
