#include "passes/quant/search/latency.h"

#include <map>

#include "passes/analysis/cost.h"

namespace lathe {
namespace {

// DynamicQuantizeMatMul, its rounding of activations included.
constexpr double kDynamic = 0.35;

// Time of a product of this scheme, over the same product in float.
double relative_time(const Scheme& s) {
  if (s.form == Form::standard) return 1.15;  // unpacked, then multiplied in float
  if (s.bits == 8) return 1.0;
  if (s.bits == 4) return s.block == 16 ? 1.0 : 0.9;
  return 1.3;
}

}  // namespace

void set_times(const Model& m, const std::vector<WeightSite>& sites, std::vector<Layer>& layers) {
  constexpr int64_t kTokens = 128;
  const ModelCost cost = analyze_cost(m);
  Sizes sizes;
  for (const ValueId v : m.inputs(m.main()))
    if (m[v].type.shape) {
      bool first = true;
      for (const Dim d : *m[v].type.shape) {
        if (d.is_symbol()) sizes.try_emplace(d.symbol_name(), first ? 1 : kTokens);
        first = false;
      }
    }
  std::map<NodeId, double> flops;
  double all = 0;
  for (const NodeCost& n : cost.nodes) {
    const auto f = at(n.cost.flops, sizes);
    if (!f) continue;
    flops[n.node] += static_cast<double>(*f);
    all += static_cast<double>(*f);
  }
  for (Layer& l : layers)
    for (LayerOption& o : l.options) {
      o.time = 0;
      if (o.stays || all <= 0) continue;
      for (const size_t i : l.sites)
        if (sites[i].kind != WeightSite::Kind::table)
          o.time += ((o.dynamic ? kDynamic : relative_time(o.scheme)) - 1) * flops[sites[i].node] / all;
    }
}

}  // namespace lathe
