// Runs two versions of a model on the same seeded inputs and compares their outputs.
#pragma once
#include <cstdint>

#include "ir/core/model.h"

namespace lathe {

// Symbolic dims bound to small primes, then to ones. A difference beyond rounding is a check error that names
// the output; inputs that the original itself cannot run are passed over, and if nothing could be run that is
// an error too.
void test_model(const Model& before, const Model& after, uint64_t seed);

}  // namespace lathe
