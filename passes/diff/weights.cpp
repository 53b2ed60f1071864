#include "passes/diff/weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "ir/base/mapped_file.h"
#include "ir/base/parallel.h"
#include "ir/core/walk.h"
#include "passes/diff/colors.h"
#include "passes/diff/hunk_weights.h"
#include "passes/diff/text.h"

namespace lathe::diff {
namespace {

bool has_bytes(const Tensor& t) { return t.dtype == DType::String || !t.bytes().empty() || t.count() == 0; }

// The same range of the same file.
bool same_place(const Tensor& a, const Tensor& b) {
  if (a.bytes().data() == b.bytes().data()) return true;
  const auto &sa = a.spelling, &sb = b.spelling;
  if (!sa || !sb || !sa->file || !sb->file || sa->mapped == nullptr || sb->mapped == nullptr) return false;
  return sa->file->identity() == sb->file->identity() &&
         sa->file->identity() != std::pair<uint64_t, uint64_t>() &&
         sa->mapped - sa->file->bytes().data() == sb->mapped - sb->file->bytes().data();
}

bool equal_bytes(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.dims != b.dims || a.bytes().size() != b.bytes().size()) return false;
  if (a.dtype == DType::String) return a.strings() == b.strings();
  if (same_place(a, b)) return true;
  constexpr int64_t kChunk = 1 << 20;
  const auto size = static_cast<int64_t>(a.bytes().size());
  std::atomic<bool> equal = true;
  parallel_for((size + kChunk - 1) / kChunk, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && equal; ++i) {
      const int64_t at = i * kChunk;
      if (std::memcmp(a.bytes().data() + at, b.bytes().data() + at,
                      static_cast<size_t>(std::min(kChunk, size - at))) != 0)
        equal = false;
    }
  });
  return equal;
}

class Comparison {
 public:
  Comparison(const Model& a, const Model& b, const Alignment& al, Changes& changes,
             const WeightOptions& options)
      : a_(a), b_(b), al_(al), changes_(changes), options_(options), pa_(a), pb_(b) {}

  Weights run() {
    out_.read = options_.read;
    std::vector<const ConstantPair*> differ;
    for (const ConstantPair& p : changes_.constants) {
      taken_a_.insert(p.a);
      taken_b_.insert(p.b);
      if (same(p))
        ++out_.same;
      else
        differ.push_back(&p);
    }
    for (const ConstantPair* p : differ)
      if (!is_swap(*p)) change(*p);
    HunkWeights(a_, b_, changes_, options_).run(out_, taken_a_, taken_b_);
    leftovers();
    std::stable_sort(
        out_.changes.begin(), out_.changes.end(),
        [](const WeightChange& x, const WeightChange& y) { return x.stats.relative > y.stats.relative; });
    return std::move(out_);
  }

 private:
  bool same(const ConstantPair& p) {
    const Tensor &x = *a_.constant(p.a), &y = *b_.constant(p.b);
    if (x.dtype != y.dtype || x.dims != y.dims) return false;
    if (!has_bytes(x) || !has_bytes(y) || !options_.read) return !is_small_constant(x) || same_content(x, y);
    const bool equal = equal_bytes(x, y);
    if (equal && options_.done) {
      options_.done(x.bytes());
      options_.done(y.bytes());
    }
    return equal;
  }

  // The node reads another weight, and both models have both.
  bool is_swap(const ConstantPair& p) {
    if (!options_.read) return false;
    if (by_color_a_.empty()) {
      index(a_, pa_, by_color_a_);
      index(b_, pb_, by_color_b_);
    }
    const auto has = [](const auto& by_color, const Model& m, uint64_t color, const Tensor& t) {
      const auto it = by_color.find(color);
      if (it == by_color.end()) return false;
      return std::any_of(it->second.begin(), it->second.end(),
                         [&](ValueId v) { return equal_bytes(*m.constant(v), t); });
    };
    const Tensor &x = *a_.constant(p.a), &y = *b_.constant(p.b);
    if (!has_bytes(x) || !has_bytes(y) || !has(by_color_b_, b_, pa_.constant(p.a, Detail::weights), x) ||
        !has(by_color_a_, a_, pb_.constant(p.b, Detail::weights), y))
      return false;
    for (const auto& [node, slot] : p.uses) rewire(node, {slot, input_label(a_, node, slot), p.a, p.b});
    return true;
  }

  void rewire(NodeId n, InputChange input) {
    auto it = std::find_if(changes_.nodes.begin(), changes_.nodes.end(),
                           [&](const NodeChange& c) { return c.a == n; });
    if (it == changes_.nodes.end())
      it = changes_.nodes.insert(changes_.nodes.end(), NodeChange{n, al_.a_to_b[n.v], {}, {}, {}});
    it->rewired.push_back(std::move(input));
  }

  static void index(const Model& m, Palette& p,
                    std::unordered_map<uint64_t, std::vector<ValueId>>& by_color) {
    for (uint32_t v = 0; v < m.value_capacity(); ++v)
      if (const ValueId id{v}; !m[id].erased && !m[id].uses.empty() && m.constant(id) != nullptr)
        by_color[p.constant(id, Detail::weights)].push_back(id);
  }

  void change(const ConstantPair& p) {
    const Tensor &x = *a_.constant(p.a), &y = *b_.constant(p.b);
    WeightChange c;
    c.a = p.a;
    c.b = p.b;
    c.name_a = a_[p.a].name;
    c.name_b = b_[p.b].name;
    c.dims_a = x.dims;
    c.dims_b = y.dims;
    c.stored_a = onnx_name(x.dtype);
    c.stored_b = onnx_name(y.dtype);
    c.bytes_a = byte_count(x.dtype, x.count());
    c.bytes_b = byte_count(y.dtype, y.count());
    c.uses = p.uses.size();
    c.kind = x.dims != y.dims     ? WeightChange::Kind::shape
             : x.dtype != y.dtype ? WeightChange::Kind::type
                                  : WeightChange::Kind::values;
    const auto wa = plain_weight(a_, p.a), wb = plain_weight(b_, p.b);
    if (c.kind != WeightChange::Kind::shape && options_.read) {
      if (wa && wb) {
        c.stats = compare_views(*wa->view, *wb->view);
        c.compared = true;
      } else {
        c.kind = x.dtype != y.dtype ? c.kind : WeightChange::Kind::unread;
      }
    }
    if (options_.done) {
      options_.done(x.bytes());
      options_.done(y.bytes());
    }
    out_.changes.push_back(std::move(c));
  }

  // Large constants in use that nothing was compared with.
  void leftovers() {
    const auto count = [](const Model& m, const std::unordered_set<ValueId>& taken, size_t& n, int64_t& bytes,
                          std::vector<ValueId>& list) {
      for (const GraphId g : all_graphs(m))
        for (const ValueId v : m[g].initializers) {
          const Tensor* t = m[v].constant.get();
          if (t == nullptr || m[v].uses.empty() || taken.contains(v) || is_small_constant(*t)) continue;
          ++n;
          bytes += byte_count(t->dtype, t->count());
          list.push_back(v);
        }
    };
    count(a_, taken_a_, out_.only_a, out_.only_a_bytes, out_.removed);
    count(b_, taken_b_, out_.only_b, out_.only_b_bytes, out_.added);
  }

  const Model &a_, &b_;
  const Alignment& al_;
  Changes& changes_;
  const WeightOptions& options_;
  Palette pa_, pb_;
  Weights out_;
  std::unordered_set<ValueId> taken_a_, taken_b_;
  std::unordered_map<uint64_t, std::vector<ValueId>> by_color_a_, by_color_b_;
};

}  // namespace

Weights compare_weights(const Model& a, const Model& b, const Alignment& al, Changes& changes,
                        const WeightOptions& options) {
  return Comparison(a, b, al, changes, options).run();
}

}  // namespace lathe::diff
