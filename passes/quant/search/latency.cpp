#include "passes/quant/search/latency.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "passes/analysis/cost.h"

namespace lathe {
namespace {

// Nanoseconds of CPU time, over two threads, of a product [m, k] x [k, n].
struct Kernel {
  double call, code, mac, value;

  double time(double m, double k, double n) const {
    return call + code * k * n + mac * m * k * n + value * m * k;
  }
};

// bench/latency.py, onnxruntime 1.31.1, Xeon at 2.5 GHz with AVX512-VNNI.
constexpr Kernel kMatMul = {3773, 0.3691, 0.016448, 0.3578};
constexpr Kernel kTwoBits = {12169, 6.8249, 0.015397, 0.7600};
constexpr Kernel kFourBits = {3458, 0.5697, 0.017049, 0.8178};
constexpr Kernel kFourBitsInt8 = {12769, 0.0432, 0.026190, 1.9901};  // accuracy_level 4
constexpr Kernel kEightBits = {394, 2.7414, 0.019210, 0};
constexpr Kernel kEightBitsInt8 = {22804, 0.0877, 0.017452, 0.9654};
constexpr Kernel kDynamic = {8158, 0.1067, 0.005643, 0.6994};  // DynamicQuantizeMatMul
constexpr Kernel kStatic = {8158, 0.1003, 0.005643, 0.5514};   // QuantizeLinear, MatMulIntegerToFloat
// Besides products and softmax, of an element of the result: Attention, and what Split and MultiHeadAttention
// add to that.
struct Parts {
  double call, value;
};
constexpr Parts kAttention = {25000, 4.9}, kSplitAttention = {25000, 3.6};

const Kernel& kernel_of(const LayerOption& o) {
  if (o.stays) return kMatMul;
  if (o.dynamic) return o.rule.scheme == "quant-static" ? kStatic : kDynamic;
  if (o.scheme.bits == 2) return kTwoBits;
  // Blocked DequantizeLinear, too, is run as MatMulNBits of accuracy_level 4.
  if (o.scheme.accuracy_level == 4 || o.scheme.form == Form::standard)
    return o.scheme.bits == 8 ? kEightBitsInt8 : kFourBitsInt8;
  return o.scheme.bits == 8 ? kEightBits : kFourBits;
}

// Everything but products: nanoseconds of a node, and of an element of its result.
Parts parts_of(std::string_view op) {
  struct Row {
    std::string_view op;
    Parts parts;
  };
  static constexpr Row kRows[] = {{"Add", {2900, 0.36}},
                                  {"Mul", {3000, 0.33}},
                                  {"Softmax", {3400, 0.64}},
                                  {"LayerNormalization", {6900, 0.97}},
                                  {"SkipLayerNormalization", {4900, 6.98}},
                                  {"Gelu", {9400, 1.26}},
                                  {"BiasGelu", {14100, 1.92}},
                                  {"Erf", {3200, 1.11}},
                                  {"Tanh", {3300, 0.63}},
                                  {"Sigmoid", {6000, 0.72}},
                                  {"Transpose", {6800, 0.51}}};
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.op == op; });
  return row != std::end(kRows) ? row->parts : kRows[0].parts;
}

struct Geometry {
  double m, k, n;
};

class Clock {
 public:
  Clock(const Model& m, const std::vector<WeightSite>& sites, const std::set<ValueId>& packed,
        const ModelCost& cost, int64_t length)
      : sites_(sites), packed_(packed) {
    Sizes sizes;
    for (const ValueId v : m.inputs(m.main()))
      if (m[v].type.shape) {
        bool first = true;
        for (const Dim d : *m[v].type.shape) {
          if (d.is_symbol()) sizes.try_emplace(d.symbol_name(), first ? 1 : length);
          first = false;
        }
      }
    std::map<NodeId, const WeightSite*> products;
    for (const WeightSite& s : sites)
      if (s.kind != WeightSite::Kind::table) products[s.node] = &s;
    for (const NodeCost& n : cost.nodes) {
      const auto macs = at(n.cost.macs, sizes), flops = at(n.cost.flops, sizes),
                 written = at(n.cost.written, sizes);
      if (!macs || !flops || !written) continue;
      const auto site = products.find(n.node);
      if (site != products.end()) {
        const auto k = static_cast<double>(site->second->k()), width = static_cast<double>(site->second->n());
        const Geometry g{static_cast<double>(*macs) / (k * width), k, width};
        geometry_[n.node] = g;
        all_ += kMatMul.time(g.m, g.k, g.n);
        if (packed_.contains(site->second->stored)) all_ -= in_parts(g);
        continue;
      }
      all_ += rest(m[n.node].type, static_cast<double>(*macs), static_cast<double>(*flops),
                   static_cast<double>(*written) / sizeof(float));
    }
  }

  double all() const { return all_; }
  // Of all products of a layer by this option, over their float time.
  double added(const Layer& l, const LayerOption& o) const {
    double ns = 0;
    for (const size_t i : l.sites)
      if (const auto it = geometry_.find(sites_[i].node); it != geometry_.end()) {
        const auto& [m, k, n] = it->second;
        ns += kernel_of(o).time(m, k, n) - kMatMul.time(m, k, n);
        if (o.dynamic) ns += of(parts_of("Mul"), m * k);  // evens the channels
        if (!o.dynamic && packed_.contains(sites_[i].stored)) ns += in_parts(it->second);
      }
    return ns;
  }

 private:
  static double of(const Parts& p, double elements) { return p.call + p.value * elements; }
  // What an Attention loses whose product [m, k] x [k, 3 width] stands alone.
  static double in_parts(const Geometry& g) { return of(kSplitAttention, g.m * g.n / 3); }

  static double rest(std::string_view op, double macs, double flops, double elements) {
    if (macs > 0) {  // of attention: besides products a softmax, of 5 operations an element (cost.h)
      constexpr double kSoftmax = 5;
      double ns = kMatMul.mac * macs + of(parts_of("Softmax"), std::max(flops - 2 * macs, 0.0) / kSoftmax);
      if (op != "MatMul") ns += of(kAttention, elements) + of(kSplitAttention, elements);
      return ns;
    }
    return elements > 0 ? of(parts_of(op), elements) : 0;
  }

  const std::vector<WeightSite>& sites_;
  const std::set<ValueId>& packed_;
  double all_ = 0;
  std::map<NodeId, Geometry> geometry_;
};

}  // namespace

void set_times(const Model& m, const std::vector<WeightSite>& sites, const std::set<ValueId>& packed,
               std::vector<Layer>& layers) {
  const ModelCost cost = analyze_cost(m);
  for (size_t at = 0; at < kLatencyLengths.size(); ++at) {
    const Clock clock(m, sites, packed, cost, kLatencyLengths[at]);
    if (clock.all() <= 0) continue;
    for (Layer& l : layers)
      for (LayerOption& o : l.options) o.time[at] = clock.added(l, o) / clock.all();
  }
}

}  // namespace lathe
