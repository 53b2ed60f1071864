// Runs graphs with the reference kernels: node by node in graph order, each value freed after its last use.
// Ops without a kernel run their function body (model-local or from the ONNX schema). Results do not depend
// on the number of threads.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"

namespace lathe {

// One node's execution: when it began (seconds since the run began), how long it took, and the bytes that it
// made (outputs that share an input's bytes count nothing).
struct NodeRun {
  NodeId node;
  double start = 0, seconds = 0;
  int64_t bytes = 0;
};

struct ExecOptions {
  // Floats in double: every float16, bfloat16 and float32 value (constants and inputs too) is held as a
  // double, and on_value and run_nodes hand out doubles; run() returns outputs in their declared types.
  bool precise = false;
  uint64_t seed = 0;                 // for random ops
  int64_t max_bytes = 0;             // live bytes; 0 = no limit
  int64_t max_iterations = 1 << 20;  // of one Loop
  // Every value of the model's own graphs as it is made (calibration, traces).
  std::function<void(ValueId, const Datum&)> on_value = {};
  // Every node of the model's own graphs; a node with subgraphs includes their time.
  std::function<void(const NodeRun&)> on_node = {};
};

class Executor {
 public:
  explicit Executor(const Model& m, ExecOptions options = {});
  ~Executor();

  // Inputs of main by position (an empty Datum takes the input's default); its outputs.
  std::vector<Datum> run(std::vector<Datum> inputs);
  std::vector<Datum> run(const std::map<std::string, Datum>& inputs);  // by port name

  // Runs just these nodes (floating ones too), in the given order; env holds the values they need from
  // outside and receives every value they make. Constants need not be in env; what is there goes before them.
  // The model may have been edited since.
  void run_nodes(std::span<const NodeId> nodes, std::unordered_map<ValueId, Datum>& env);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Can every one of these nodes be executed (kernel or function body, subgraphs too)? Otherwise names the
// first op that cannot.
std::string first_unsupported(const Model& m, std::span<const NodeId> nodes);

}  // namespace lathe
