#include "ir/ops/infer.h"

#include <map>

#include "ir/core/label.h"
#include "ir/core/walk.h"
#include "ir/ops/function_call.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

// Nesting and work are cut off, not refused: beyond them types stay as declared. Functions that call
// functions, and rules that walk a body more than once, could otherwise take exponential time.
constexpr int kMaxDepth = 128;
constexpr int64_t kWorkPerNode = 64, kWorkAtLeast = 100'000;

class Inference {
 public:
  Inference(Model& m, ShapeValues& values)
      : m_(m),
        values_(values),
        work_left_(std::max(kWorkAtLeast, kWorkPerNode * static_cast<int64_t>(m.node_capacity()))) {}

  void graph(GraphId g, const Attrs* bound) {
    if (depth_ >= kMaxDepth) return;
    ++depth_;
    for (NodeId n = m_[g].first; n && work_left_ > 0; n = m_[n].next) node(n, bound);
    --depth_;
  }

  // bound: attributes of the enclosing function's call; null outside of functions.
  void node(NodeId n, const Attrs* bound) {
    --work_left_;
    if (type_constant(n)) return;
    Attrs resolved;
    const bool refs = has_refs(m_[n].attrs);
    if (refs) {
      if (bound == nullptr) return;  // a function's body on its own: nothing is known
      resolved = resolve_refs(m_[n].attrs, *bound);
    }
    InferCtx c(m_, n, values_, refs ? &resolved : nullptr);
    c.run_body = [this, bound](GraphId g, std::span<const Type> inputs) { return body(g, inputs, bound); };
    try {
      if (const Function* f = m_.function(m_[n])) {
        call(c, *f);
      } else if (const OpDef* def = op_registry().find(m_[n]); def != nullptr && def->infer != nullptr) {
        def->infer(c);
      } else if (!m_[n].canonical()) {
        old_meaning(c);
      }
    } catch (const NodeError&) {
      throw;
    } catch (const Error& e) {
      c.contradiction(e.what());
    }
  }

  // Ops in an old meaning (Softmax that flattens, Add along an axis, ...) whose first output is like their
  // first input.
  static void old_meaning(InferCtx& c) {
    const std::string& type = c.node().type;
    const auto is_one_of = [&](std::initializer_list<std::string_view> list) {
      return std::find(list.begin(), list.end(), type) != list.end();
    };
    if (is_one_of({"Equal", "Greater", "Less", "And", "Or", "Xor"})) {
      const Shape* shape = c.shape(0);
      c.out(0, DType::Bool, shape ? std::optional(*shape) : std::nullopt);
    } else if (is_one_of({"Softmax", "LogSoftmax", "Hardmax", "Clip", "PRelu", "Add", "Sub", "Mul", "Div",
                          "Pow", "GroupNormalization", "BatchNormalization", "Dropout"})) {
      if (c.type(0).known()) c.out(0, c.type(0));
    }
  }

  // A function called with different types has no types of its own.
  void forget_mixed() {
    for (const auto& [g, signature] : calls_)
      if (signature.mixed) forget(g);
  }

 private:
  struct Signature {
    std::vector<Type> inputs;
    bool mixed = false;
  };

  bool type_constant(NodeId n) {
    const ValueId v = m_[n].output(0);
    const Tensor* t = m_[n].is("Constant") && v ? m_.constant(v) : nullptr;
    if (t == nullptr) return false;
    Type type = Type::tensor(t->dtype, Shape(t->dims.begin(), t->dims.end()));
    if (!(m_[v].type == type)) m_.set_type(v, std::move(type));
    return true;
  }

  void set_inputs(GraphId g, std::span<const Type> types) {
    const std::vector<ValueId> inputs = m_.inputs(g);
    for (size_t i = 0; i < inputs.size() && i < types.size(); ++i) {
      Type t = merge_types(types[i], m_[inputs[i]].type);
      if (!(t == m_[inputs[i]].type)) m_.set_type(inputs[i], std::move(t));
    }
  }

  std::vector<Type> output_types(GraphId g) const {
    std::vector<Type> out;
    for (const ValueId v : m_.outputs(g)) out.push_back(v ? m_[v].type : Type());
    return out;
  }

  std::vector<Type> body(GraphId g, std::span<const Type> inputs, const Attrs* bound) {
    restore(g);
    set_inputs(g, inputs);
    graph(g, bound);
    return output_types(g);
  }

  void call(InferCtx& c, const Function& f) {
    if (depth_ >= kMaxDepth) return;
    const GraphId g = f.body;
    std::vector<Type> inputs;
    for (size_t i = 0; i < c.inputs(); ++i) inputs.push_back(c.type(i));
    const auto [it, first] = calls_.try_emplace(g, Signature{inputs});
    if (!first && !(it->second.inputs == inputs)) it->second.mixed = true;
    forget(g);
    set_inputs(g, inputs);
    const std::vector<ValueId> params = m_.inputs(g), results = m_.outputs(g);
    for (size_t i = 0; i < params.size(); ++i)
      if (auto v = c.value(i)) values_[params[i]] = std::move(*v);
    const Attrs bound = bind_call(f, c.attrs());
    graph(g, &bound);
    for (size_t i = 0; i < results.size() && i < c.outputs(); ++i) {
      if (!results[i]) continue;
      c.out(i, m_[results[i]].type);
      if (const auto known = values_.find(results[i]); known != values_.end()) c.out_value(i, known->second);
    }
  }

  // A body that is walked again under other assumptions starts from its declared types, not from the last
  // walk's.
  void restore(GraphId body) {
    const auto [it, first] = declared_.try_emplace(body);
    if (!first) {
      for (const auto& [v, type] : it->second) {
        values_.erase(v);
        m_.set_type(v, type);
      }
      return;
    }
    for (const GraphId g : nested_graphs(m_, body)) {
      const auto keep = [&](ValueId v) {
        if (v && m_[v].constant == nullptr) it->second.emplace_back(v, m_[v].type);
      };
      for (const ValueId v : m_.inputs(g)) keep(v);
      for (NodeId n = m_[g].first; n; n = m_[n].next)
        for (const ValueId v : m_[n].out) keep(v);
    }
  }

  void forget(GraphId function) {
    const auto clear = [&](ValueId v) {
      if (!v) return;
      values_.erase(v);
      if (m_[v].type.known() && m_[v].constant == nullptr) m_.set_type(v, Type());
    };
    for (const GraphId g : nested_graphs(m_, function)) {
      for (const ValueId v : m_.inputs(g)) clear(v);
      for (const NodeId n : m_.nodes(g))
        for (const ValueId v : m_[n].out) clear(v);
    }
  }

  Model& m_;
  ShapeValues& values_;
  std::map<GraphId, Signature> calls_;
  std::map<GraphId, std::vector<std::pair<ValueId, Type>>> declared_;
  int64_t work_left_;
  int depth_ = 0;
};

}  // namespace

void infer_node(Model& m, NodeId n, ShapeValues& values) { Inference(m, values).node(n, nullptr); }

ShapeValues infer_types(Model& m) {
  ShapeValues values;
  Inference inference(m, values);
  inference.graph(m.main(), nullptr);
  inference.forget_mixed();
  return values;
}

}  // namespace lathe
