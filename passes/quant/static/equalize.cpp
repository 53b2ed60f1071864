#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/core/walk.h"
#include "ir/ops/convert.h"
#include "passes/core/erase_unused.h"
#include "passes/core/facts.h"
#include "passes/quant/static/static.h"

namespace lathe {
namespace {

struct Pair {
  NodeId first, relu, second;
};

class Equalizer {
 public:
  Equalizer(PassContext& ctx, const std::function<std::string(NodeId)>& keep)
      : ctx_(ctx), m_(ctx.model), keep_(keep) {}

  // One sweep makes neighbours alike; what that does to the next pair needs more.
  void run() {
    constexpr int kSweeps = 4;
    for (int i = 0; i < kSweeps; ++i) {
      const uint64_t before = ctx_.commits;
      sweep();
      if (ctx_.commits == before) return;
    }
  }

 private:
  void sweep() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) {
        if (m_[n].erased || ctx_.out_of_fuel()) continue;
        if (const auto p = pair_at(n)) even(*p);
      }
  }

  const Tensor* weight(NodeId n) const {
    const Tensor* w = m_[n].is("Conv") ? m_.constant(m_[n].input(1)) : nullptr;
    return w != nullptr && w->dtype == DType::F32 && w->rank() >= 3 && w->count() > 0 ? w : nullptr;
  }
  bool only_input(NodeId n) const { return m_[m_[n].in[1]].uses.size() == 1; }

  std::optional<Pair> pair_at(NodeId n) const {
    if (weight(n) == nullptr || !only_input(n) || !keep_(n).empty()) return std::nullopt;
    const ValueId bias = m_[n].input(2);
    if (bias && (m_.constant(bias) == nullptr || m_[bias].uses.size() != 1)) return std::nullopt;
    Pair p{n, {}, {}};
    ValueId y = m_[n].out[0];
    if (!used_once(m_, y)) return std::nullopt;
    if (const NodeId next = m_[y].uses[0].node; m_[next].is("Relu")) {
      p.relu = next;
      y = m_[next].out[0];
      if (!used_once(m_, y)) return std::nullopt;
    }
    p.second = m_[y].uses[0].node;
    if (m_[y].uses[0].slot != 0 || weight(p.second) == nullptr || !only_input(p.second)) return std::nullopt;
    if (m_[p.second].parent != m_[n].parent || !keep_(p.second).empty()) return std::nullopt;
    const int64_t groups = m_[p.second].attrs.i("group", 1), channels = weight(n)->dims[0];
    if (weight(p.second)->dims[1] * groups != channels) return std::nullopt;
    return p;
  }

  // Input channel of the pair's second weight that element i belongs to.
  static int64_t input_of(const Tensor& w, int64_t groups, int64_t i) {
    const int64_t window = w.count() / w.dims[0] / w.dims[1], each = w.dims[0] / groups;
    return i / window / w.dims[1] / each * w.dims[1] + i / window % w.dims[1];
  }

  void even(const Pair& p) {
    const Tensor a = convert(weight(p.first)->aligned(), DType::F32),
                 c = convert(weight(p.second)->aligned(), DType::F32);
    const int64_t channels = a.dims[0], groups = m_[p.second].attrs.i("group", 1),
                  each = a.count() / channels;
    if (groups < 1 || c.dims[0] % groups != 0) return;
    std::vector<float> r1(static_cast<size_t>(channels)), r2(r1), factor(r1.size(), 1.0f);
    for (int64_t i = 0; i < a.count(); ++i) {
      float& r = r1[static_cast<size_t>(i / each)];
      r = std::max(r, std::fabs(a.data<float>()[static_cast<size_t>(i)]));
    }
    for (int64_t i = 0; i < c.count(); ++i) {
      float& r = r2[static_cast<size_t>(input_of(c, groups, i))];
      r = std::max(r, std::fabs(c.data<float>()[static_cast<size_t>(i)]));
    }
    constexpr float kLeast = 1e-8f, kWide = 1e4f, kSame = 1.02f;
    bool any = false;
    for (size_t i = 0; i < factor.size(); ++i) {
      if (!(r1[i] > kLeast) || !(r2[i] > kLeast) || !std::isfinite(r1[i]) || !std::isfinite(r2[i])) continue;
      factor[i] = std::clamp(std::sqrt(r1[i] / r2[i]), 1 / kWide, kWide);
      any = any || factor[i] > kSame || factor[i] < 1 / kSame;
    }
    if (!any) return;
    Tensor na = Tensor::uninitialized(DType::F32, a.dims), nc = Tensor::uninitialized(DType::F32, c.dims);
    for (int64_t i = 0; i < a.count(); ++i)
      na.mutable_data<float>()[static_cast<size_t>(i)] =
          a.data<float>()[static_cast<size_t>(i)] / factor[static_cast<size_t>(i / each)];
    for (int64_t i = 0; i < c.count(); ++i)
      nc.mutable_data<float>()[static_cast<size_t>(i)] =
          c.data<float>()[static_cast<size_t>(i)] * factor[static_cast<size_t>(input_of(c, groups, i))];
    const Node first = m_[p.first], second = m_[p.second];
    Builder b(m_, ctx_.values, p.first);
    std::vector<ValueId> in = first.in;
    in[1] = b.constant(na, m_[first.in[1]].name + "_even");
    if (const ValueId bias = first.input(2)) {
      Tensor t = convert(m_.constant(bias)->aligned(), DType::F32);
      Tensor nb = Tensor::uninitialized(DType::F32, t.dims);
      if (t.count() != channels) return b.discard();
      for (size_t i = 0; i < factor.size(); ++i) nb.mutable_data<float>()[i] = t.data<float>()[i] / factor[i];
      in[2] = b.constant(nb, m_[bias].name + "_even");
    }
    ValueId y = b.op("Conv", in, first.attrs);
    if (p.relu) y = b.op("Relu", {y});
    std::vector<ValueId> in2 = second.in;
    in2[0] = y;
    in2[1] = b.constant(nc, m_[second.in[1]].name + "_even");
    y = b.op("Conv", in2, second.attrs);
    std::vector<NodeId> taken = {p.first, p.second};
    if (p.relu) taken.push_back(p.relu);
    const std::vector<ValueId> originals = {first.in[1], first.input(2), second.in[1]};
    if (!ctx_.commit(b, {.rule = "equalize",
                         .root = p.second,
                         .taken = taken,
                         .replace = {{second.out[0], y}},
                         .what = fmt::format("{} channels between both have like ranges", channels)}))
      return;
    erase_unused(m_, originals);
  }

  PassContext& ctx_;
  Model& m_;
  const std::function<std::string(NodeId)>& keep_;
};

}  // namespace

void equalize(PassContext& ctx, const std::function<std::string(NodeId)>& keep) {
  Equalizer(ctx, keep).run();
}

}  // namespace lathe
