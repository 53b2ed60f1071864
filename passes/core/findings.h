// What precision passes found out about weights: the material of --explain, --report and of a search's front.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lathe {

struct WeightRecord {
  std::string weight, node;       // names: of the tensor, of what reads it first
  std::string op;                 // of that node
  std::string role, part;         // "attention", "query"; part may be empty
  int32_t layer = -1;             // -1: outside of layers
  std::string scheme;             // "quant4 block 16 gptq"; "float" where it stays
  std::string why;                // the rule that decided, or why it stays
  int64_t before = 0, after = 0;  // bytes
  double error = 0;               // |w - w'| / |w|
};

// One choice of schemes for the whole model that no other beats in both size and error.
struct FrontPoint {
  int64_t bytes = 0;         // of the file
  double predicted = 0;      // loss (1 - cosine, or KL) that the search expected
  double mean = 0, min = 0;  // cosine as measured on the data; NaN where it was not measured
  double kl = 0;             // NaN without class probabilities
  double latency = 0;        // by the cost model, as a fraction of the float model's
  std::string what;          // "embedding quant4, attention quant8, ..."
  bool chosen = false;
};

struct Findings {
  std::vector<WeightRecord> weights;  // of the last precision pass
  std::vector<FrontPoint> front;      // by size
  std::string policy;                 // XML that makes the same choice again
};

}  // namespace lathe
