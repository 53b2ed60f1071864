#include "passes/quant/forecast.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "ir/core/walk.h"
#include "passes/quant/search/layers.h"
#include "passes/quant/sites.h"

namespace lathe {
namespace {

// A weight that is stored once, and how it is read.
struct Weight {
  const WeightSite* site = nullptr;
  int64_t bytes = 0;  // all copies: a tied head may be a transposed twin
  bool table = false, product = false;
};

std::vector<Weight> weights(const Model& m, const std::vector<WeightSite>& sites, int64_t min_elements) {
  std::map<const void*, size_t> known;
  std::vector<Weight> out;
  std::set<ValueId> counted;
  for (const WeightSite& s : sites) {
    const DType t = s.weight->dtype;
    if (!s.refusal.empty() || s.weight->count() < std::max<int64_t>(min_elements, 1)) continue;
    if (t != DType::F32 && t != DType::F16 && t != DType::BF16) continue;
    const auto [it, fresh] = known.try_emplace(s.weight->bytes().data(), out.size());
    if (fresh) out.push_back({.site = &s});
    Weight& w = out[it->second];
    const bool table = s.kind == WeightSite::Kind::table;
    (table ? w.table : w.product) = true;
    const ValueId read = m[s.node].in[table ? 0 : 1];
    const ValueId own = m.constant(read) != nullptr ? read : s.stored;
    if (counted.insert(own).second) w.bytes += static_cast<int64_t>(m.constant(own)->byte_size());
  }
  return out;
}

constexpr int64_t kWholeRow = int64_t{1} << 20;
// Names, types and nodes of what replaces one weight.
constexpr int64_t kAround = 320;

Scheme scheme(int bits, int64_t block, bool symmetric = false) {
  return {.bits = bits, .block = block, .symmetric = symmetric, .scales = DType::F16};
}

Scheme rows() {
  Scheme s = scheme(8, kWholeRow, true);
  s.form = Form::standard;
  return s;
}

}  // namespace

std::vector<Forecast> forecast(const Model& m, int64_t bytes, int64_t min_elements) {
  const std::vector<WeightSite> sites = find_weight_sites(m);
  const std::vector<Weight> all = weights(m, sites, min_elements);
  int64_t floats = 0;  // bytes of float32 constants
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers)
      if (const Tensor* t = m.constant(v); t != nullptr && t->dtype == DType::F32)
        floats += static_cast<int64_t>(t->byte_size());
  using Choice = std::function<std::optional<Scheme>(const Weight&)>;
  const auto quantized = [&](const Choice& choose, int64_t& left) {
    int64_t total = bytes;
    for (const Weight& w : all) {
      std::optional<Scheme> s = choose(w);
      if (!s) continue;
      if (w.table && s->form == Form::contrib && w.site->k() * s->bits % 8 != 0) continue;
      if (w.site->weight->dtype != DType::F32) s->scales = w.site->weight->dtype;
      total += stored_bytes(*s, w.site->k(), w.site->n()) + kAround - w.bytes;
      if (w.site->weight->dtype == DType::F32) left -= w.bytes;
    }
    return total;
  };
  std::vector<Forecast> out = {{"", "as it is", bytes}};
  const auto add = [&](std::string passes, std::string what, const Choice& choose, bool halves = false) {
    int64_t left = floats;
    const int64_t total = quantized(choose, left);
    out.push_back({std::move(passes), std::move(what), halves ? total - left / 2 : total});
  };
  const auto by_kind = [](Scheme product, std::optional<Scheme> table) -> Choice {
    return [=](const Weight& w) { return w.product ? std::optional(product) : table; };
  };
  const Choice none = [](const Weight&) { return std::nullopt; };
  add("fuse,fp16", "float16", none, true);
  add("fuse,bf16", "bfloat16", none, true);
  add("fuse,quant8{embeddings=false}", "8-bit matrices, tables in float",
      by_kind(scheme(8, 128), std::nullopt));
  add("fuse,quant8{embeddings=rows}", "8-bit matrices, int8 tables with a scale a row",
      by_kind(scheme(8, 128), rows()));
  add("fuse,quant8", "8-bit matrices, 4-bit tables", by_kind(scheme(8, 128), scheme(4, 128)));
  add("fuse,quant4{embeddings=false}", "4-bit matrices, tables in float",
      by_kind(scheme(4, 16), std::nullopt));
  add("fuse,quant4{embeddings=8}", "4-bit matrices, 8-bit tables", by_kind(scheme(4, 16), scheme(8, 64)));
  add("fuse,quant4", "4-bit matrices and tables", by_kind(scheme(4, 16), scheme(4, 64)));
  add("fuse,quant4{block=32}", "4 bits, larger blocks", by_kind(scheme(4, 32), scheme(4, 64)));
  add("fuse,quant4{block=128}", "4 bits, much larger blocks", by_kind(scheme(4, 128), scheme(4, 64)));
  add("fuse,q4f16", "4 bits, the rest in float16", by_kind(scheme(4, 16), scheme(4, 64)), true);
  add("fuse,quant2", "2-bit matrices, 4-bit tables", by_kind(scheme(2, 16), scheme(4, 64)));
  int64_t dynamic = bytes;
  for (const Weight& w : all)
    if (w.table && !w.product) {
      dynamic += stored_bytes(rows(), w.site->k(), w.site->n()) + kAround - w.bytes;
    } else if (w.product && !w.table && w.site->kind == WeightSite::Kind::product) {
      const int64_t elements = w.site->weight->count();
      constexpr int64_t kScaleAndZero = 5;  // float32 and int8, a column
      dynamic += elements + kScaleAndZero * w.site->n() + kAround - w.bytes;
    }
  out.push_back({"fuse,quant-dynamic", "INT8 matrices and activations, int8 tables", dynamic});
  std::stable_sort(out.begin(), out.end(),
                   [](const Forecast& a, const Forecast& b) { return a.bytes > b.bytes; });
  return out;
}

}  // namespace lathe
