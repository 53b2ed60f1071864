// x times the Gaussian CDF, spelled with Erf or with the Tanh approximation, is one Gelu (Hendrycks, Gimpel
// 2016).
//   y = Mul (0.5, Mul (x, Add (1, Erf (Div (x, 1.4142135)))))  =>  y = Gelu (x)
#include <cmath>
#include <numbers>

#include "passes/all_passes.h"

namespace lathe {
namespace {

constexpr int64_t kGeluOpset = 20;

ValueId emit_gelu(Builder& b, ValueId x, bool approximate) {
  Model& m = b.model();
  if (m.opset("") >= kGeluOpset)
    return b.op("Gelu", {x}, approximate ? attrs({{"approximate", std::string("tanh")}}) : Attrs{});
  return b.op(approximate ? "FastGelu" : "Gelu", {x}, {}, "com.microsoft");
}

Rule gelu_rule(std::string name, bool approximate) {
  const Var x;
  const Pat cdf =
      approximate
          ? op("Tanh", {std::sqrt(2 / std::numbers::pi) * (Pat(x) + 0.044715 * (Pat(x) * Pat(x) * Pat(x)))})
          : op("Erf", {Pat(x) / std::numbers::sqrt2});
  return {.name = std::move(name),
          .why = approximate ? "x times the Tanh approximation of the Gaussian CDF is one Gelu"
                             : "x times the Gaussian CDF is one Gelu",
          .pattern = 0.5 * (Pat(x) * (1.0 + cdf)),
          .guard = [=](const Match& m, const Target& t) -> Refusal {
            if (m.model->opset("") >= kGeluOpset ||
                t.has("com.microsoft", approximate ? "FastGelu" : "Gelu", m.type(x).dtype))
              return std::nullopt;
            return "Gelu needs opset 20 or com.microsoft ops, which the target does not have";
          },
          .emit = [=](Builder& b, const Match& m) { return emit_gelu(b, m[x], approximate); }};
}

}  // namespace

PassDef fuse_gelu() {
  return {.name = "fuse-gelu",
          .group = "fusion",
          .summary = "Fuse the Erf and Tanh spellings of Gelu",
          .rules = {gelu_rule("gelu-erf", false), gelu_rule("gelu-tanh", true)}};
}

}  // namespace lathe
