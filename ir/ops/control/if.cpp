// If.
#include "ir/ops/control/stack.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

std::optional<Shape> common_shape(const std::optional<Shape>& a, const std::optional<Shape>& b) {
  if (!a || !b || a->size() != b->size()) return std::nullopt;
  Shape out;
  for (size_t i = 0; i < a->size(); ++i) out.push_back((*a)[i] == (*b)[i] ? (*a)[i] : Dim::unknown());
  return out;
}

// What holds of a value whichever branch made it.
Type common_type(const Type& a, const Type& b) {
  if (a == b) return a;
  if (a.kind != b.kind || a.dtype != b.dtype) return {};
  if (a.is_tensor()) return Type::tensor(a.dtype, common_shape(a.shape, b.shape));
  if (!a.item || !b.item) return {};
  const Type item = common_type(*a.item, *b.item);
  if (!item.known()) return {};
  if (a.kind == Type::Kind::Sequence) return Type::sequence(item);
  return a.kind == Type::Kind::Optional ? Type::optional(item) : Type();
}

void infer_if(InferCtx& c) {
  const auto yes = c.body(c.attrs().graph("then_branch"), {}),
             no = c.body(c.attrs().graph("else_branch"), {});
  const auto known = c.value(0);
  for (size_t i = 0; i < c.outputs() && i < yes.size() && i < no.size(); ++i) {
    const bool decided = known && known->size() == 1 && (*known)[0].is_const();
    c.out(i, !decided ? common_type(yes[i], no[i]) : (*known)[0].is_const(0) ? no[i] : yes[i]);
  }
}

void eval_if(EvalCtx& c) {
  auto results = c.run_body(c.attrs().graph(truth(c.datum(0)) ? "then_branch" : "else_branch"), {});
  if (results.size() < c.outputs()) fail("the branch gives {} of {} outputs", results.size(), c.outputs());
  for (size_t i = 0; i < c.outputs(); ++i) c.set(i, std::move(results[i]));
}

}  // namespace

void register_if(OpRegistry& r) { r.add({"", "If", infer_if, eval_if}); }

}  // namespace lathe
