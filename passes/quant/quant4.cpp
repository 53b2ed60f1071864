// 4-bit weights, float activations: MatMulNBits for matrices, GatherBlockQuantized for embedding tables.
// Norms, biases and small tensors stay as they are.
#include "passes/all_passes.h"
#include "passes/quant/weight_only.h"

namespace lathe {

PassDef quant4() {
  PassDef p;
  p.name = "quant4";
  p.group = "quantization";
  p.summary = "4-bit weights by blocks (MatMulNBits, GatherBlockQuantized), round to nearest";
  p.options = {
      {"block", "values that share a scale: 16, 32, 64, 128 or 256", "32"},
      {"symmetric", "zero point fixed in the middle; false: one zero point a block", "true"},
      {"scales", "float32, or float16 (smaller; a Cast that runtimes fold)", "float32"},
      {"embeddings", "quantize embedding tables too", "true"},
      {"min-elements", "leave smaller weights alone", "4096"},
      {"accuracy-level", "onnxruntime's accuracy_level: 0 unset, 1 float32, 4 int8 activations", "0"}};
  p.run = [](PassContext& ctx, const PassOptions& o) {
    WeightOnlyOptions w;
    w.scheme.bits = 4;
    w.scheme.block = std::stoll(o.choice("block", {"16", "32", "64", "128", "256"}));
    w.scheme.symmetric = o.flag("symmetric");
    w.scheme.half_scales = o.choice("scales", {"float32", "float16"}) == "float16";
    w.embeddings = o.flag("embeddings");
    w.min_elements = o.integer("min-elements");
    w.accuracy_level = std::stoll(o.choice("accuracy-level", {"0", "1", "2", "3", "4"}));
    split_fused_weights(ctx, w);
    quantize_weights(ctx, w);
  };
  return p;
}

}  // namespace lathe
