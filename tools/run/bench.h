// Times of repeated runs.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lathe::cli {

struct BenchTimes {
  std::vector<double> ms;  // sorted

  double mean() const;
  double quantile(double q) const;  // nearest rank
  std::string text() const;
  nlohmann::ordered_json json() const;
};

// `body` runs `warm_up` times unmeasured, then `started` is called, then `runs` times measured.
BenchTimes bench(int warm_up, int runs, const std::function<void()>& started,
                 const std::function<void()>& body);

}  // namespace lathe::cli
