// What changing constants does to a model's outputs: the model is run once as it is, and again from the first
// node on that reads a changed constant.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"
#include "passes/quant/search/fidelity.h"

namespace lathe {

// New contents of constants of the main graph, of the same type and shape.
using ConstantChange = std::map<ValueId, Tensor>;

class Tails {
 public:
  // `m` must outlive this and not change. Runs all of `runs` for the outputs to compare with.
  Tails(const Model& m, std::vector<std::vector<Datum>> runs, OutputViews views, uint64_t seed);
  ~Tails();

  // All changes at once, over all runs.
  Fidelity whole(const ConstantChange& change);

  // Each change alone, made when it is needed, over a share of the runs with at most `values` input elements
  // (at least one run). Changes are asked for in the order in which the model reads them.
  std::vector<Fidelity> each(const std::vector<std::vector<ValueId>>& changed,
                             const std::function<ConstantChange(size_t)>& change, int64_t values);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lathe
