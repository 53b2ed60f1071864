// The start of BERT: rows of a word, a position and perhaps a segment table, summed and normalized.
//   LayerNormalization (Gather (words, ids) + Gather (segments, segment_ids) + Gather (positions, 0 1 2 ...))
//   =>  EmbedLayerNormalization (ids, segment_ids, words, positions, segments, scale, shift)
// The op numbers positions from 0 by itself, so other positions (offsets, a cache, counted padding) stay as
// they are. It takes ids as int32.
#include <fmt/format.h>

#include <algorithm>

#include "passes/all_passes.h"
#include "passes/fusion/common.h"
#include "passes/fusion/elements.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";
constexpr const char* kRule = "embed-layer-norm";

struct Lookup {
  ValueId table, ids;
  NodeId node;
  int64_t rows = 0;
};

class EmbedNorm {
 public:
  EmbedNorm(PassContext& c, NodeId n) : c_(c), m_(c.model), norm_(n) {}

  void run() {
    const auto no = [&](std::string why) { c_.missed(kRule, norm_, std::move(why)); };
    const std::string why_not = sum(m_[norm_].in[0]);
    if (gathers_ < 2) return;
    if (!why_not.empty()) return no(why_not);
    if (lookups_.size() > 3) return no("more than three tables are summed");
    const Type& out = m_[m_[norm_].out[0]].type;
    const Shape* shape = out.shape ? &*out.shape : nullptr;
    const int64_t axis = m_[norm_].attrs.i("axis", -1);
    if (shape == nullptr || shape->size() != 3 || (axis != -1 && axis != 2) || !last_dim(out))
      return no("does not normalize the last of three axes of constant size");
    if (m_[norm_].output(1) || m_[norm_].output(2) || m_[norm_].attrs.i("stash_type", 1) != 1)
      return no("mean or deviation is used");
    for (const size_t i : {1, 2})
      if (m_[norm_].input(i) && (m_.constant(m_[norm_].in[i]) == nullptr ||
                                 !is_last_axis_vector(m_, m_[norm_].in[i], *last_dim(out))))
        return no("scale and shift are not constants of the width");
    if (const Refusal why = needs_kernel(c_.settings.target, kMs, "EmbedLayerNormalization", out.dtype))
      return no(*why);

    const auto position = std::find_if(lookups_.begin(), lookups_.end(),
                                       [&](const Lookup& l) { return counts_from_zero(l, *shape); });
    if (position == lookups_.end()) return no("no table is read at positions 0, 1, 2, ...");
    const Lookup positions = *position;
    lookups_.erase(position);
    for (const Lookup& l : lookups_) {
      const auto& s = m_[l.ids].type.shape;
      if (!s || s->size() != 2 || (*s)[0] != (*shape)[0] || (*s)[1] != (*shape)[1])
        return no(fmt::format("'{}' is not known to be of shape [batch, sequence]", m_[l.ids].name));
    }
    // Which of two tables is called the words' does not matter to the sum; the larger one is.
    if (lookups_.size() == 2 && lookups_[0].rows < lookups_[1].rows) std::swap(lookups_[0], lookups_[1]);
    commit(positions);
  }

 private:
  // The leaves of the sum; what stands against them, if not all are rows of constant tables.
  std::string sum(ValueId v) {
    constexpr size_t kMost = 9;
    std::string against;
    const auto no = [&](std::string why) {
      if (against.empty()) against = std::move(why);
    };
    std::vector<ValueId> work{v};
    while (!work.empty()) {
      v = work.back();
      work.pop_back();
      if (!single_use(m_, v)) no(other_use(m_, v, nodes_.empty() ? std::vector{norm_} : nodes_));
      const NodeId n = m_[v].def;
      const bool here = n && !m_.is_hidden(n) && m_[n].parent == m_[norm_].parent;
      if (nodes_.size() == kMost) {
        no("more than three tables are summed");
        break;
      }
      if (here && m_[n].is("Add")) {
        work.insert(work.end(), {m_[n].in[1], m_[n].in[0]});
      } else if (here && m_[n].is("Gather") && m_[n].attrs.i("axis", 0) == 0) {
        ++gathers_;
        if (const Tensor* t = m_.constant(m_[n].in[0]); t != nullptr && t->rank() == 2)
          lookups_.push_back({m_[n].in[0], m_[n].in[1], n, t->dims[0]});
        else
          no(fmt::format("table '{}' is not a constant matrix", m_[m_[n].in[0]].name));
      } else {
        no(fmt::format("'{}' is not read from a table", m_[v].name));
        continue;
      }
      nodes_.push_back(n);
    }
    return against;
  }

  bool counts_from_zero(const Lookup& l, const Shape& out) {
    constexpr int kSequence = 1;
    const auto& s = m_[l.ids].type.shape;
    if (!s || s->empty() || s->size() > 2 || !(s->back() == out[1] || s->back() == Dim::min(out[1], l.rows)))
      return false;  // the positions may be cut from a table of as many rows
    std::vector<Affine> at(s->size(), variable(kSequence));
    if (at.size() == 2) at[0] = (*s)[0].is_const(1) ? Affine{Dim(0), {}} : variable(0);
    ElementFormulas elements(m_, c_.values, {out[0], out[1]});
    const auto index = elements.integer(l.ids, at);
    if (!index || *index != variable(kSequence)) return false;
    nodes_.insert(nodes_.end(), elements.nodes().begin(), elements.nodes().end());
    return true;
  }

  void commit(const Lookup& positions) {
    const Node norm = m_[norm_];
    Builder b(m_, c_.values, norm_);
    const auto narrow = [&](ValueId ids) {
      return m_[ids].type.dtype == DType::I32
                 ? ids
                 : b.op("Cast", {ids}, attrs({{"to", static_cast<int64_t>(DType::I32)}}));
    };
    const auto vector_or_zeros = [&](size_t input) {  // a shift of zeros is left out of the normalization
      return norm.input(input)
                 ? as_vector(b, norm.in[input])
                 : b.constant(Tensor::full(m_[norm.out[0]].type.dtype, {*last_dim(m_[norm.out[0]].type)}, 0),
                              "zeros");
    };
    const bool segments = lookups_.size() == 2;
    const ValueId ids = narrow(lookups_[0].ids);
    const ValueId segment_ids = segments ? narrow(lookups_[1].ids) : ValueId{};
    const auto out =
        b.ops("EmbedLayerNormalization",
              {ids, segment_ids, lookups_[0].table, positions.table, segments ? lookups_[1].table : ValueId{},
               as_vector(b, norm.in[1]), vector_or_zeros(2)},
              attrs({{"epsilon", norm.attrs.f("epsilon", 1e-5F)}}), 2, kMs);
    m_.drop_output(b.made().back(), 1);  // omitted, but onnxruntime wants its place kept
    nodes_.push_back(norm_);
    c_.commit(b, {.rule = kRule, .root = norm_, .taken = nodes_, .replace = {{norm.out[0], out[0]}}});
  }

  PassContext& c_;
  Model& m_;
  NodeId norm_;
  std::vector<Lookup> lookups_;
  size_t gathers_ = 0;
  std::vector<NodeId> nodes_;
};

}  // namespace

PassDef fuse_embed_layer_norm() {
  return {.name = "fuse-embed-layer-norm",
          .group = "fusion",
          .summary = "Fuse BERT's table look-ups, their sum and normalization into EmbedLayerNormalization",
          .run = [](PassContext& c, const PassOptions&) {
            for_each_fusable(c, {"LayerNormalization"}, [&](NodeId n) { EmbedNorm(c, n).run(); });
          }};
}

}  // namespace lathe
