#include "ir/ops/call_op.h"

#include <stdexcept>

#include "ir/ops/op_def.h"

namespace lathe {

std::vector<Datum> call_op(const EvalCtx& c, std::string_view domain, std::string_view type, Attrs attrs,
                           const std::vector<Datum>& in, size_t outputs) {
  const OpDef* def = op_registry().find(domain, type);
  if (def == nullptr || def->eval == nullptr)
    throw std::logic_error("no kernel of " + std::string(domain) + "." + std::string(type));
  Node n;
  n.domain = domain;
  n.type = type;
  n.attrs = std::move(attrs);
  n.out.assign(outputs, ValueId{0});  // all of them are wanted
  std::vector<const Datum*> operands;
  operands.reserve(in.size());
  for (const Datum& d : in) operands.push_back(&d);
  EvalCtx inner(n, operands, outputs);
  inner.seed = c.seed;
  inner.max_bytes = c.max_bytes;
  def->eval(inner);
  return std::move(inner.results());
}

Tensor call_op(const EvalCtx& c, std::string_view type, std::vector<std::pair<std::string, AttrValue>> attrs,
               const std::vector<Datum>& in) {
  Attrs a;
  for (auto& [name, value] : attrs) a.set(name, std::move(value));
  return std::get<Tensor>(call_op(c, "", type, std::move(a), in).at(0).value);
}

}  // namespace lathe
