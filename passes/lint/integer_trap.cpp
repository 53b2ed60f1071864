#include <algorithm>
#include <limits>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

bool holds(const Tensor& t, int64_t value) {
  for (int64_t i = 0; i < t.count(); ++i)
    if (t.as_i64(i) == value) return true;
  return false;
}

void division(Context& c, NodeId n) {
  const Model& m = c.model();
  constexpr int64_t kLongest = 1 << 16;
  const Tensor* by = m[n].input(1) ? m.constant(m[n].input(1)) : nullptr;
  if (by == nullptr || !is_integer(by->dtype) || by->count() > kLongest || bit_width(by->dtype) < 8) return;
  if (holds(*by, 0)) return c.at_node(n, fmt::format("integer {} by a constant zero", m[n].type));
  const Tensor* what = m[n].input(0) ? m.constant(m[n].input(0)) : nullptr;
  const bool wide = by->dtype == DType::I32 || by->dtype == DType::I64;
  if (what == nullptr || !wide || what->count() > kLongest || !holds(*by, -1)) return;
  const int64_t least =
      by->dtype == DType::I64 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  if (holds(*what, least)) c.at_node(n, fmt::format("integer {} of the least number by -1", m[n].type));
}

void window(Context& c, NodeId n) {
  const Node& node = c.model()[n];
  for (const char* name : {"strides", "dilations", "kernel_shape"}) {
    const std::vector<int64_t> values = node.attrs.ints(name);
    if (std::any_of(values.begin(), values.end(), [](int64_t v) { return v <= 0; }))
      c.at_node(n, fmt::format("{} with {} that are not positive", node.type, name));
  }
}

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    if (!node.domain.empty()) return;
    if (node.type == "Div" || node.type == "Mod") division(c, n);
    if (node.type.find("Conv") != std::string::npos || node.type.find("Pool") != std::string::npos)
      window(c, n);
  });
}

}  // namespace

LintDef integer_trap() {
  return {.id = "integer-trap",
          .group = "security",
          .severity = Severity::error,
          .summary = "a constant that kills the process of some runtimes",
          .help =
              "Integer division by zero, of the least number by -1, and windows with a stride of zero raise "
              "a signal in runtimes that do not look (onnxruntime 1.31 while it loads the model, onnxsim), "
              "and take the whole process with them.",
          .fix = "export the model again; do not load it in a process that must live",
          .run = run};
}

}  // namespace lathe::lint
