#include "ir/ops/all_ops.h"

namespace lathe {

#define FAMILY(name) void register_##name(OpRegistry& r);
#include "ir/ops/families.def"
#undef FAMILY

void register_all_ops(OpRegistry& r) {
#define FAMILY(name) register_##name(r);
#include "ir/ops/families.def"
#undef FAMILY
}

}  // namespace lathe
