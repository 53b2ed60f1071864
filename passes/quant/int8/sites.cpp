#include "passes/quant/int8/sites.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/core/walk.h"
#include "passes/quant/glob.h"

namespace lathe {
namespace {

WeightSite attention_site(const Model& m, NodeId n) {
  const Node& node = m[n];
  WeightSite s;
  s.node = n;
  s.taken = {n};
  s.input = node.input(0);
  s.stored = node.input(1);
  s.weight = m.constant_ptr(s.stored);
  s.bias = node.input(2);
  s.result = node.output(0);
  return s;
}

}  // namespace

std::vector<WeightSite> find_byte_sites(const Model& m) {
  std::vector<WeightSite> products = find_weight_sites(m), all;
  std::erase_if(products, [](const WeightSite& s) { return s.kind != WeightSite::Kind::product; });
  auto next = products.begin();
  for (const GraphId g : nested_graphs(m, m.main()))
    for (const NodeId n : m.nodes(g)) {
      if (next != products.end() && next->node == n) {
        all.push_back(std::move(*next++));
      } else if (m[n].is("Attention", "com.microsoft")) {
        WeightSite s = attention_site(m, n);
        if (s.input && s.result && s.weight && s.weight->rank() == 2) all.push_back(std::move(s));
      }
    }
  return all;
}

std::string kept_by(std::string_view node, std::string_view weight, std::string_view patterns) {
  while (!patterns.empty()) {
    const size_t end = std::min(patterns.find(';'), patterns.size());
    const std::string_view one = patterns.substr(0, end);
    if (!one.empty() && (glob_matches(one, node) || glob_matches(one, weight))) return std::string(one);
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
  }
  return {};
}

std::string stays_float(std::string_view node, std::string_view weight, int64_t elements,
                        std::string_view keep, int64_t least) {
  if (const std::string by = kept_by(node, weight, keep); !by.empty())
    return fmt::format("'{}' keeps it", by);
  return too_small(elements, least);
}

}  // namespace lathe
