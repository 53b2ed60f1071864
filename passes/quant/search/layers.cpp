#include "passes/quant/search/layers.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "ir/ops/convert.h"
#include "ir/ops/math/gemm_kernel.h"
#include "passes/quant/int8/bytes.h"
#include "passes/quant/policy_pass.h"

namespace lathe {
namespace {

Tensor transposed(const Tensor& t) {
  Tensor out = Tensor::uninitialized(t.dtype, {t.dims[1], t.dims[0]});
  const auto unit = static_cast<int64_t>(bit_width(t.dtype) / 8);
  for (int64_t i = 0; i < t.dims[0]; ++i)
    for (int64_t j = 0; j < t.dims[1]; ++j)
      std::memcpy(out.mutable_bytes().data() + (j * t.dims[0] + i) * unit,
                  t.bytes().data() + (i * t.dims[1] + j) * unit, static_cast<size_t>(unit));
  return out;
}

PolicyRule rule_of(int bits, int64_t block, Rounding rounding) {
  PolicyRule r;
  r.scheme = fmt::format("quant{}", bits);
  r.weight_only =
      Scheme{.bits = bits, .block = block, .symmetric = false, .scales = DType::F16, .rounding = rounding};
  return r;
}

}  // namespace

int64_t stored_bytes(const Scheme& s, int64_t k, int64_t n) {
  const int64_t blocks = (k + s.block - 1) / s.block;
  const int64_t unit = static_cast<int64_t>(bit_width(s.scales) / 8);
  const bool row = s.form == Form::standard && s.block >= k;
  int64_t codes = checked_mul(n, row ? (k * s.bits + 7) / 8 : checked_mul(blocks, s.block * s.bits / 8));
  codes += checked_mul(n, blocks * unit);
  if (!s.symmetric) codes += checked_mul(n, s.float_zero ? blocks * unit : (blocks * s.bits + 7) / 8);
  return codes;
}

LayerSearch::LayerSearch(const Model& m, const std::vector<WeightSite>& sites, LayerSearchOptions options)
    : m_(m), sites_(sites), o_(std::move(options)) {
  std::map<ValueId, int64_t> wanted;
  for (const WeightSite& s : sites_)
    if (s.kind != WeightSite::Kind::table && s.refusal.empty() && s.weight->count() >= o_.min_elements)
      wanted.emplace(s.input, s.channel_axis());
  if (wanted.empty()) return;
  check_ = calibrate(m_, wanted, o_.check, true, o_.seed);
  if (!o_.learn.empty()) learn_ = calibrate(m_, wanted, o_.learn, true, o_.seed);
}

std::vector<LayerOption> LayerSearch::options_of(const Layer& layer) const {
  const WeightSite& s = sites_[layer.sites.front()];
  const Rounding few = layer.table || o_.learn.empty() ? Rounding::mse : Rounding::gptq;
  std::vector<PolicyRule> rules;
  if (o_.two_bits && !layer.table) rules.push_back(rule_of(2, 16, few));
  for (const int64_t block : {128, 64, 32, 16})
    if (layer.table || block <= 64) rules.push_back(rule_of(4, block, few));
  rules.push_back(rule_of(8, 128, Rounding::mse));
  std::vector<LayerOption> options;
  for (PolicyRule& r : rules) {
    if (layer.table && s.k() * r.weight_only->bits % 8 != 0) continue;
    if (layer.table && layer.sites.size() > 1 && s.k() % r.weight_only->block != 0) continue;
    LayerOption o;
    o.scheme = *r.weight_only;
    if (s.weight->dtype != DType::F32) o.scheme.scales = s.weight->dtype;
    o.rule = std::move(r);
    o.bytes = stored_bytes(o.scheme, s.k(), s.n());
    options.push_back(std::move(o));
  }
  if (layer.gates.blocks) {
    LayerOption o;
    o.blocks = true;
    o.rule = rule_of(8, kGateBlock, Rounding::mse);
    o.rule.weight_only->accuracy_level = 4;
    o.scheme = *o.rule.weight_only;
    o.bytes = stored_bytes(o.scheme, s.k(), s.n());
    options.push_back(std::move(o));
  }
  if (layer.gates.whole) {
    LayerOption o;
    o.dynamic = true;
    o.rule.scheme = o_.bytes_scheme;
    constexpr int64_t kScaleAndZero = 5;  // float32 and int8, a column
    o.bytes = s.weight->count() + kScaleAndZero * s.n();
    options.push_back(std::move(o));
  }
  LayerOption stays;
  stays.stays = true;
  stays.rule.scheme = "float";
  for (const ValueId v : layer.constants) stays.bytes += static_cast<int64_t>(m_.constant(v)->byte_size());
  options.push_back(std::move(stays));
  return options;
}

std::vector<Layer> LayerSearch::layers() {
  std::map<const void*, Layer> by_bytes;
  std::vector<const void*> order;
  const std::vector<NodeId> top = m_.nodes(m_.main());
  const std::set<NodeId> main(top.begin(), top.end());
  std::set<const void*> odd;  // something about them keeps them out
  for (size_t i = 0; i < sites_.size(); ++i) {
    const WeightSite& s = sites_[i];
    const void* bytes = s.weight->bytes().data();
    if (!by_bytes.contains(bytes)) order.push_back(bytes);
    Layer& l = by_bytes[bytes];
    if (!l.sites.empty() && sites_[l.sites.front()].transposed != s.transposed) odd.insert(bytes);
    l.sites.push_back(i);
    l.table = l.table || s.kind == WeightSite::Kind::table;
    const ValueId own = m_[s.node].in[s.kind == WeightSite::Kind::table ? 0 : 1];
    for (const ValueId v : {s.stored, own})
      if (m_.constant(v) != nullptr &&
          std::find(l.constants.begin(), l.constants.end(), v) == l.constants.end())
        l.constants.push_back(v);
    const DType t = s.weight->dtype;
    if (!s.refusal.empty() || s.weight->count() < o_.min_elements || !main.contains(s.node) ||
        (t != DType::F32 && t != DType::F16 && t != DType::BF16))
      odd.insert(bytes);
  }
  std::vector<Layer> out;
  for (const void* bytes : order) {
    if (odd.contains(bytes)) continue;
    Layer& l = by_bytes[bytes];
    const auto gate = o_.gates.find(sites_[l.sites.front()].node);
    if (l.sites.size() == 1 && gate != o_.gates.end()) l.gates = gate->second;
    l.options = options_of(l);
    measure(l);
    if (l.options.size() > 1) out.push_back(std::move(l));
  }
  return out;
}

// Second moments of everything that the weight is multiplied with; empty for a table alone, from which rows
// are picked: each counts the same.
InputStats LayerSearch::inputs_of(const Layer& layer, const std::map<ValueId, InputStats>& stats) const {
  InputStats sum;
  std::set<ValueId> seen;
  const int64_t k = sites_[layer.sites.front()].k();
  for (const size_t i : layer.sites) {
    const auto it = stats.find(sites_[i].input);
    if (sites_[i].kind == WeightSite::Kind::table || it == stats.end() || it->second.k != k ||
        !seen.insert(sites_[i].input).second)
      continue;
    if (sum.k == 0) {
      sum = it->second;
      continue;
    }
    for (size_t j = 0; j < sum.square.size(); ++j) sum.square[j] += it->second.square[j];
    for (size_t j = 0; j < sum.gram.size(); ++j) sum.gram[j] += it->second.gram[j];
  }
  return sum;
}

void LayerSearch::measure(Layer& layer) {
  const WeightSite& s = sites_[layer.sites.front()];
  const int64_t k = s.k(), n = s.n();
  const InputStats sum = inputs_of(layer, check_), learnt = inputs_of(layer, learn_);
  GptqFactor factor;
  const auto squares = [&](const Tensor& d) {  // of the products of the matrix d, [K, N] or [N, K]
    const float* p = d.data<float>().data();
    double total = 0;
    if (sum.gram.empty()) {
      for (int64_t i = 0; i < k * n; ++i) total += static_cast<double>(p[i]) * p[i];
      return total;
    }
    Tensor product = Tensor::uninitialized(DType::F32, d.dims);
    float* q = product.mutable_data<float>().data();
    if (s.transposed)
      gemm_batch(Gemm<float>{false, false, n, k, k, 1, 0, k, k, k}, p, sum.gram.data(), q, {{0, 0, 0}});
    else
      gemm_batch(Gemm<float>{false, false, k, n, k, 1, 0, k, n, n}, sum.gram.data(), p, q, {{0, 0, 0}});
    for (int64_t i = 0; i < k * n; ++i) total += static_cast<double>(p[i]) * q[i];
    return std::max(total, 0.0);
  };
  const Tensor w = convert(s.weight->aligned(), DType::F32);
  layer.energy = squares(w);
  for (LayerOption& o : layer.options) {
    if (o.stays) continue;
    if (o.dynamic) {
      o.dense = dequantize_bytes(quantize_bytes(*s.weight, s.transposed, {}));
      if (s.transposed) o.dense = transposed(o.dense);
      continue;
    }
    try {
      WeightInput input;
      if (o.scheme.rounding == Rounding::gptq && !learnt.gram.empty()) {
        if (factor.upper.empty()) factor = gptq_factor(learnt.gram, k, o_.damping);
        input = {learnt.square, &factor};
      } else if (learnt.k == k && !layer.table) {
        input = {learnt.square, nullptr};
      }
      auto q = std::make_shared<const NBitsWeight>(quantize_nbits(*s.weight, s.transposed, o.scheme, input));
      Tensor d = dequantize_nbits(*q, k, n, s.transposed, o.scheme);
      const float* original = w.data<float>().data();
      float* p = d.mutable_data<float>().data();
      for (int64_t i = 0; i < k * n; ++i) p[i] = original[i] - p[i];
      o.local = squares(d);
      o.stored = std::move(q);
    } catch (const Error&) {
      o.bytes = -1;  // the weight has values that the scheme cannot hold
    }
  }
  std::erase_if(layer.options, [](const LayerOption& o) { return o.bytes < 0; });
}

ConstantChange LayerSearch::changed(const Layer& layer, const LayerOption& option) const {
  ConstantChange out;
  if (option.stays) return out;
  if (option.dynamic) out[layer.gates.whole] = Tensor::full(DType::Bool, {}, 1);
  if (option.blocks) out[layer.gates.blocks] = Tensor::full(DType::Bool, {}, 1);
  const WeightSite& s = sites_[layer.sites.front()];
  const Tensor w = option.dynamic
                       ? option.dense
                       : convert(dequantize_nbits(*option.stored, s.k(), s.n(), s.transposed, option.scheme),
                                 s.weight->dtype);
  for (const ValueId v : layer.constants) {
    const Tensor& original = *m_.constant(v);
    const bool twin = v != s.stored && original.dims != s.weight->dims && original.rank() == 2;
    out[v] = twin ? transposed(w) : w.reshaped(original.dims);
  }
  return out;
}

}  // namespace lathe
