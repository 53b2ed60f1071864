// The residual sum before a normalization, with a bias where there is one.
//   s = Add (Add (x, bias), skip); y = LayerNormalization (s, scale, shift)
//   =>  y, _, _, s = SkipLayerNormalization (x, skip, scale, shift, bias)
// RMSNormalization becomes SkipSimplifiedLayerNormalization in the same way. The sum stays available as the
// fourth output, so pre-norm networks, which go on with it, fuse too.
#include <fmt/format.h>

#include <algorithm>

#include "passes/all_passes.h"
#include "passes/core/addition.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

constexpr std::string_view kMs = "com.microsoft";
constexpr size_t kSumOutput = 3;

struct Operands {
  ValueId input, skip, bias;
  std::vector<NodeId> adds;
};

// The Add of two, or Sum, that defines v.
NodeId addition_of(const Model& m, ValueId v) {
  for (const char* type : {"Add", "Sum"})
    if (const NodeId n = defined_by(m, v, type); n && is_addition(m[n])) return n;
  return {};
}

// onnxruntime broadcasts skip over the batch only, and takes rank 2 and 3.
bool can_skip(const Model& m, ValueId input, ValueId skip, ValueId sum) {
  const auto &a = m[input].type.shape, &b = m[skip].type.shape, &s = m[sum].type.shape;
  if (!a || !b || !s || *a != *s || (a->size() != 2 && a->size() != 3)) return false;
  if (*a == *b) return true;
  if (a->size() != 3 || b->size() < 2 || b->size() > 3) return false;
  return (*a)[2] == b->back() && (*a)[1] == (*b)[b->size() - 2] && (b->size() == 2 || (*b)[0].is_const(1));
}

class SkipNorm {
 public:
  SkipNorm(PassContext& c, NodeId n) : c_(c), m_(c.model), norm_(n), simplified_(m_[n].type[0] == 'R') {}

  bool run() {
    const Node& n = m_[norm_];
    const ValueId sum = n.input(0);
    const NodeId add = addition_of(m_, sum);
    if (!add || m_[add].parent != n.parent) return false;
    const DType dtype = m_[sum].type.dtype;
    const auto width = last_dim(m_[sum].type);
    const int64_t axis = n.attrs.i("axis", -1);
    const auto no = [&](std::string why) {
      c_.missed(rule(), norm_, std::move(why));
      return false;
    };
    if (axis != -1 && axis != m_[sum].type.rank() - 1) return no("normalizes more than the last axis");
    if (n.attrs.i("stash_type", 1) != 1) return no("the statistics are not in float");
    if (n.output(1) || n.output(2)) return no("mean or deviation is used");
    if (!width) return no("the normalized axis has no constant size");
    for (const ValueId v : {n.input(1), n.input(2)})
      if (v && (m_.constant(v) == nullptr || !is_last_axis_vector(m_, v, *width)))
        return no(fmt::format("'{}' is not a constant of {} elements", m_[v].name, *width));
    if (const Refusal why = needs_kernel(c_.settings.target, kMs, type(), dtype)) return no(*why);
    auto o = operands(add, *width);
    if (!o) return no(fmt::format("the summands of '{}' are not of equal shape, rank 2 or 3", m_[add].name));
    return commit(*o, sum);
  }

 private:
  std::string rule() const { return simplified_ ? "skip-rms-norm" : "skip-layer-norm"; }
  std::string type() const {
    return simplified_ ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization";
  }
  bool is_bias(ValueId v, int64_t width) const {
    return m_.constant(v) != nullptr && is_last_axis_vector(m_, v, width);
  }

  // The bias of Add (x, bias), if v is that and nothing else reads it.
  ValueId peel_bias(ValueId& v, int64_t width, std::vector<NodeId>& adds) const {
    const NodeId add = addition_of(m_, v);
    if (!add || !single_use(m_, v) || m_[add].parent != m_[norm_].parent) return {};
    for (size_t i = 0; i < 2; ++i)
      if (const ValueId bias = m_[add].in[i]; is_bias(bias, width) && !is_bias(m_[add].in[1 - i], width)) {
        v = m_[add].in[1 - i];
        adds.push_back(add);
        return bias;
      }
    return {};
  }

  std::optional<Operands> operands(NodeId add, int64_t width) const {
    const ValueId sum = m_[add].out[0];
    Operands o;
    o.adds = {add};
    ValueId a = m_[add].in[0], b = m_[add].in[1];
    for (int swap = 0; swap < 2 && !o.bias;
         ++swap, std::swap(a, b)) {  // bias added last: Add (Add (a, b), bias)
      if (!is_bias(b, width)) continue;
      const NodeId inner = addition_of(m_, a);
      if (!inner || !single_use(m_, a) || m_[inner].parent != m_[norm_].parent) return std::nullopt;
      o.bias = b;
      o.adds.push_back(inner);
      a = m_[inner].in[0];
      b = m_[inner].in[1];
      break;
    }
    if (!o.bias) o.bias = peel_bias(a, width, o.adds);
    if (!o.bias) o.bias = peel_bias(b, width, o.adds);
    if (can_skip(m_, a, b, sum)) {
      o.input = a;
      o.skip = b;
    } else if (can_skip(m_, b, a, sum)) {
      o.input = b;
      o.skip = a;
    } else {
      return std::nullopt;
    }
    return o;
  }

  bool commit(const Operands& o, ValueId sum) {
    const Node n = m_[norm_];
    const bool keep_sum = !single_use(m_, sum);
    Builder b(m_, c_.values, norm_);
    std::vector<ValueId> in{o.input, o.skip, as_vector(b, n.in[1])};
    if (!simplified_) in.push_back(n.input(2) ? as_vector(b, n.in[2]) : ValueId{});
    if (o.bias) in.push_back(as_vector(b, o.bias));
    while (!in.back()) in.pop_back();
    const auto out = b.ops(type(), std::move(in), attrs({{"epsilon", n.attrs.f("epsilon", 1e-5F)}}),
                           keep_sum ? kSumOutput + 1 : 1, kMs);
    Patch patch{.rule = rule(), .root = norm_, .taken = o.adds, .replace = {{n.out[0], out[0]}}};
    patch.taken.push_back(norm_);
    if (keep_sum) {
      for (size_t i = 1; i < kSumOutput; ++i) m_.drop_output(b.made()[0], i);
      patch.replace.emplace_back(sum, out[kSumOutput]);
    }
    return c_.commit(b, std::move(patch));
  }

  PassContext& c_;
  Model& m_;
  NodeId norm_;
  bool simplified_;
};

}  // namespace

PassDef fuse_skip_layer_norm() {
  return {.name = "fuse-skip-layer-norm",
          .group = "fusion",
          .summary = "Fuse residual sum, bias and normalization into SkipLayerNormalization",
          .run = [](PassContext& c, const PassOptions&) {
            for_each_fusable(c, {"LayerNormalization", "RMSNormalization"},
                             [&](NodeId n) { return SkipNorm(c, n).run(); });
          }};
}

}  // namespace lathe
