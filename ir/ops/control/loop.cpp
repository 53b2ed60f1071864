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

void infer_loop(InferCtx& c) {
  if (c.inputs() < 2) return;
  const GraphId body = c.attrs().graph("body");
  const size_t carried = c.inputs() - 2;
  // The body's inputs hold in every iteration, so a carried value has no more than its element type at first.
  std::vector<Type> in = {Type::tensor(DType::I64, Shape{}), Type::tensor(DType::Bool, Shape{})};
  for (size_t i = 0; i < carried; ++i) {
    Type t = c.type(i + 2);
    if (t.is_tensor() && t.shape) t.shape = unknown_shape(static_cast<int64_t>(t.shape->size()));
    in.push_back(std::move(t));
  }
  const auto results = c.body(body, in);
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
          if (!d.is_const()) d = Dim::unknown();  // names inside the body may be one iteration's
        shape->insert(shape->begin(), Dim::unknown());
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
