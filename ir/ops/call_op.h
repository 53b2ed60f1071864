// Kernels made of other kernels: an op that is defined through others calls theirs.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "ir/ops/eval_ctx.h"

namespace lathe {

// The results of domain.type on these inputs (an empty Datum is an omitted one), under c's limits. An op
// without a kernel is a programming error.
std::vector<Datum> call_op(const EvalCtx& c, std::string_view domain, std::string_view type, Attrs attrs,
                           const std::vector<Datum>& in, size_t outputs = 1);

// The single result of an op of the main domain.
Tensor call_op(const EvalCtx& c, std::string_view type, std::vector<std::pair<std::string, AttrValue>> attrs,
               const std::vector<Datum>& in);

}  // namespace lathe
