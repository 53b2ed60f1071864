#include "ir/core/mini_float.h"

namespace lathe {

const MiniFloat* mini_float(DType t) {
  switch (t) {
    case DType::F8E4M3FN:
      return &kF8E4M3FN;
    case DType::F8E4M3FNUZ:
      return &kF8E4M3FNUZ;
    case DType::F8E5M2:
      return &kF8E5M2;
    case DType::F8E5M2FNUZ:
      return &kF8E5M2FNUZ;
    case DType::F4E2M1:
      return &kF4E2M1;
    case DType::F6E2M3:
      return &kF6E2M3;
    case DType::F6E3M2:
      return &kF6E3M2;
    default:
      return nullptr;
  }
}

}  // namespace lathe
