#include "ir/exec/plan.h"

#include <algorithm>

#include "ir/core/walk.h"
#include "ir/ops/convert.h"
#include "ir/ops/function_call.h"

namespace lathe {
namespace {

bool is_narrow(DType t) { return t == DType::F16 || t == DType::BF16 || t == DType::F32; }

// Sparse initializers are dense at run time. Indices are flat, or one coordinate row a value (onnx.proto,
// SparseTensorProto); both are checked.
Tensor densify(const SparseTensor& s) {
  Tensor out = Tensor::make(s.values.dtype, s.dims);
  const int64_t count = s.values.count(), total = out.count();
  const auto rank = static_cast<int64_t>(s.dims.size());
  if (bit_width(out.dtype) < 8) fail("a sparse tensor of {} is not supported", onnx_name(out.dtype));
  const bool flat = s.indices.rank() == 1;
  if (s.indices.count() != (flat ? count : checked_mul(count, rank)))
    fail("sparse tensor has {} values and {} indices", count, s.indices.count());
  const auto size = static_cast<size_t>(bit_width(out.dtype) / 8);
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    if (flat) {
      at = s.indices.as_i64(i);
    } else {
      for (int64_t d = 0; d < rank; ++d) {
        const int64_t x = s.indices.as_i64(i * rank + d), dim = s.dims[static_cast<size_t>(d)];
        if (x < 0 || x >= dim) fail("sparse index {} is outside of 0..{}", x, dim - 1);
        at = at * dim + x;
      }
    }
    if (at < 0 || at >= total) fail("sparse index {} is outside of 0..{}", at, total - 1);
    std::memcpy(out.mutable_bytes().data() + static_cast<size_t>(at) * size,
                s.values.bytes().data() + static_cast<size_t>(i) * size, size);
  }
  return out;
}

class Planner {
 public:
  Planner(const Model& m, const PlanOptions& options) : m_(m), options_(options) {}

  Plan graph(GraphId g) {
    for (const ValueId v : m_.inputs(g)) plan_.inputs.push_back(make(v));
    const std::vector<NodeId> nodes = m_.nodes(g);
    body(nodes, m_.outputs(g));
    mark_last_uses();
    return std::move(plan_);
  }

  Plan loose(std::span<const NodeId> nodes) {
    body(nodes, {});
    return std::move(plan_);
  }

 private:
  Slot make(ValueId v) {
    if (!v) return -1;
    const auto slot = static_cast<Slot>(plan_.ids.size());
    if (!plan_.slot_of.try_emplace(v, slot).second) fail("value '{}' is made twice", m_[v].name);
    plan_.ids.push_back(v);
    return slot;
  }

  // A Constant node whose tensor is known takes no step.
  bool is_folded(const Node& n) const {
    return n.is("Constant") && n.output(0) && m_.constant(n.output(0)) != nullptr;
  }

  void body(std::span<const NodeId> nodes, const std::vector<ValueId>& results) {
    for (const NodeId id : nodes) {
      const Node& n = m_[id];
      if (is_folded(n)) continue;
      PlanStep& step = plan_.steps.emplace_back();
      step.id = id;
      step.function = m_.function(n);
      if (step.function == nullptr) {
        step.def = op_registry().find(n);
        if (step.def != nullptr && step.def->eval == nullptr) step.def = nullptr;
      }
      if (options_.bound != nullptr && has_refs(n.attrs)) {
        auto copy = std::make_shared<Node>(n);
        copy->attrs = resolve_refs(n.attrs, *options_.bound);
        step.resolved = std::move(copy);
      }
      step.bodies = m_.subgraphs(id);
      for (const ValueId v : n.out) step.out.push_back(make(v));
    }
    plan_.made = plan_.ids.size();
    // Constants come before captures in the frame, so what comes from outside is collected first.
    std::vector<ValueId> wanted;
    const auto want = [&](ValueId v) {
      if (v && !plan_.slot_of.contains(v) && seen_.try_emplace(v, true).second) wanted.push_back(v);
    };
    for (const PlanStep& step : plan_.steps) {
      for (const ValueId v : m_[step.id].in) want(v);
      for (const GraphId g : step.bodies)
        for (const ValueId v : captures(m_, g)) want(v);
    }
    for (const ValueId v : results) want(v);
    for (const ValueId v : wanted) constant(v);
    for (const ValueId v : wanted) {
      if (plan_.slot_of.contains(v)) continue;
      make(v);
      plan_.captures.push_back(v);
    }
    for (PlanStep& step : plan_.steps) {
      for (const ValueId v : m_[step.id].in) {
        step.in.push_back(v ? plan_.slot_of.at(v) : -1);
        if (step.def == nullptr || step.in.back() < 0 || !is_constant_matrix(step.in.back())) continue;
        if (!step.memory) step.memory = std::make_shared<StepMemory>();
        step.memory->constants.add(
            *plan_.constants[static_cast<size_t>(step.in.back()) - plan_.made].tensor());
      }
    }
    for (const ValueId v : results) plan_.outputs.push_back(v ? plan_.slot_of.at(v) : -1);
  }

  bool is_constant_matrix(Slot s) const {
    const size_t i = static_cast<size_t>(s) - plan_.made;
    if (static_cast<size_t>(s) < plan_.made || i >= plan_.constants.size()) return false;
    const Tensor* t = plan_.constants[i].tensor();
    return t != nullptr && t->rank() == 2 && is_floating(t->dtype);
  }

  void constant(ValueId v) {
    if (options_.given != nullptr && options_.given->contains(v)) return;
    if (const Tensor* t = m_.constant(v)) {
      plan_.constants.push_back(options_.precise ? promoted(*t) : Datum(*t));
    } else if (m_[v].sparse) {
      Datum dense(densify(*m_[v].sparse));
      plan_.constants.push_back(options_.precise ? promoted(dense) : std::move(dense));
    } else {
      return;
    }
    make(v);
  }

  void mark_last_uses() {
    std::vector<bool> kept(plan_.made);  // outputs, or freed at a later step already
    const auto own = [&](Slot s) { return s >= 0 && static_cast<size_t>(s) < plan_.made; };
    for (const Slot s : plan_.outputs)
      if (own(s)) kept[static_cast<size_t>(s)] = true;
    for (auto step = plan_.steps.rbegin(); step != plan_.steps.rend(); ++step) {
      const auto last = [&](Slot s) {
        if (!own(s) || kept[static_cast<size_t>(s)]) return;
        kept[static_cast<size_t>(s)] = true;
        step->last.push_back(s);
      };
      for (const Slot s : step->in) last(s);
      for (const Slot s : step->out) last(s);
      for (const GraphId g : step->bodies)
        for (const ValueId v : captures(m_, g)) last(plan_.slot_of.at(v));
    }
  }

  const Model& m_;
  const PlanOptions& options_;
  Plan plan_;
  std::unordered_map<ValueId, bool> seen_;
};

}  // namespace

Datum promoted(const Datum& d) {
  if (const Tensor* t = d.tensor()) return is_narrow(t->dtype) ? Datum(convert(*t, DType::F64)) : d;
  if (const Sequence* s = d.sequence()) {
    Sequence items;
    items.reserve(s->size());
    for (const Datum& item : *s) items.push_back(promoted(item));
    return Datum::sequence(std::move(items), is_narrow(d.element) ? DType::F64 : d.element);
  }
  if (const MapDatum* m = d.map(); m != nullptr && is_narrow(m->values.dtype))
    return map_datum(m->keys, convert(m->values, DType::F64));
  return d;
}

Plan plan_graph(const Model& m, GraphId g, const PlanOptions& options) {
  return Planner(m, options).graph(g);
}

Plan plan_nodes(const Model& m, std::span<const NodeId> nodes, const PlanOptions& options) {
  return Planner(m, options).loose(nodes);
}

}  // namespace lathe
