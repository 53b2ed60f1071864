// quant2, quant4, quant8: weights of so many bits, float activations. Norms, biases and small tensors stay.
#include <fmt/format.h>

#include "passes/all_passes.h"
#include "passes/quant/expand_quantized.h"
#include "passes/quant/rounding/gptq.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

struct Defaults {
  int bits;
  const char *block, *symmetric, *rounding, *embeddings, *embedding_block, *what;
};

Rounding rounding_of(const std::string& name) {
  if (name == "rtn") return Rounding::rtn;
  if (name == "mse") return Rounding::mse;
  if (name == "gptq") return Rounding::gptq;
  return name == "hqq" ? Rounding::hqq : Rounding::awq;
}

DType scales_of(const std::string& name) {
  return name == "float32" ? DType::F32 : name == "float16" ? DType::F16 : DType::BF16;
}

void run(PassContext& ctx, const PassOptions& o, int bits) {
  const std::vector<std::string> blocks = {"16", "32", "64", "128", "256"};
  Scheme s;
  s.bits = bits;
  s.block = std::stoll(o.choice("block", blocks));
  s.symmetric = o.flag("symmetric");
  s.float_zero = !s.symmetric && o.choice("zero-points", {"integer", "float"}) == "float";
  s.scales = scales_of(o.choice("scales", {"float32", "float16", "bfloat16"}));
  s.rounding = rounding_of(o.choice("rounding", {"rtn", "mse", "hqq", "gptq", "awq"}));
  s.form = o.choice("form", {"contrib", "standard"}) == "standard" ? Form::standard : Form::contrib;
  s.accuracy_level = std::stoll(o.choice("accuracy-level", {"0", "1", "2", "3", "4"}));
  Scheme table = s;
  table.float_zero = false;
  if (s.rounding == Rounding::gptq || s.rounding == Rounding::awq)
    table.rounding = Rounding::mse;  // rows are picked, not multiplied
  std::string embeddings = o.choice("embeddings", {"2", "4", "8", "rows", "true", "false"});
  if (embeddings == "true") embeddings = s.form == Form::standard ? "8" : std::to_string(bits);
  table.block = std::stoll(o.choice("embedding-block", blocks));
  if (embeddings == "rows") {
    table.form = Form::standard;
    table.symmetric = true;
    table.block = int64_t{1} << 20;  // a whole row
    table.bits = 8;
  } else if (embeddings != "false") {
    table.bits = std::stoi(embeddings);
  }
  const int64_t least = o.integer("min-elements");
  WeightOnlyOptions w;
  w.data = o.text("data");
  w.damping = gptq_damping(damping_option(ctx, o), w.data);
  w.choose = [&](const WeightSite& site) -> SiteChoice {
    if (std::string why = too_small(site.weight->count(), least); !why.empty()) return {{}, std::move(why)};
    if (site.kind == WeightSite::Kind::table)
      return embeddings == "false" ? SiteChoice{} : SiteChoice{table, {}};
    return {s, {}};
  };
  if (o.flag("requantize")) expand_quantized(ctx);
  split_fused_weights(ctx, {.min_elements = least, .embeddings = embeddings != "false"});
  quantize_weights(ctx, w);
  split_packed_products(ctx);
}

PassDef make(const Defaults& d) {
  PassDef p;
  p.name = fmt::format("quant{}", d.bits);
  p.group = "quantization";
  p.summary = fmt::format("{}-bit weights by blocks (MatMulNBits, GatherBlockQuantized){}", d.bits, d.what);
  p.options = {
      {"block", "values that share a scale: 16, 32, 64, 128 or 256", d.block},
      {"symmetric", "zero point fixed in the middle; false: one zero point a block", d.symmetric},
      {"scales", "float32; float16 or bfloat16 (smaller; a Cast that runtimes fold)", "float16"},
      {"zero-points", "integer, or float (between codes: closer, larger, slower)", "integer"},
      {"rounding", "rtn, mse (search for the best scale), hqq, gptq, awq (these two calibrate)", d.rounding},
      {"data", "calibration: a .npz file, a folder of them, or seeded; empty: seeded where needed", ""},
      {"damping", "of GPTQ: fraction of the mean second moment; 0: 0.03, on seeded data 0.1", "0"},
      {"form", "contrib (com.microsoft), standard (DequantizeLinear of opset 21)", "contrib"},
      {"embeddings", "bits of embedding tables (2, 4, 8); rows: int8 with a scale a row; true, false",
       d.embeddings},
      {"embedding-block", "values of a table row that share a scale", d.embedding_block},
      {"requantize", "weights that are quantized already too (from what they have become)", "false"},
      {"min-elements", "leave smaller weights alone", "4096"},
      {"accuracy-level", "onnxruntime's accuracy_level: 0 unset, 1 float32, 4 int8 activations", "0"}};
  const int bits = d.bits;
  p.run = [bits](PassContext& ctx, const PassOptions& o) { run(ctx, o, bits); };
  return p;
}

}  // namespace

PassDef quant2() { return make({2, "16", "false", "mse", "4", "64", ""}); }
PassDef quant4() { return make({4, "16", "false", "mse", "true", "64", ""}); }
PassDef quant8() { return make({8, "128", "false", "mse", "4", "128", ", tables of 4 bits"}); }

}  // namespace lathe
