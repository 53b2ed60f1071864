#include <fmt/format.h>

#include "ir/core/walk.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

void run(Context& c) {
  if (c.target().name() != "ort-cpu") return;
  const Model& m = c.model();
  for_each_node(m, [&](NodeId n) {
    const Node& node = m[n];
    constexpr int64_t kFour = 4, kEight = 8, kInt8 = 4;
    if (!node.is("MatMulNBits", "com.microsoft")) return;
    const int64_t bits = node.attrs.i("bits", kFour), level = node.attrs.i("accuracy_level", 0);
    if (bits == kFour || level == kInt8) return;
    c.at_node(n, bits == kEight
                     ? "8 bits without accuracy_level 4 take 2 (long input) to 5 times (short) as long "
                       "as float"
                     : fmt::format("{} bits take 3 (long input) to 13 times (short) as long as float", bits));
  });
}

}  // namespace

LintDef slow_kernel() {
  return {
      .id = "slow-kernel",
      .group = "speed",
      .summary = "a quantized product whose kernel is slower than float",
      .help =
          "onnxruntime's CPU kernels of MatMulNBits unpack weights of 2 and of 8 bits to float before each "
          "product, unless accuracy_level is 4: then 8-bit weights are multiplied by activations that are "
          "rounded to 8 bits, block by block, in less time than float (docs/precision.md, \"Latency\"). The "
          "model is small either way. Only for ort-cpu.",
      .fix = "quant8{accuracy-level=4}, 4 bits, or quant-dynamic",
      .run = run};
}

}  // namespace lathe::lint
