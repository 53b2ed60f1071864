// x times a sigmoid of x: Gelu's logistic approximation (alpha 1.702), SiLU or Swish (alpha 1).
//   y = Mul (x, Sigmoid (Mul (x, 1.702)))  =>  y = QuickGelu <alpha = 1.702> (x)
#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

Rule quick_gelu_rule(std::string name, bool scaled) {
  const Var x;
  const Num alpha;
  const Pat inside = scaled ? Pat(x) * alpha : Pat(x);
  return {.name = std::move(name),
          .why = "the value times its logistic function is QuickGelu",
          .pattern = Pat(x) * op("Sigmoid", {inside}),
          .guard =
              [=](const Match& m, const Target& t) {
                return needs_kernel(t, "com.microsoft", "QuickGelu", m.type(x).dtype);
              },
          .emit =
              [=](Builder& b, const Match& m) {
                const float a = scaled ? static_cast<float>(m[alpha]) : 1.0F;
                return b.op("QuickGelu", {m[x]}, attrs({{"alpha", a}}), "com.microsoft");
              }};
}

}  // namespace

PassDef fuse_quick_gelu() {
  return {.name = "fuse-quick-gelu",
          .group = "fusion",
          .summary = "Fuse x * Sigmoid(alpha * x), SiLU included, into QuickGelu",
          .rules = {quick_gelu_rule("quick-gelu", true), quick_gelu_rule("silu", false)}};
}

}  // namespace lathe
