// fp16, bf16: a float32 model in half precision where that holds what its values need.
#include "passes/quant/half/half.h"

#include <fmt/format.h>

#include <cmath>

#include "passes/quant/half/convert.h"

namespace lathe {
namespace {

void run(PassContext& ctx, const PassOptions& o, DType dtype) {
  HalfOptions h{HalfKind::of(dtype), KeepList(ctx.pass, o.text("keep"))};
  h.convert_io = o.choice("io", {"keep", "convert"}) == "convert";
  h.headroom = o.number("headroom");
  if (!(h.headroom >= 1) || !std::isfinite(h.headroom))
    fail_usage("pass '{}': headroom={} is not a number from 1 on", ctx.pass, h.headroom);
  const Observed seen = observe_magnitudes(ctx, h.kind, o.text("data"));
  const HalfPlan plan = plan_halves(ctx, h, seen);
  settle_masks(ctx, h.kind, seen);
  convert_halves(ctx, h, plan);
}

PassDef make(DType dtype, std::string name, std::string headroom) {
  PassDef p;
  p.name = std::move(name);
  p.group = "quantization";
  p.summary =
      fmt::format("Compute in {} where its range allows, with as few Casts as can be", onnx_name(dtype));
  p.options = {
      {"keep", "what stays float32: roles, op types, node names with '*', joined by '+'", ""},
      {"io", "keep: inputs and outputs stay float32; convert", "keep"},
      {"data", "what shows the range of values: a .npz file, a folder of them, seeded, or none", "seeded"},
      {"headroom", "values may become so many times larger than the data showed", std::move(headroom)}};
  p.run = [dtype](PassContext& ctx, const PassOptions& o) { run(ctx, o, dtype); };
  return p;
}

}  // namespace

PassDef fp16() { return make(DType::F16, "fp16", "2"); }
PassDef bf16() { return make(DType::BF16, "bf16", "2"); }

}  // namespace lathe
