// Explicit padding before an op that pads by itself.
//   y = Conv <pads = p> (Pad (x, q, 0), W)  =>  y = Conv <pads = p + q> (x, W)
// A pool may only take it up where its own padding is the same: AveragePool that counts padding (zeros),
// MaxPool under minus infinity. (A maximum over padded zeros is not one over nothing: -1 would lose against
// the 0.)
#include <fmt/format.h>

#include <cmath>

#include "passes/all_passes.h"
#include "passes/core/match.h"
#include "passes/fusion/common.h"

namespace lathe {
namespace {

class PadFusion {
 public:
  PadFusion(PassContext& c, NodeId n) : c_(c), m_(c.model), root_(n) {}

  void run() {
    const Node& n = m_[root_];
    const NodeId pad = defined_by(m_, n.input(0), "Pad");
    if (!pad || m_[pad].parent != n.parent) return;
    const auto no = [&](std::string why) { c_.missed(name(), root_, std::move(why)); };
    if (!single_use(m_, n.in[0]))
      return no(fmt::format("'{}' is used in more than one place", m_[n.in[0]].name));
    const auto amounts = spatial(pad);
    if (!amounts) return no("the padding is not a constant, non-negative one of the spatial axes");
    const auto spatial_rank = amounts->size() / 2;
    std::vector<int64_t> pads = n.attrs.ints("pads");
    if (pads.empty()) pads.resize(amounts->size(), 0);
    if (pads.size() != amounts->size()) return no("its own pads are of another rank");
    for (size_t i = 0; i < pads.size(); ++i) pads[i] = checked_add(pads[i], (*amounts)[i]);
    if (const Refusal why = refusal(pad, pads, spatial_rank)) return no(*why);
    Builder b(m_, c_.values, root_);
    std::vector<ValueId> in = m_[root_].in;
    in[0] = m_[pad].in[0];
    Attrs attributes = m_[root_].attrs;
    attributes.set("pads", pads);
    const ValueId y = b.op(m_[root_].type, std::move(in), std::move(attributes));
    c_.commit(b, {.rule = name(), .root = root_, .taken = {pad, root_}, .replace = {{m_[root_].out[0], y}}});
  }

 private:
  std::string name() const {
    return m_[root_].type == "Conv"      ? "pad-conv"
           : m_[root_].type == "MaxPool" ? "pad-max-pool"
                                         : "pad-average-pool";
  }

  Refusal refusal(NodeId pad, const std::vector<int64_t>& pads, size_t spatial_rank) const {
    const Node& n = m_[root_];
    const std::string auto_pad = n.attrs.s("auto_pad", "NOTSET");
    if (auto_pad != "NOTSET") return fmt::format("auto_pad is {}", auto_pad);
    double value = 0;
    if (m_[pad].input(2)) {
      const Tensor* t = m_.constant(m_[pad].in[2]);
      if (t == nullptr || t->count() != 1 || !is_floating(t->dtype))
        return "the padding value is not a constant number";
      value = t->as_double(0);
    }
    if (n.type == "MaxPool") {
      if (value != -HUGE_VAL)
        return fmt::format("the padding is {}, and MaxPool's own is minus infinity", value);
      if (n.output(1)) return "the indices of MaxPool are used";
    } else if (value != 0) {
      return fmt::format("the padding is {}, not 0", value);
    }
    if (n.type == "Conv") return std::nullopt;
    if (n.type == "AveragePool" && n.attrs.i("count_include_pad", 0) == 0)
      return "AveragePool does not count its own padding";
    if (n.attrs.i("ceil_mode", 0) != 0)
      return "the pool rounds its size up, which depends on where padding is";
    const auto kernel = n.attrs.ints("kernel_shape");
    if (kernel.size() != spatial_rank) return "the kernel is of another rank";
    for (size_t i = 0; i < pads.size(); ++i)
      if (pads[i] >= kernel[i % spatial_rank]) return "a pool cannot pad by its kernel size or more";
    return std::nullopt;
  }

  // Begin and end amounts of the axes from 2 on.
  std::optional<std::vector<int64_t>> spatial(NodeId id) const {
    const Node& pad = m_[id];
    const Tensor* t = m_.constant(pad.input(1));
    const int rank = m_[pad.in[0]].type.rank();
    if (t == nullptr || !is_integer(t->dtype) || rank < 3 || pad.attrs.s("mode", "constant") != "constant")
      return std::nullopt;
    std::vector<int64_t> axes(static_cast<size_t>(rank));
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
    if (pad.input(3)) {
      const Tensor* a = m_.constant(pad.in[3]);
      if (a == nullptr || !is_integer(a->dtype)) return std::nullopt;
      axes = a->to_i64();
    }
    const auto given = t->to_i64();
    if (given.size() != 2 * axes.size()) return std::nullopt;
    const auto spatial_rank = static_cast<size_t>(rank) - 2;
    std::vector<int64_t> out(2 * spatial_rank, 0);
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
      const int64_t begin = given[i], end = given[axes.size() + i];
      if (axis < 0 || axis >= rank || begin < 0 || end < 0) return std::nullopt;
      if (axis < 2) {
        if (begin != 0 || end != 0) return std::nullopt;
        continue;
      }
      out[static_cast<size_t>(axis) - 2] = begin;
      out[spatial_rank + static_cast<size_t>(axis) - 2] = end;
    }
    return out;
  }

  PassContext& c_;
  Model& m_;
  NodeId root_;
};

}  // namespace

PassDef fuse_pad() {
  return {.name = "fuse-pad",
          .group = "fusion",
          .summary = "Move explicit padding into the Conv or pool behind it",
          .run = [](PassContext& c, const PassOptions&) {
            for_each_fusable(c, {"Conv", "AveragePool", "MaxPool"}, [&](NodeId n) { PadFusion(c, n).run(); });
          }};
}

}  // namespace lathe
