// Operators of onnxruntime's com.microsoft domain (and the one that it puts into the main domain): signatures
// as in onnxruntime's docs/ContribOperators.md, version 1.31.
#pragma once
#include <span>
#include <string_view>

#include "ir/onnx/schema.h"

namespace lathe {

// One op, packed: formals are "name:T", "name:T?" (optional) or "name:T*2" (variadic, at least 2); types are
// "T=float,float16"; attributes are "name:kind", "name:kind=default" or "name:kind!" (required).
struct ContribOp {
  std::string_view type, inputs, outputs, types, attrs;
};

std::span<const ContribOp> contrib_ops();  // sorted by type
Schema unpack(const ContribOp& op);

}  // namespace lathe
