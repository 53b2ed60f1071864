// What a rejected rewrite leaves behind: a folder with both sides as models, the seed and the command.
#pragma once
#include <string>

#include "passes/core/context.h"

namespace lathe {

void write_failure(const Model& m, const Patch& patch, const std::string& pass, const std::string& why,
                   const PassSettings& settings);

}  // namespace lathe
