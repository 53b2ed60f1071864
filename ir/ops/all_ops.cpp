#include "ir/ops/all_ops.h"

namespace lathe {

void register_all_ops(OpRegistry& r) {
  register_elementwise_binary(r);
  register_elementwise_unary(r);
}

}  // namespace lathe
