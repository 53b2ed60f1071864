// Fused ops that a target has a kernel for and computes slower than their parts.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ir/core/dtype.h"
#include "passes/core/target.h"

namespace lathe {

// Why the com.microsoft op `type` does not pay on the target, in words; nullopt: it pays, or nobody measured.
std::optional<std::string> slow_fusion(const Target& target, std::string_view type, DType dtype);

}  // namespace lathe
