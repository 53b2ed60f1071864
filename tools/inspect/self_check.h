// onnx-inspect --self-check: does a model load, type and run here?
#pragma once
#include <string>

namespace lathe::inspect {

// Runs it once on seeded inputs. What cannot be loaded or typed is an input error, what cannot be run a check
// error.
std::string self_check(const std::string& path, bool json);

}  // namespace lathe::inspect
