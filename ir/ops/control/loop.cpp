// Loop.
#include <limits>

#include "ir/ops/control/stack.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// A value that changes from one iteration to the next keeps what both of its types say. Dims that differ are
// unknown, with new unknowns, so that nothing is taken for equal by accident.
Type settled(const Type& before, const Type& after) {
  if (before == after) return before;
  if (!before.is_tensor() || !after.is_tensor() || before.dtype != after.dtype) return {};
  if (!before.shape || !after.shape || before.shape->size() != after.shape->size())
    return Type::tensor(before.dtype);
  Shape shape;
  for (size_t i = 0; i < before.shape->size(); ++i)
    shape.push_back((*before.shape)[i] == (*after.shape)[i] ? (*before.shape)[i] : Dim::unknown());
  return Type::tensor(before.dtype, std::move(shape));
}

// Takes out of what is assumed of a carried value what the body does not keep. True if something went.
bool weaken(Type& assumed, const Type& after) {
  if (!assumed.is_tensor() || !assumed.shape) return false;
  if (!after.is_tensor() || !after.shape || after.shape->size() != assumed.shape->size()) {
    assumed.shape.reset();
    return true;
  }
  bool changed = false;
  for (size_t i = 0; i < assumed.shape->size(); ++i) {
    Dim& d = (*assumed.shape)[i];
    if (d == (*after.shape)[i] || d.is_unknown()) continue;
    d = Dim::unknown();
    changed = true;
  }
  return changed;
}

// What holds before the first iteration and is kept by each one holds in all of them.
std::vector<Type> infer_body(InferCtx& c, GraphId body, std::vector<Type>& assumed) {
  constexpr int kRounds = 4;
  for (int round = 0;; ++round) {
    auto results = c.body(body, assumed);
    bool changed = false;
    for (size_t i = 2; i < assumed.size() && i - 1 < results.size(); ++i) {
      const bool last = round == kRounds && assumed[i].is_tensor();
      if (weaken(assumed[i], last ? Type::tensor(assumed[i].dtype) : results[i - 1])) changed = true;
    }
    if (!changed) return results;
  }
}

// The trip count, where nothing can end the loop before it.
Dim trips(const InferCtx& c, GraphId body) {
  const Model& m = c.model();
  const auto count = c.value(0), go = c.has(1) ? c.value(1) : std::optional(Shape{Dim(1)});
  const auto in = m.inputs(body), out = m.outputs(body);
  if (!count || count->size() != 1 || !go || go->size() != 1 || !(*go)[0].is_const(1) || in.size() < 2 ||
      out.empty())
    return Dim::unknown();
  ValueId next = out[0];
  while (next && m[next].def && m[m[next].def].is("Identity")) next = m[m[next].def].input(0);
  const Tensor* always = next ? m.constant(next) : nullptr;
  if (next != in[1] && !(always != nullptr && always->count() == 1 && always->as_double(0) != 0))
    return Dim::unknown();
  return Dim::provably_ge((*count)[0], 0) ? (*count)[0] : Dim::max((*count)[0], 0);
}

// Sizes that mean the same in every iteration: those over the symbols of the model's own inputs.
bool holds_outside(const Model& m, Dim d) {
  if (d.is_const()) return true;
  if (d.has_unknown()) return false;
  for (const std::string& name : d.symbols()) {
    const bool known = [&] {
      for (const ValueId v : m.inputs(m.main()))
        if (m[v].type.shape)
          for (const Dim e : *m[v].type.shape)
            if (e == Dim::symbol(name)) return true;
      return false;
    }();
    if (!known) return false;
  }
  return true;
}

void infer_loop(InferCtx& c) {
  if (c.inputs() < 2) return;
  const GraphId body = c.attrs().graph("body");
  const size_t carried = c.inputs() - 2;
  std::vector<Type> assumed = {Type::tensor(DType::I64, Shape{}), Type::tensor(DType::Bool, Shape{})};
  for (size_t i = 0; i < carried; ++i) assumed.push_back(c.type(i + 2));
  const auto results = infer_body(c, body, assumed);
  const Dim length = trips(c, body);
  for (size_t i = 0; i + 1 < results.size() && i < c.outputs(); ++i) {
    const Type& t = results[i + 1];
    if (i < carried) {
      const Type s = settled(c.type(i + 2), t);
      if (s.known()) c.out(i, s);
    } else if (t.is_tensor()) {
      std::optional<Shape> shape;
      if (t.shape) {
        shape = *t.shape;
        for (Dim& d : *shape)
          if (!holds_outside(c.model(), d)) d = Dim::unknown();
        shape->insert(shape->begin(), length);
      }
      c.out(i, t.dtype, std::move(shape));
    }
  }
}

void eval_loop(EvalCtx& c) {
  if (c.inputs() < 2) fail("trip count and condition are missing");
  const GraphId body = c.attrs().graph("body");
  const size_t carried = c.inputs() - 2, outputs = c.outputs();
  if (outputs < carried) fail("{} outputs for {} carried values", outputs, carried);
  int64_t trips = std::numeric_limits<int64_t>::max();
  if (const Tensor* m = c.maybe(0)) {
    if (m->count() != 1) fail("the trip count has {} elements", m->count());
    trips = m->as_i64(0);
  }
  bool go = c.has(1) ? truth(c.datum(1)) : true;
  std::vector<Datum> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.datum(i + 2));
  std::vector<Stack> stacks(outputs - carried);
  Held held(c);

  for (int64_t k = 0; go && k < trips; ++k) {
    if (c.max_iterations > 0 && k >= c.max_iterations) fail("more than {} iterations", c.max_iterations);
    std::vector<Datum> in = {Tensor::scalar_i64(k), Tensor::full(DType::Bool, {}, 1)};
    for (Datum& d : state) in.push_back(std::move(d));
    auto results = c.run_body(body, std::move(in));
    if (results.size() != outputs + 1) fail("the body gives {} values, not {}", results.size(), outputs + 1);
    go = truth(results[0]);
    for (size_t i = 0; i < carried; ++i) state[i] = std::move(results[i + 1]);
    for (size_t i = carried; i < outputs; ++i) stacks[i - carried].push(results[i + 1], held);
  }
  for (size_t i = 0; i < carried; ++i) c.set(i, std::move(state[i]));
  const auto types = c.body_types(body);
  for (size_t i = carried; i < outputs; ++i)
    stacks[i - carried].finish(c, i, i + 1 < types.size() ? types[i + 1] : Type());
}

}  // namespace

void register_loop(OpRegistry& r) { r.add({"", "Loop", infer_loop, eval_loop}); }

}  // namespace lathe
