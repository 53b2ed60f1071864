// quant-dynamic: weights as bytes, activations as bytes by the range that they have while the model runs.
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/fusion/split_slow.h"
#include "passes/quant/int8/dynamic.h"
#include "passes/quant/int8/sites.h"
#include "passes/quant/int8/smooth.h"
#include "passes/quant/static/static.h"
#include "passes/quant/tables.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

void run(PassContext& ctx, const PassOptions& o) {
  DynamicOptions d;
  d.format = byte_format(o);
  d.form =
      o.choice("form", {"contrib", "standard"}) == "contrib" ? DynamicForm::contrib : DynamicForm::standard;
  d.correct = o.flag("correct");
  d.data = o.text("data");
  const int64_t least = o.integer("min-elements");
  const std::string& keep = o.text("keep");
  const std::string& embeddings = o.choice("embeddings", kTableBits);
  const double power = smooth_option(ctx, o);
  const Model& m = ctx.model;
  d.keep = [&](const WeightSite& s) {
    return stays_float(m[s.node].name, m[s.stored].name, s.weight->count(), keep, least);
  };
  const auto not_whole = [&](NodeId n) {
    return d.form != DynamicForm::contrib || !attention_refusal(ctx, n).empty();
  };
  split_fused_weights(ctx, {.min_elements = least, .embeddings = false, .which = not_whole});
  if (ctx.settings.target.has_contrib()) split_biases(ctx);
  if (power > 0)
    smooth_inputs(ctx, {.power = power, .data = d.data, .padded = true, .choose = [&](const WeightSite& s) {
                          return d.keep(s).empty();
                        }});
  quantize_dynamic(ctx, d);
  if (o.flag("conv")) {
    split_convolutions(ctx);
    quantize_convolutions(ctx, d);
  }
  quantize_recurrent(ctx, d);
  if (embeddings == "false") return;
  split_fused_weights(ctx, {.min_elements = least, .attention = false});
  if (ctx.settings.target.has_contrib()) split_biases(ctx);
  quantize_tables(ctx, embeddings, d.form == DynamicForm::contrib ? Form::contrib : Form::standard, least,
                  keep);
}

}  // namespace

PassDef quant_dynamic() {
  PassDef p;
  p.name = "quant-dynamic";
  p.group = "quantization";
  p.summary =
      "8-bit weights, activations rounded to 8 bits by their range at run time (DynamicQuantizeMatMul)";
  p.options = {
      {"weights", "int8, or uint8 with zero points", "int8"},
      {"per-channel", "a scale an output channel; false: one a weight", "true"},
      {"reduce-range", "7-bit weights, for x86 processors without VNNI", "false"},
      {"smooth", "SmoothQuant's power: large channels of activations are evened into the weights; 0: not",
       "0.7"},
      {"correct", "take the mean error of each output back in its bias", "true"},
      {"data", "calibration of both: a .npz file, a folder of them, or seeded", "seeded"},
      {"keep", "names of nodes or weights that stay float, '*' any text, several by ';'", ""},
      {"form", "contrib (com.microsoft), standard (MatMulInteger)", "contrib"},
      {"conv", "convolutions too (ConvInteger: smaller, in onnxruntime seldom faster)", "true"},
      {"embeddings", "tables: rows (8 bits, a scale a row), 8 or 4 (blocks); false: float", "rows"},
      {"min-elements", "leave smaller weights alone", "1024"}};
  p.run = run;
  return p;
}

}  // namespace lathe
