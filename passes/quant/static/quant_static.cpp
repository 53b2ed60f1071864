// quant-static: weights and activations by codes whose scales calibration fixes.
#include <fmt/format.h>

#include <algorithm>

#include "passes/fusion/split_slow.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/int8/sites.h"
#include "passes/quant/int8/smooth.h"
#include "passes/quant/static/static.h"
#include "passes/quant/tables.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

DType activations_of(const std::string& name) {
  return name == "uint8"    ? DType::U8
         : name == "int8"   ? DType::I8
         : name == "uint16" ? DType::U16
         : name == "int16"  ? DType::I16
                            : DType::F8E4M3FN;
}

RangeMethod method_of(const std::string& name) {
  return name == "minmax"       ? RangeMethod::minmax
         : name == "percentile" ? RangeMethod::percentile
         : name == "entropy"    ? RangeMethod::entropy
                                : RangeMethod::mse;
}

void run(PassContext& ctx, const PassOptions& o) {
  StaticOptions s;
  s.activations = activations_of(o.choice("activations", {"uint8", "int8", "uint16", "int16", "fp8"}));
  s.symmetric = o.flag("symmetric");
  s.weights = byte_format(o);
  s.ranges.method = method_of(o.choice("calibrate", {"minmax", "percentile", "entropy", "mse"}));
  s.ranges.percentile = o.number("percentile");
  if (!(s.ranges.percentile > 0 && s.ranges.percentile <= 100))
    fail_usage("pass 'quant-static': percentile={} is not between 0 and 100", s.ranges.percentile);
  s.data = o.text("data");
  s.correct = o.flag("correct");
  s.operators = o.choice("form", {"qdq", "qoperator"}) == "qoperator";
  if (s.operators && s.activations != DType::U8 && s.activations != DType::I8)
    fail_usage("pass 'quant-static': form=qoperator has ops on bytes only; activations={} wants form=qdq",
               o.text("activations"));
  const double power = smooth_option(ctx, o);
  const int64_t least = o.integer("min-elements");
  const std::string &keep = o.text("keep"), &embeddings = o.choice("embeddings", kTableBits);
  const Model& m = ctx.model;
  s.keep = [&](NodeId n) {
    const ValueId w = m[n].in.size() > 1 ? m[n].in[1] : ValueId{};
    const Tensor* t = w ? m.constant(w) : nullptr;
    if (t == nullptr) return stays_float(m[n].name, "", least, keep, least);
    return stays_float(m[n].name, m[w].name, t->count(), keep, least);
  };
  split_fused_weights(ctx, {.min_elements = least,
                            .embeddings = embeddings != "false",
                            .which = [&](NodeId n) { return !quantizes_attention(ctx, s, n); }});
  if (ctx.settings.target.has_contrib()) split_biases(ctx);
  split_convolutions(ctx);
  if (o.flag("equalize")) equalize(ctx, s.keep);
  // Not of Gemm: a Mul between it and the pools before it would end their chain of codes.
  const auto smoothed = [&](const WeightSite& site) {
    return (m[site.node].is("MatMul") || is_attention(m, site)) && s.keep(site.node).empty();
  };
  if (power > 0) smooth_inputs(ctx, {.power = power, .data = s.data, .choose = smoothed});
  quantize_static(ctx, s);
  if (embeddings == "false") return;
  constexpr int64_t kLeastTable = 1024;  // below, three more nodes save next to nothing
  quantize_tables(ctx, embeddings, s.operators ? Form::contrib : Form::standard, std::max(least, kLeastTable),
                  keep);
}

}  // namespace

PassDef quant_static() {
  PassDef p;
  p.name = "quant-static";
  p.group = "quantization";
  p.summary = "8-bit weights and activations, the activations' ranges fixed by calibration (QuantizeLinear)";
  p.options = {
      {"form", "qdq (QuantizeLinear, DequantizeLinear), qoperator (QLinearConv and its kin)", "qdq"},
      {"activations", "uint8, int8, uint16, int16 (opset 21), fp8 (E4M3FN, weights too; opset 19)", "uint8"},
      {"symmetric", "zero point of activations in the middle", "false"},
      {"weights", "int8, or uint8 with zero points", "int8"},
      {"per-channel", "a scale an output channel; false: one a weight", "true"},
      {"reduce-range", "7-bit weights, for x86 processors without VNNI", "false"},
      {"calibrate", "range of an activation: minmax, percentile, entropy, mse", "minmax"},
      {"percentile", "of elements inside the range, for calibrate=percentile", "99.999"},
      {"data", "calibration: a .npz file, a folder of them, or seeded", "seeded"},
      {"smooth", "SmoothQuant's power, of products: large channels are evened into the weights; 0: not",
       "0.7"},
      {"equalize", "cross-layer equalization of convolutions", "false"},
      {"correct", "take the mean error of each output back in its bias", "true"},
      {"keep", "names of nodes or weights that stay float, '*' any text, several by ';'", ""},
      {"embeddings", "tables: rows (8 bits, a scale a row), 8 or 4 (blocks); false: float", "rows"},
      {"min-elements", "leave smaller weights alone", "64"}};
  p.run = run;
  return p;
}

}  // namespace lathe
