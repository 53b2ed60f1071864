// How near the outputs of a changed model stay to those of the original, in the terms that users of
// embeddings, classifiers and language models judge by.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"
#include "passes/analysis/roles.h"

namespace lathe {

// What an output means.
struct OutputView {
  enum class Kind : uint8_t {
    samples,  // one vector a sample of the batch; or one number
    tokens,   // [batch, length, width] under a mask: the mean over what the mask shows is the vector
    classes,  // the last axis holds scores of classes or of a vocabulary: one vector a position
    skipped,  // not floats, or past keys and values beside scores
  };
  Kind kind = Kind::samples;
};

struct OutputViews {
  std::vector<OutputView> outputs;  // of main, by position
  int mask = -1;                    // the input that hides padding, by position; -1: none
};

// From structure: the mask is the integer, float or bool input of two dims that nothing looks up; scores have
// as many classes as a table has rows, or come from a head.
OutputViews view_outputs(const Model& m, const Roles& roles);

struct Fidelity {
  int64_t vectors = 0;
  double mean_cosine = 1, min_cosine = 1;
  double mse = 0, max_abs = 0;                             // over all elements that count
  double kl = std::numeric_limits<double>::quiet_NaN();    // mean over positions, natural logarithm
  double top1 = std::numeric_limits<double>::quiet_NaN();  // fraction of positions that agree
};

// Adds up runs. A NaN or infinity on one side only counts as cosine -1.
class FidelityMeter {
 public:
  explicit FidelityMeter(OutputViews views) : views_(std::move(views)) {}
  // Outputs by position, and the inputs that gave them.
  void add(const std::vector<Datum>& inputs, const std::vector<Datum>& wanted, const std::vector<Datum>& got);
  Fidelity result() const;

 private:
  void vector(const double* a, const double* b, int64_t n);
  void numbers(const double* a, const double* b, int64_t n);
  void differ(double d);  // an element is off by d
  void lost(double loss);
  void classes(const double* a, const double* b, int64_t n);

  OutputViews views_;
  int64_t vectors_ = 0, elements_ = 0, positions_ = 0, agreeing_ = 0;
  double loss_ = 0, worst_ = 0, squares_ = 0, max_abs_ = 0, kl_ = 0;
};

}  // namespace lathe
