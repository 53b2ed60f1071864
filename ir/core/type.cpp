#include "ir/core/type.h"

namespace lathe {

bool operator==(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.dtype != b.dtype || a.shape != b.shape || a.denotation != b.denotation)
    return false;
  if (!a.item || !b.item) return a.item == b.item;
  return *a.item == *b.item;
}

std::string Type::str() const {
  const auto inner = [&] { return item ? item->str() : std::string("?"); };
  switch (kind) {
    case Kind::None:
      return "?";
    case Kind::SparseTensor:
    case Kind::Tensor: {
      std::string s = (kind == Kind::SparseTensor ? "sparse_" : "") + std::string(onnx_name(dtype));
      if (!shape) return s + "[...]";
      return shape->empty() ? s : s + to_string(*shape);
    }
    case Kind::Sequence:
      return "seq(" + inner() + ")";
    case Kind::Optional:
      return "optional(" + inner() + ")";
    case Kind::Map:
      return "map(" + std::string(onnx_name(dtype)) + ", " + inner() + ")";
  }
  return "?";
}

}  // namespace lathe
