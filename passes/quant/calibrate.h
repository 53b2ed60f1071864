// What the inputs of weights look like: the executor runs the model on real or seeded data, and second
// moments are gathered as values are made.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

struct InputStats {
  int64_t k = 0, rows = 0;
  std::vector<float> square;    // [k]: mean x^2
  std::vector<float> absolute;  // [k]: mean |x|
  std::vector<float> gram;      // [k, k]: x^T x / rows; empty unless asked for
};

struct CalibrationOptions {
  // "seeded": inputs made up from what is known of them. Otherwise a .npz file (arrays by input name; one
  // run), or a folder of them (one run each).
  std::string data = "seeded";
  bool gram = false;
  uint64_t seed = 0;
  // Of seeded inputs, where the names of their dims leave the choice.
  int64_t batch = 16, length = 64;
  bool shorts = false;  // also short versions of the data (short_version)
  bool padded = false;  // also samples of several lengths, padded to one (padded_together)
};

// Sequences of tokens shortened to their first two and last two positions, where the model allows another
// length: padding (positions at which every input is zero) does not count. Short inputs are where rounding
// hurts first, since fewer errors average out, and what stands at their ends (marks of beginning and end) is
// what calibration data of whole sentences tells too little of. Empty where the inputs are no such sequences.
std::vector<Datum> short_version(const Model& m, const std::vector<Datum>& inputs);

// Are made-up inputs like real ones? Draws of tokens from a vocabulary are; normal noise is no sound and no
// picture, and what it says about channels that real inputs wake is wrong.
bool reads_tokens(const Model& m);

// Runs the model on the data. `seen` is told of every value as it is made, inputs too; `restart`, that what
// was seen so far does not count (made-up sizes that did not fit). Errors as of calibrate().
void run_calibration(const Model& m, const ShapeValues& values, const CalibrationOptions& options,
                     const std::function<void(ValueId, const Datum&)>& seen,
                     const std::function<void()>& restart);

// Statistics over an axis (negative: from the end) of each wanted value. One that no run made, or that has
// another number of channels in each, is not in the result.
// Data that does not fit the model's inputs is an input error; so is a model that cannot be run.
std::map<ValueId, InputStats> calibrate(const Model& m, const ShapeValues& values,
                                        const std::map<ValueId, int64_t>& wanted,
                                        const CalibrationOptions& options);

// The same over runs that the caller has: inputs by position.
std::map<ValueId, InputStats> calibrate(const Model& m, const std::map<ValueId, int64_t>& wanted,
                                        const std::vector<std::vector<Datum>>& runs, bool gram,
                                        uint64_t seed);

// [rows, channels]: the axis as the last one, the others in their order. Float32.
Tensor channels_last(const Tensor& x, int64_t axis);

// What the model is run on, run by run, inputs by position: the files of `data`, or made-up inputs of several
// batch sizes and lengths as far as the names of the model's dims allow them. Errors as of calibrate().
std::vector<std::vector<Datum>> run_inputs(const Model& m, const ShapeValues& values, const std::string& data,
                                           uint64_t seed);

}  // namespace lathe
