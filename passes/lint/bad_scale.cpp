#include <array>
#include <cmath>
#include <vector>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

struct Scales {
  const char *domain, *type;
  std::vector<size_t> inputs;
  bool divides;   // by the scale: zero is an error
  bool negative;  // scales may be
};

const std::vector<Scales>& scaled_ops() {
  static const std::vector<Scales> ops = {
      {"", "QuantizeLinear", {1}, true, false},
      {"", "DequantizeLinear", {1}, false, false},
      {"", "QLinearMatMul", {1, 4, 6}, true, false},
      {"", "QLinearConv", {1, 4, 6}, true, false},
      {"com.microsoft", "QuantizeLinear", {1}, true, false},
      {"com.microsoft", "DequantizeLinear", {1}, false, false},
      {"com.microsoft", "MatMulIntegerToFloat", {2, 3}, false, false},
      {"com.microsoft", "DynamicQuantizeMatMul", {2}, false, false},
      // Symmetric 4-bit weights are stored with the sign of the block's largest element.
      {"com.microsoft", "MatMulNBits", {2}, false, true},
      {"com.microsoft", "GatherBlockQuantized", {2}, false, true},
  };
  return ops;
}

void look(Context& c, NodeId n, size_t place, const Tensor& t, const Scales& s) {
  int64_t odd = 0, zero = 0, below = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    const double x = t.as_double(i);
    odd += std::isfinite(x) ? 0 : 1;
    zero += x == 0 ? 1 : 0;
    below += x < 0 ? 1 : 0;
  }
  const auto tell = [&](int64_t count, const char* what, std::optional<Severity> severity = std::nullopt) {
    if (count > 0)
      c.at_node(n, fmt::format("{} of {} scales at input {} are {}", count, t.count(), place, what),
                severity);
  };
  tell(odd, "NaN or infinite");
  if (s.negative) return;
  tell(below, "negative");
  if (s.divides)
    tell(zero, "zero");
  else
    tell(zero, "zero: what they scale is lost", Severity::warning);
}

void run(Context& c) {
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    for (const Scales& s : scaled_ops()) {
      if (!m[n].is(s.type, s.domain)) continue;
      for (const size_t place : s.inputs) {
        const Tensor* t = m[n].input(place) ? m.constant(m[n].input(place)) : nullptr;
        if (t != nullptr && t->byte_size() > 0 && is_floating(t->dtype)) look(c, n, place, *t, s);
      }
    }
  });
}

}  // namespace

LintDef bad_scale() {
  return {.id = "bad-scale",
          .group = "quantization",
          .severity = Severity::error,
          .summary = "a quantization scale that is no positive number",
          .help =
              "Scales of NaN, infinity or below zero give garbage, of zero a division by zero in "
              "QuantizeLinear. Zero in DequantizeLinear is a warning: everything that it scales is zero. "
              "MatMulNBits and GatherBlockQuantized may have negative scales, and zero for an empty block.",
          .fix = "quantize again; calibration saw no data, or a weight holds NaN",
          .reads_weights = true,
          .run = run};
}

}  // namespace lathe::lint
