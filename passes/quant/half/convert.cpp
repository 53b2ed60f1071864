#include "passes/quant/half/convert.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/mapped_file.h"
#include "ir/onnx/schema.h"
#include "passes/core/patch_test.h"
#include "passes/quant/half/border.h"
#include "passes/quant/half/half_values.h"
#include "passes/quant/half/slots.h"
#include "passes/quant/half/weight_sample.h"

namespace lathe {
namespace {

constexpr double kSteps = 8;  // of rounding that one op may show, relative to its largest result

// What is done in which order: a control node's border opens before its bodies and closes after them.
struct Step {
  enum class Kind : uint8_t { node, open, close } kind;
  NodeId node;
};

std::vector<Step> steps_of(const Model& m, const HalfPlan& plan) {
  std::vector<Step> steps;
  std::vector<Step> stack;
  const auto push = [&](GraphId g) {
    const std::vector<NodeId> nodes = m.nodes(g);
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) stack.push_back({Step::Kind::node, *it});
  };
  push(m.main());
  while (!stack.empty()) {
    const Step s = stack.back();
    stack.pop_back();
    if (s.kind != Step::Kind::node) {
      steps.push_back(s);
      continue;
    }
    const bool border = is_control(m[s.node]);
    const std::vector<GraphId> bodies = m.subgraphs(s.node);
    if (!border && plan.half.contains(s.node)) steps.push_back(s);
    if (border && plan.half.contains(s.node)) {
      steps.push_back({Step::Kind::open, s.node});
      stack.push_back({Step::Kind::close, s.node});
    }
    for (auto g = bodies.rbegin(); g != bodies.rend(); ++g) push(*g);
  }
  return steps;
}

// One that a node may leave out; those of a variadic list (Split) count by position.
bool is_optional_output(const Node& n, size_t i) {
  constexpr int kVariadic = 1000;
  const Schema* s = find_schema(n.domain, n.type, newest_opset(n.domain));
  return s != nullptr && s->max_outputs < kVariadic && i >= static_cast<size_t>(std::max(s->min_outputs, 1));
}

class Converter {
 public:
  Converter(PassContext& ctx, const HalfOptions& o, const HalfPlan& plan)
      : ctx_(ctx), m_(ctx.model), o_(o), plan_(plan), twins_(ctx.model, o.kind) {}

  HalfResult run() {
    const std::vector<Step> steps = steps_of(m_, plan_);
    if (o_.convert_io) convert_inputs(ctx_, o_.kind);
    std::vector<NodeId> open;
    for (const Step& s : steps) {
      switch (s.kind) {
        case Step::Kind::node:
          if (!ctx_.out_of_fuel()) convert(s.node);
          break;
        case Step::Kind::open:
          if (open_border(ctx_, o_.kind, twins_, s.node)) open.push_back(s.node);
          break;
        case Step::Kind::close:
          if (open.empty() || open.back() != s.node) break;
          close_border(ctx_, o_.kind, twins_, s.node);
          open.pop_back();
          break;
      }
    }
    if (o_.convert_io) convert_outputs(ctx_, o_.kind, twins_);
    result_.constants = twins_.fold_constants(o_.measure);
    for (const auto& [half, name] : names_)
      if (!m_[half].erased) take_name(half, name);
    return result_;
  }

 private:
  void convert(NodeId n) {
    const Node node = m_[n];
    if (node.is("Cast") && !is_f32(m_, node.in[0])) return;  // from integers: made where a half reads it
    const HalfSlots slots = half_slots(m_, n, o_.kind, ctx_.settings.target);
    Builder b(m_, ctx_.values, n);
    std::vector<NodeId> context;
    std::vector<ValueId> in = node.in;
    for (size_t i = 0; i < in.size(); ++i)
      if (slots.in[i]) in[i] = twins_.of(b, node.parent, in[i], context);
    const std::vector<ValueId> out =
        b.ops(node.type, std::move(in), half_attrs(node, o_.kind), node.out.size(), node.domain);
    const NodeId made = m_[out[0]].def;
    std::vector<std::pair<ValueId, ValueId>> replace;
    std::vector<std::pair<ValueId, std::string>> names;
    for (size_t i = 0; i < out.size(); ++i) {
      const ValueId old = node.out[i];
      if (!old || m_[old].uses.empty()) {
        if (!old || is_optional_output(node, i)) m_.drop_output(made, i);
        continue;
      }
      if (m_[out[i]].type.dtype == o_.kind.dtype && is_f32(m_, old)) {
        replace.emplace_back(old, b.op("Cast", {out[i]}, attrs({{"to", static_cast<int64_t>(DType::F32)}})));
        names.emplace_back(out[i], m_[old].name);
      } else {
        replace.emplace_back(old, out[i]);
      }
    }
    std::sort(context.begin(), context.end());
    context.erase(std::unique(context.begin(), context.end()), context.end());
    const bool done =
        !replace.empty() && commit(b, {.rule = o_.kind.name,
                                       .root = n,
                                       .taken = {n},
                                       .context = context,
                                       .replace = replace,
                                       .in_order = true,
                                       .tolerance = kSteps * o_.kind.step,
                                       .what = fmt::format("{} of {}", node.type, onnx_name(o_.kind.dtype))});
    if (!done) {
      if (replace.empty()) b.discard();
      return twins_.forget();
    }
    twins_.keep();
    if (m_[n].erased && !node.name.empty()) m_.set_name(made, node.name);
    if (node.notes) m_.set_notes(made, node.notes);
    if (!node.overload.empty()) m_.set_overload(made, node.overload);
    names_.insert(names_.end(), names.begin(), names.end());
    ++result_.nodes;
  }

  // An op that rounding changes by more than rounding stays: a refusal, where any other pass would have a
  // wrong rule. So the sides are run here, and what passes is committed as it stands.
  bool commit(Builder& b, Patch patch) {
    const Verify asked = ctx_.settings.verify;
    if (asked != Verify::off) {
      patch.made = b.made();
      PatchTestOptions options{.seed = ctx_.settings.seed, .given = weight_sample(m_, patch.root)};
      PatchTestResult test = test_patch(m_, ctx_.values, patch, options);
      if (test.outcome != PatchTestResult::Outcome::equal && !options.given.empty()) {
        options.given.clear();  // what part of a weight shows says nothing of the whole
        test = test_patch(m_, ctx_.values, patch, options);
      }
      for (const ValueId v : m_[patch.root].in)
        if (const Tensor* t = is_f32(m_, v) ? m_.constant(v) : nullptr) MappedFile::forget(t->bytes());
      if (test.outcome != PatchTestResult::Outcome::equal) {
        ctx_.missed(o_.kind.name, patch.root,
                    (test.outcome == PatchTestResult::Outcome::differs ? "it would change too much: "
                                                                       : "could not be verified: ") +
                        test.why);
        b.discard();
        return false;
      }
    }
    ctx_.settings.verify = Verify::off;
    const bool done = ctx_.commit(b, std::move(patch));
    ctx_.settings.verify = asked;
    return done;
  }

  // A half whose float twin is gone is the value that the model's author named.
  void take_name(ValueId half, const std::string& name) {
    for (const Use& u : m_[half].uses)
      if (m_[u.node].is("Cast") && m_[m_[u.node].out[0]].name == name) return;
    m_.set_name(half, name);
  }

  PassContext& ctx_;
  Model& m_;
  const HalfOptions& o_;
  const HalfPlan& plan_;
  HalfValues twins_;
  std::vector<std::pair<ValueId, std::string>> names_;
  HalfResult result_;
};

}  // namespace

HalfResult convert_halves(PassContext& ctx, const HalfOptions& options, const HalfPlan& plan) {
  return Converter(ctx, options, plan).run();
}

}  // namespace lathe
