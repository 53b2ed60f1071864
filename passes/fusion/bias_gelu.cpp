// A bias before a Gelu.
//   y = Gelu (Add (x, bias))  =>  y = BiasGelu (x, bias)          FastGelu takes the bias as its second input
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";

Rule bias_gelu_rule(std::string name, bool approximate) {
  const Var x, bias;
  const std::string ms_op = approximate ? "FastGelu" : "Gelu";
  const AttrWant want{"approximate", std::string(approximate ? "tanh" : "none"), !approximate};
  std::vector<Pat> spellings;
  for (const Pat& s : {op("Add", {x, constant(bias)}), op("Add", {constant(bias), x}),
                       op("Sum", {x, constant(bias)}), op("Sum", {constant(bias), x})}) {
    spellings.push_back(op("Gelu", {s}, {want}));
    spellings.push_back(op(ms_op, {s}, {}, std::string(kMs)));
  }
  const std::string target_op = approximate ? "FastGelu" : "BiasGelu";
  return {.name = std::move(name),
          .why = "the kernel adds the bias itself",
          .pattern = one_of(std::move(spellings)),
          .guard = [=](const Match& m, const Target& t) -> Refusal {
            const auto width = last_dim(m.type(x));
            if (!width || !is_last_axis_vector(*m.model, m[bias], *width))
              return fmt::format("'{}' is not one value for each element of the last axis",
                                 (*m.model)[m[bias]].name);
            return needs_kernel(t, kMs, target_op, m.type(x).dtype);
          },
          .emit = [=](Builder& b,
                      const Match& m) { return b.op(target_op, {m[x], as_vector(b, m[bias])}, {}, kMs); }};
}

}  // namespace

PassDef fuse_bias_gelu() {
  return {.name = "fuse-bias-gelu",
          .group = "fusion",
          .summary = "Move the bias before a Gelu into BiasGelu or FastGelu",
          .rules = {bias_gelu_rule("bias-gelu", false), bias_gelu_rule("bias-fast-gelu", true)}};
}

}  // namespace lathe
