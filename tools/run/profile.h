// Time and bytes by node and by op, as tables, as JSON, and as a Chrome trace (the Trace Event Format, for
// chrome://tracing and ui.perfetto.dev).
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ir/exec/executor.h"

namespace lathe::cli {

class RunProfile {
 public:
  explicit RunProfile(const Model& m) : m_(m) {}

  void add(const NodeRun& run);
  void clear();

  std::string text(int runs) const;  // figures are per run
  nlohmann::ordered_json json(int runs) const;
  nlohmann::ordered_json chrome_trace() const;  // of every run since clear()

 private:
  struct Total {
    double seconds = 0;
    int64_t calls = 0, bytes = 0;
  };
  std::string op_name(NodeId n) const;
  std::string node_name(NodeId n) const;
  // By time, the longest first.
  std::vector<std::pair<std::string, Total>> by_op() const;
  std::vector<std::pair<NodeId, Total>> by_node() const;

  const Model& m_;
  std::map<NodeId, Total> nodes_;
  std::vector<NodeRun> events_;
};

}  // namespace lathe::cli
