// The choices that a search has: each stored weight, the schemes it can take, what each costs and how much
// each hurts.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "passes/quant/calibrate.h"
#include "passes/quant/nbits.h"
#include "passes/quant/policy.h"
#include "passes/quant/search/gates.h"
#include "passes/quant/search/tails.h"

namespace lathe {

// Positions of a sequence, batch 1, that the cost model looks at: a sentence, and a long one.
inline constexpr std::array<int64_t, 2> kLatencyLengths = {16, 128};
// At each of them.
using LengthTimes = std::array<double, kLatencyLengths.size()>;

struct LayerOption {
  PolicyRule rule;        // scheme and its details; nothing that matches
  Scheme scheme;          // as the quantizers take it; not looked at where the weight stays
  bool dynamic = false;   // INT8 weight and activations, of quant-dynamic or quant-static
  bool blocks = false;    // INT8 activations by blocks (accuracy_level 4)
  bool stays = false;     // "float"
  int64_t bytes = 0;      // stored
  double local = 0;       // what it does to the products: sum of squared errors on the calibration inputs
  double loss = 0;        // what that does to the model's outputs
  LengthTimes time = {};  // what it adds by the cost model, as a part of the float model's (latency.h)
  std::shared_ptr<const NBitsWeight> stored;
  Tensor dense;  // of a dynamic one: the weight as its bytes say, in float
};

// One stored weight with all that reads it.
struct Layer {
  std::vector<size_t> sites;         // of the list that find_weight_sites gave
  std::vector<ValueId> constants;    // the tensors to change: the weight, and its transposed twin
  std::vector<LayerOption> options;  // by size
  double energy = 0;                 // sum of squares of the float products on the calibration inputs
  bool table = false;
  Gates gates;  // of the product's input, where INT8 activations are a choice
};

struct LayerSearchOptions {
  // What GPTQ learns from, and what errors are measured on: apart, since GPTQ fits the inputs that it saw.
  // None to learn from: mse.
  std::vector<std::vector<Datum>> learn, check;
  double damping = 0.01;
  int64_t min_elements = 4096;
  uint64_t seed = 0;
  std::map<NodeId, Gates> gates;
  bool two_bits = false;  // offer them
  // What INT8 activations are made by, where gates offer them: quant-dynamic or quant-static.
  std::string bytes_scheme = "quant-dynamic";
};

class LayerSearch {
 public:
  // `m` must outlive this and not change.
  LayerSearch(const Model& m, const std::vector<WeightSite>& sites, LayerSearchOptions options);

  // Layers with their options: sizes and local errors. Weights that no scheme can hold are left out.
  std::vector<Layer> layers();

  // The constants as the option stores them.
  ConstantChange changed(const Layer& layer, const LayerOption& option) const;

 private:
  std::vector<LayerOption> options_of(const Layer& layer) const;
  void measure(Layer& layer);
  InputStats inputs_of(const Layer& layer, const std::map<ValueId, InputStats>& stats) const;

  const Model& m_;
  const std::vector<WeightSite>& sites_;
  LayerSearchOptions o_;
  std::map<ValueId, InputStats> learn_, check_;
};

// Bytes of codes, scales and zero points of a [K, N] weight.
int64_t stored_bytes(const Scheme& s, int64_t k, int64_t n);

}  // namespace lathe
