#include "ir/ops/training/gradient.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/ops/function_call.h"
#include "ir/ops/op_def.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

constexpr int kMaxOrder = 8;  // of Gradient nodes that differentiate each other

std::string place(const Model& m, const Node& n) {
  std::string where = n.name.empty() ? "" : " (node '" + n.name + "'";
  for (const ValueId v : n.out)
    if (v && !m[v].name.empty()) return (where.empty() ? " (" : where + ", ") + "makes '" + m[v].name + "')";
  return where.empty() ? "" : where + ")";
}

class Differentiator {
 public:
  Differentiator(const Model& m, Tape& tape, const ExpandOp& expand, int depth = 0)
      : m_(m), tape_(tape), expand_(expand), depth_(depth) {}

  // The outputs of a graph without named values, on these inputs.
  Vars body(GraphId g, const Vars& in, size_t outputs) {
    std::unordered_map<ValueId, Var> known;
    const auto inputs = m_.inputs(g);
    for (size_t i = 0; i < inputs.size() && i < in.size(); ++i) known[inputs[i]] = in[i];
    Vars out;
    for (const ValueId v : m_.outputs(g)) {
      if (v) forward(g, v, known);
      out.push_back(v ? known.at(v) : kNoVar);
    }
    out.resize(outputs, kNoVar);
    return out;
  }

  // The derivatives by xs, at these values of xs and zs; kNoVar for zero.
  Vars gradients(const Node& n, const Vars& inputs) {
    if (++order_ > kMaxOrder) fail("Gradient nodes differentiate each other more than {} deep", kMaxOrder);
    const auto xs = n.attrs.strings("xs"), zs = n.attrs.strings("zs");
    const size_t own = xs.size() + zs.size();
    const bool held = n.attrs.has(kNamedInputs) && n.in.size() == 2 * own + 1;
    if (inputs.size() != (held ? n.in.size() : own))
      fail("{} inputs for {} names in xs and {} in zs", inputs.size(), xs.size(), zs.size());
    const auto named = held ? std::unordered_map<std::string, ValueId>() : values_by_name(m_, n.parent);
    const auto find = [&](size_t i, const std::string& name) {  // the i-th of xs, zs, y
      if (held) return n.in[own + i];
      const auto it = named.find(name);
      if (it == named.end()) fail("the graph has no value '{}'", name);
      return it->second;
    };
    std::unordered_map<ValueId, Var> known;
    for (size_t i = 0; i < own; ++i) {
      const std::string& name = i < xs.size() ? xs[i] : zs[i - xs.size()];
      if (i < xs.size() && !is_floating(tape_.at(inputs[i]).dtype)) fail("'{}' in xs is not a float", name);
      if (!known.try_emplace(find(i, name), inputs[i]).second) fail("'{}' is named twice in xs and zs", name);
    }
    const size_t begin = tape_.length();
    const ValueId y = find(own, n.attrs.s("y", ""));
    forward(n.parent, y, known);
    const Var end = known.at(y);
    if (!is_floating(tape_.at(end).dtype)) fail("y is not a float");
    --order_;
    return tape_.gradients(end, {inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(xs.size())},
                           begin);
  }

 private:
  // Evaluates what y needs; `known` receives every value on the way.
  void forward(GraphId g, ValueId y, std::unordered_map<ValueId, Var>& known) {
    std::unordered_set<NodeId> needed;
    std::vector<ValueId> stack{y};
    while (!stack.empty()) {
      const ValueId v = stack.back();
      stack.pop_back();
      if (!v || known.contains(v)) continue;
      if (const Tensor* t = m_.constant(v)) {
        known[v] = tape_.leaf(*t);
        continue;
      }
      const NodeId n = m_[v].def;
      if (!n || m_.is_hidden(n) || m_[n].parent != g)
        fail("y depends on '{}', which is neither in xs nor in zs", m_[v].name);
      if (!needed.insert(n).second) continue;
      stack.insert(stack.end(), m_[n].in.begin(), m_[n].in.end());
    }
    for (const NodeId n : m_.nodes(g))
      if (needed.contains(n)) apply(m_[n], n, known);
  }

  void apply(const Node& n, NodeId id, std::unordered_map<ValueId, Var>& known) {
    Vars in, out;
    for (const ValueId v : n.in) in.push_back(v ? known.at(v) : kNoVar);  // kNoVar: omitted in a body's call
    if (is_gradient(n)) {
      const Vars g = gradients(n, in);
      for (size_t i = 0; i < g.size(); ++i)
        out.push_back(g[i] != kNoVar ? g[i]
                                     : tape_.leaf(Tensor::make(tape_.at(in[i]).dtype, tape_.at(in[i]).dims)));
    } else {
      if (m_.function(n) != nullptr || !m_.subgraphs(id).empty() || !n.canonical() || has_refs(n.attrs))
        fail("no derivative is known of {}{}", n.type, place(m_, n));
      out = through_body(n, in);
      if (out.empty()) out = tape_.apply({n.domain, n.type, place(m_, n), n.attrs, in, {}}, n.out.size());
    }
    for (size_t i = 0; i < n.out.size() && i < out.size(); ++i)
      if (n.out[i]) known.try_emplace(n.out[i], out[i]);
  }

  // Empty where the op itself goes on the tape.
  Vars through_body(const Node& n, const Vars& in) {
    constexpr int kMaxDepth = 16;
    if (find_derivative(n.domain, n.type) != nullptr || depth_ == kMaxDepth) return {};
    std::vector<const Datum*> data;
    bool floats = false;
    for (const Var v : in) {
      data.push_back(v == kNoVar ? nullptr : &tape_.datum(v));
      const Tensor* t = v == kNoVar ? nullptr : tape_.datum(v).tensor();
      floats = floats || (t != nullptr && is_floating(t->dtype));
    }
    if (!floats) return {};
    const OpBody b = expand_(n, data);
    if (b.model == nullptr) return {};
    for (const NodeId id : b.model->nodes(b.graph))
      if (!b.model->subgraphs(id).empty()) return {};
    return Differentiator(*b.model, tape_, expand_, depth_ + 1).body(b.graph, in, n.out.size());
  }

  const Model& m_;
  Tape& tape_;
  const ExpandOp& expand_;
  int depth_ = 0;
  int order_ = 0;
};

void infer_gradient(InferCtx& c) {
  for (size_t i = 0; i < c.outputs() && i < c.inputs(); ++i)
    if (const Type& t = c.type(i); t.is_tensor()) c.out(i, t.dtype, t.shape);
}

// The executor calls eval_gradient, which needs the graph.
void eval_alone(EvalCtx&) { fail("Gradient has a meaning in a graph only"); }

}  // namespace

std::unordered_map<std::string, ValueId> values_by_name(const Model& m, GraphId g) {
  std::unordered_map<std::string, ValueId> out;
  const auto add = [&](ValueId v) {
    if (v && !m[v].name.empty()) out.try_emplace(m[v].name, v);
  };
  for (const ValueId v : m.inputs(g)) add(v);
  for (const ValueId v : m[g].initializers) add(v);
  for (const NodeId n : m.nodes(g))
    for (const ValueId v : m[n].out) add(v);
  return out;
}

bool is_gradient(const Node& n) { return n.domain == kTrainingDomain && n.type == "Gradient"; }

void eval_gradient(const Model& m, EvalCtx& c, bool precise, const ExpandOp& expand) {
  Tape tape(c, precise);
  Vars inputs;
  for (size_t i = 0; i < c.inputs(); ++i) inputs.push_back(tape.leaf(c.in(i)));
  const Vars g = Differentiator(m, tape, expand).gradients(c.node(), inputs);
  for (size_t i = 0; i < g.size() && i < c.outputs(); ++i) {
    if (!c.wants(i)) continue;
    c.set(i, g[i] != kNoVar ? tape.datum(g[i]) : Tensor::make(c.in(i).dtype, c.in(i).dims));
  }
}

void register_gradient(OpRegistry& r) {
  r.add({.domain = std::string(kTrainingDomain),
         .type = "Gradient",
         .infer = infer_gradient,
         .eval = eval_alone});
}

}  // namespace lathe
