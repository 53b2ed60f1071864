// The onnx library's own schema objects, for code inside ir/onnx that needs function bodies.
#pragma once
#include <string_view>

#include "onnx/defs/schema.h"

namespace lathe {

// Finalized and kept; null for ops that the onnx library does not have. opset 0: the newest.
const onnx::OpSchema* find_onnx_schema(std::string_view domain, std::string_view type, int64_t opset);

}  // namespace lathe
