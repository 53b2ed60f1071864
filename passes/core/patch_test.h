// Translation validation: runs both sides of a patch on seeded tensors and compares what they replace.
// Symbolic dims are bound to distinct small primes, then to ones; integers stay in the ranges that shape
// analysis proves.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include "ir/ops/datum.h"
#include "ir/ops/infer_ctx.h"
#include "passes/core/patch.h"

namespace lathe {

struct PatchTestOptions {
  uint64_t seed = 0x1a7e;
  int64_t max_elements =
      int64_t{1} << 26;  // of the outside tensors of one run; beyond it the patch is not run
  // What these values are in the run, constants too: a sample of a weight's columns on both sides. Sizes then
  // stay as they are.
  std::unordered_map<ValueId, Datum> given = {};
};

struct PatchTestResult {
  enum class Outcome : uint8_t { equal, differs, not_run };
  Outcome outcome = Outcome::not_run;
  std::string why;  // where they differ and by how much, or why nothing could be run
  int runs = 0;
};

PatchTestResult test_patch(const Model& m, const ShapeValues& values, const Patch& patch,
                           const PatchTestOptions& options = {});

}  // namespace lathe
