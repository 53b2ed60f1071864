#include "passes/quant/half/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "ir/core/walk.h"
#include "passes/analysis/ranges.h"
#include "passes/quant/half/float_parts.h"
#include "passes/quant/half/slots.h"

namespace lathe {
namespace {

constexpr int64_t kManyElements = 1024;  // of a constant: a weight

bool one_of(std::string_view type, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), type) != list.end();
}

// Where a tiny number is added or is a bound, and may as well be the smallest half.
bool takes_tiny(const Node& n) {
  static constexpr std::array<std::string_view, 12> kOps = {
      "Add", "Sub",  "Max",     "Min",   "Clip",        "Where",
      "Pad", "Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"};
  return n.domain.empty() && one_of(n.type, kOps);
}

bool is_product(const Node& n) {
  static constexpr std::array<std::string_view, 9> kOps = {
      "MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "LSTM", "GRU", "RNN", "Attention"};
  return n.domain == "com.microsoft" || (n.domain.empty() && one_of(n.type, kOps));
}

// Is an operand small because it is divided by, or what a logarithm or a root of small numbers is taken of?
bool divides(const Node& n, size_t slot) {
  if (!n.domain.empty()) return false;
  if (n.type == "Div") return slot == 1;
  return n.type == "Reciprocal" || n.type == "Log" || n.type == "Sqrt";
}

class Planner {
 public:
  Planner(PassContext& ctx, const HalfOptions& o, const Observed& seen)
      : ctx_(ctx),
        m_(ctx.model),
        o_(o),
        seen_(seen),
        roles_(analyze_roles(ctx.model)),
        ranges_(analyze_ranges(ctx.model, ctx.values)) {}

  HalfPlan run() {
    for (const GraphId g : nested_graphs(m_, m_.main())) find_positions(g);
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) label(n);
    if (o_.wish) keep_shared_weights();
    HalfPlan plan;
    plan.half = cut_regions(m_, labels_, o_.kind.dtype, !o_.convert_io);
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) {
        const auto it = labels_.find(n);
        if (it == labels_.end() || plan.half.contains(n)) continue;
        const auto why = why_.find(n);
        if (why == why_.end() && it->second.gain == 0) continue;
        ++plan.kept;
        const std::string& told = plan.why[n] =
            why != why_.end() ? why->second : "its Casts would cost more than it gains";
        ctx_.missed(o_.kind.name, n, told);
      }
    return plan;
  }

 private:
  // Values computed from integers and small constants alone: positions, masks, frequencies of rotary
  // embeddings. Halves cannot count beyond 2048, so these are computed in float and only results are cast.
  void find_positions(GraphId g) {
    for (const NodeId n : m_.nodes(g)) {
      const Node& node = m_[n];
      if (!node.output(0) || !is_f32(m_, node.out[0]) || m_.constant(node.out[0]) != nullptr) continue;
      bool position = node.is("Range");
      if (node.is("Cast") && node.input(0)) {
        const DType from = m_[node.in[0]].type.dtype;
        position = is_integer(from) || from == DType::Bool;
      } else if (!node.is("Conv")) {
        bool all = true;
        for (const ValueId v : node.in) {
          if (!is_f32(m_, v)) continue;
          const Tensor* c = m_.constant(v);
          if (c != nullptr ? c->count() > kManyElements : !positions_.contains(v)) all = false;
          position = position || positions_.contains(v);
        }
        position = position && all && m_.subgraphs(n).empty();
      }
      if (!position) continue;
      for (const ValueId v : node.out)
        if (v) positions_.insert(v);
    }
  }

  bool is_position(NodeId n) const {
    const Node& node = m_[n];
    return node.output(0) && positions_.contains(node.out[0]) && !node.is("Cast");
  }

  // Whole numbers beyond what a half can count stay float too where nothing but integers comes of them.
  std::string number(ValueId v) const {
    const std::string_view type = onnx_name(o_.kind.dtype);
    if (const auto it = seen_.of.find(v); it != seen_.of.end()) {
      const Magnitude& s = it->second;
      if (s.largest * o_.headroom > o_.kind.largest)
        return fmt::format("'{}' reaches {:.3g}, and {} ends at {:.5g}", m_[v].name, s.largest, type,
                           o_.kind.largest);
      if (s.count > 0 && s.square > 0 && std::sqrt(s.square / static_cast<double>(s.count)) < o_.kind.normal)
        return fmt::format("'{}' is as small as {:.3g} on average, below what {} holds well", m_[v].name,
                           std::sqrt(s.square / static_cast<double>(s.count)), type);
    } else if (const Range* r = ranges_.find(v)) {
      if (std::isfinite(r->low) && std::isfinite(r->high) &&
          std::max(std::fabs(r->low), std::fabs(r->high)) > o_.kind.largest)
        return fmt::format("'{}' may reach {:.3g}, and {} ends at {:.5g}", m_[v].name,
                           std::max(std::fabs(r->low), std::fabs(r->high)), type, o_.kind.largest);
    }
    return {};
  }

  static double largest(const Tensor& t) {
    float most = 0;
    in_float_parts(t, [&](std::span<const float> part) {
      for (const float x : part)
        if (std::isfinite(x)) most = std::max(most, std::fabs(x));
      return true;
    });
    return static_cast<double>(most);
  }

  std::string constant(NodeId n, ValueId v, const Tensor& t) {
    const auto known = largest_.find(v);
    const double most = known != largest_.end() ? known->second : largest_[v] = largest(t);
    if (most > o_.kind.largest) return fmt::format("the constant '{}' holds {:.3g}", m_[v].name, most);
    if (most > 0 && most < o_.kind.normal && !takes_tiny(m_[n]))
      return fmt::format("the constant '{}' is {:.3g} at most, below what {} holds well", m_[v].name, most,
                         onnx_name(o_.kind.dtype));
    return {};
  }

  std::string why_it_stays(NodeId n, const HalfSlots& slots) {
    const Node& node = m_[n];
    if (!slots.refusal.empty()) return slots.refusal;
    if (std::string why = o_.keep.reason(m_, n, roles_); !why.empty()) return why;
    if (is_position(n)) return "it counts positions or makes masks";
    if (takes_coordinates(node)) return "halves are too coarse for coordinates";
    for (size_t i = 0; i < node.in.size(); ++i) {
      const ValueId v = node.in[i];
      if (!slots.in[i]) continue;
      const Tensor* t = m_.constant(v);
      std::string why = t != nullptr ? constant(n, v, *t) : number(v);
      if (!why.empty()) return why;
      const auto it = seen_.of.find(v);
      if (it == seen_.of.end()) continue;
      if (divides(node, i) && it->second.smallest < o_.kind.normal)
        return fmt::format("'{}' goes down to {:.3g}, and is divided by", m_[v].name, it->second.smallest);
      constexpr double kTurns = 16;  // radians: a half's step is 0.008 there
      if ((node.is("Sin") || node.is("Cos") || node.is("Tan")) && it->second.largest > kTurns)
        return fmt::format("'{}' reaches {:.3g} radians", m_[v].name, it->second.largest);
    }
    for (size_t i = 0; i < node.out.size(); ++i)
      if (slots.out[i])
        if (std::string why = number(node.out[i]); !why.empty()) return why;
    return {};
  }

  HalfWish wish(NodeId n) const { return o_.wish ? o_.wish(n) : HalfWish::wanted; }

  void label(NodeId n) {
    const Node& node = m_[n];
    if (node.output(0) && m_.constant(node.out[0]) != nullptr) return;
    if (is_control(node)) return label_control(n);
    if (node.is("Cast") && node.input(0) && node.output(0)) {  // borders of halves that are there already
      const DType from = m_[node.in[0]].type.dtype, to = m_[node.out[0]].type.dtype;
      if (is_floating(from) && is_floating(to)) return;
    }
    const HalfSlots slots = half_slots(m_, n, o_.kind, ctx_.settings.target);
    if (slots.refusal.empty() && !slots.any()) return;  // nothing of float32
    HalfLabel l;
    l.in = slots.in;
    l.out = slots.out;
    const HalfWish wished = wish(n);
    if (wished == HalfWish::never) {
      l.kind = HalfLabel::Kind::stays;
      labels_[n] = std::move(l);
      return;
    }
    std::string why = why_it_stays(n, slots);
    l.exact = is_discontinuous(m_, n);
    if (why.empty() && l.exact) why = rounds_a_constant(n);
    if (!why.empty()) {
      l.kind = HalfLabel::Kind::stays;
      if (wished == HalfWish::wanted) why_[n] = std::move(why);
    } else if (wished == HalfWish::follow) {
      for (size_t i = 0; i < node.in.size(); ++i) l.in[i] = l.in[i] && !is_widened_constant(node.in[i]);
    } else if (is_product(node) || reads_weight(n)) {
      l.kind = HalfLabel::Kind::goes;
    } else {
      l.gain = l.exact || only_moves(node) ? 0 : 1;
      if (l.exact) why_[n] = "rounding of its operands would change its results";
    }
    labels_[n] = std::move(l);
  }

  bool is_weight(ValueId v) const {
    const Tensor* t = v ? m_.constant(v) : nullptr;
    return t != nullptr && t->dtype == DType::F32 && t->count() >= kManyElements;
  }

  bool reads_weight(NodeId n) const {
    return std::any_of(m_[n].in.begin(), m_[n].in.end(), [&](ValueId v) { return is_weight(v); });
  }

  // Scales behind a Cast, which runtimes fold: no reason for an activation to be cast.
  bool is_widened_constant(ValueId v) const {
    const NodeId def = v ? m_[v].def : NodeId{};
    return def && m_[def].is("Cast") && m_[def].input(0) && m_.constant(m_[def].in[0]) != nullptr;
  }

  bool is_kept(NodeId n) const {
    const auto it = labels_.find(n);
    return it == labels_.end() || it->second.kind == HalfLabel::Kind::stays;
  }

  // A weight goes with all of its readers or not at all.
  void keep_shared_weights() {
    std::set<ValueId> weights;
    for (const auto& [n, label] : labels_)
      for (const ValueId v : m_[n].in)
        if (is_weight(v) && m_[v].uses.size() > 1) weights.insert(v);
    for (bool changed = true; std::exchange(changed, false);)
      for (const ValueId v : weights) {
        const auto& uses = m_[v].uses;
        const auto stays =
            std::find_if(uses.begin(), uses.end(), [&](const Use& u) { return is_kept(u.node); });
        const bool goes = std::any_of(uses.begin(), uses.end(), [&](const Use& u) {
          return !is_kept(u.node) && labels_[u.node].kind == HalfLabel::Kind::goes;
        });
        if (stays == uses.end() && !goes) continue;
        for (const Use& u : uses) {
          if (is_kept(u.node)) continue;
          HalfLabel& l = labels_[u.node];
          const auto wanted = stays == uses.end() ? HalfLabel::Kind::goes : HalfLabel::Kind::stays;
          if (l.kind == wanted || l.exact) continue;
          if (wanted == HalfLabel::Kind::stays && wish(u.node) == HalfWish::wanted)
            why_[u.node] = fmt::format("{} also reads the weight and stays", reader(stays->node));
          l.kind = wanted;
          changed = true;
        }
      }
  }

  std::string reader(NodeId n) const {
    return m_.is_hidden(n) ? "the graph's interface" : fmt::format("'{}'", node_label(m_, n));
  }

  std::string rounds_a_constant(NodeId n) const {
    for (const ValueId v : m_[n].in) {
      const Tensor* t = is_f32(m_, v) ? m_.constant(v) : nullptr;
      if (t == nullptr) continue;
      for (int64_t i = 0; i < t->count(); ++i) {
        const double x = t->as_double(i);
        if (std::isfinite(x) && Tensor::full(o_.kind.dtype, {}, x).scalar_value() != x)
          return fmt::format("'{}' is not a {} number, and its results jump", m_[v].name,
                             onnx_name(o_.kind.dtype));
      }
    }
    return {};
  }

  // The border of an If, Loop or Scan changes as a whole: what is carried and what is given back.
  void label_control(NodeId n) {
    HalfLabel l;
    const Node& node = m_[n];
    for (const ValueId v : node.in) l.in.push_back(is_f32(m_, v));
    for (const ValueId v : node.out) l.out.push_back(is_f32(m_, v));
    bool all_tensors = true;
    for (const GraphId g : m_.subgraphs(n))
      for (size_t i = 0; i < m_.outputs(g).size(); ++i) {
        const size_t skip = node.type == "Loop" ? 1 : 0;
        if (i < skip) continue;
        const ValueId inner = m_.outputs(g)[i], outer = node.output(i - skip);
        if (outer && is_f32(m_, outer) != is_f32(m_, inner)) all_tensors = false;
      }
    std::string why;
    for (const ValueId v : node.out)
      if (v && is_f32(m_, v) && why.empty()) why = number(v);
    for (const ValueId v : node.in)
      if (v && is_f32(m_, v) && why.empty()) why = number(v);
    if (!all_tensors) why = "the types at its border are not known";
    if (why.empty()) why = o_.keep.reason(m_, n, roles_);
    if (wish(n) == HalfWish::never || !why.empty()) l.kind = HalfLabel::Kind::stays;
    if (wish(n) == HalfWish::wanted && !why.empty()) why_[n] = why;
    if (std::any_of(l.in.begin(), l.in.end(), [](bool b) { return b; }) ||
        std::any_of(l.out.begin(), l.out.end(), [](bool b) { return b; }))
      labels_[n] = std::move(l);
  }

  PassContext& ctx_;
  const Model& m_;
  const HalfOptions& o_;
  const Observed& seen_;
  const Roles roles_;
  const Ranges ranges_;
  std::unordered_set<ValueId> positions_;
  std::unordered_map<NodeId, HalfLabel> labels_;
  std::unordered_map<NodeId, std::string> why_;
  std::unordered_map<ValueId, double> largest_;  // numbers of constants
};

}  // namespace

bool is_control(const Node& n) { return n.is("If") || n.is("Loop") || n.is("Scan"); }

HalfPlan plan_halves(PassContext& ctx, const HalfOptions& options, const Observed& observed) {
  return Planner(ctx, options, observed).run();
}

}  // namespace lathe
