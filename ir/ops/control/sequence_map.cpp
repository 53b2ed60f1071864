// SequenceMap.
#include "ir/ops/control/stack.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

void infer_sequence_map(InferCtx& c) {
  std::vector<Type> in;
  for (size_t i = 0; i < c.inputs(); ++i) {
    const Type& t = c.type(i);
    in.push_back(t.kind == Type::Kind::Sequence ? (t.item ? *t.item : Type()) : t);
  }
  const auto results = c.body(c.attrs().graph("body"), in);
  for (size_t i = 0; i < results.size() && i < c.outputs(); ++i)
    if (results[i].is_tensor())
      c.out(i, Type::sequence(Type::tensor(results[i].dtype)));  // each item has its shape
}

void eval_sequence_map(EvalCtx& c) {
  const GraphId body = c.attrs().graph("body");
  const size_t n = c.sequence(0).size();
  if (c.max_iterations > 0 && n > static_cast<size_t>(c.max_iterations))
    fail("more than {} iterations", c.max_iterations);
  for (size_t i = 1; i < c.inputs(); ++i)
    if (const Sequence* s = c.datum(i).sequence(); s != nullptr && s->size() != n)
      fail("sequences of {} and {} items", n, s->size());
  std::vector<Sequence> out(c.outputs());
  Held held(c);
  for (size_t k = 0; k < n; ++k) {
    std::vector<Datum> in;
    for (size_t i = 0; i < c.inputs(); ++i) {
      const Sequence* s = c.datum(i).sequence();
      in.push_back(s != nullptr ? (*s)[k] : c.datum(i));
    }
    auto results = c.run_body(body, std::move(in));
    if (results.size() != out.size()) fail("the body gives {} values, not {}", results.size(), out.size());
    for (size_t i = 0; i < out.size(); ++i) {
      if (const Tensor* t = results[i].tensor()) held.add(*t);
      out[i].push_back(std::move(results[i]));
    }
  }
  const auto types = c.body_types(body);
  for (size_t i = 0; i < out.size(); ++i) {
    const Tensor* first = out[i].empty() ? nullptr : out[i][0].tensor();
    const DType declared = i < types.size() ? types[i].dtype : DType::Undefined;
    c.set(i, Datum::sequence(std::move(out[i]), first != nullptr ? first->dtype : declared));
  }
}

}  // namespace

void register_sequence_map(OpRegistry& r) {
  r.add({"", "SequenceMap", infer_sequence_map, eval_sequence_map});
}

}  // namespace lathe
