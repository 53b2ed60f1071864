// Shape arithmetic that analysis has solved. Integer scalars and vectors whose elements are all known become
// constants; Reshape and Expand to symbolic shapes get constant operands (0 copies a dim, one -1 takes the
// rest); what is left of symbolic contents is computed once, by its first place in order.
//   Reshape (x [b, s, 384], Concat (Gather (Shape (x), 0), Gather (Shape (x), 1), 12, 32))  =>
//   Reshape (x, [0, 0, 12, 32])
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"
#include "passes/shape/reshape_target.h"

namespace lathe {
namespace {

bool is_shape_type(const Type& t) {
  return t.is_tensor() && (is_integer(t.dtype) || t.dtype == DType::Bool) && t.shape && t.shape->size() <= 1;
}

Tensor tensor_of(DType dtype, const Type& type, const std::vector<int64_t>& values) {
  std::vector<int64_t> dims;
  if (type.rank() == 1) dims.push_back(static_cast<int64_t>(values.size()));
  Tensor t = Tensor::make(dtype, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i)
    store_i64(dtype, t.mutable_bytes().data(), static_cast<int64_t>(i), values[i]);
  return t;
}

std::string text(const std::vector<int64_t>& values) { return fmt::format("[{}]", fmt::join(values, ", ")); }

bool fold_known(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  if (m[n].is("Constant") || m[n].is("Identity") || m[n].out.size() != 1 || !m.subgraphs(n).empty())
    return false;
  const ValueId v = m[n].output(0);
  if (!v || m[v].uses.empty() || !is_shape_type(m[v].type) || !ctx.values.contains(v)) return false;
  const auto values = const_ints(ctx, v);
  if (!values) return false;
  Builder b(m, ctx.values, n);
  const ValueId c = b.constant(tensor_of(m[v].type.dtype, m[v].type, *values), m[v].name);
  return ctx.commit(b, {.rule = "known-value",
                        .root = n,
                        .taken = {n},
                        .context = shape_chain(ctx, v),
                        .replace = {{v, c}},
                        .exactness = Exactness::bitwise,
                        .what = "is always " + text(*values)});
}

// The second operand of Reshape or Expand becomes `target`.
bool set_target(PassContext& ctx, NodeId n, const std::vector<int64_t>& target) {
  Model& m = ctx.model;
  const std::string type = m[n].type;
  Builder b(m, ctx.values, n);
  const ValueId made = b.op(type, {m[n].in[0], b.ints(target, "shape")});
  return ctx.commit(b, {.rule = type == "Expand" ? "expand-target" : "reshape-target",
                        .root = n,
                        .taken = {n},
                        .context = shape_chain(ctx, m[n].in[1]),
                        .replace = {{m[n].out[0], made}},
                        .exactness = Exactness::bitwise,
                        .what = "shape is always " + text(target)});
}

bool fold_reshape(PassContext& ctx, NodeId n) {
  const Model& m = ctx.model;
  const Shape *from = shape_of(m, m[n].input(0)), *to = shape_of(m, m[n].output(0));
  if (!m[n].input(1) || m.constant(m[n].in[1]) != nullptr || to == nullptr || m[m[n].out[0]].uses.empty())
    return false;
  const auto target = reshape_target(from != nullptr ? *from : Shape{}, *to);
  if (!target) {
    ctx.missed("reshape-target", n,
               fmt::format("{} from {} needs more than one -1", to_string(*to),
                           from != nullptr ? to_string(*from) : "an unknown shape"));
    return false;
  }
  return set_target(ctx, n, *target);
}

bool fold_expand(PassContext& ctx, NodeId n) {
  const Model& m = ctx.model;
  const Shape *from = shape_of(m, m[n].input(0)), *to = shape_of(m, m[n].output(0));
  if (!m[n].input(1) || m.constant(m[n].in[1]) != nullptr || from == nullptr || to == nullptr ||
      m[m[n].out[0]].uses.empty())
    return false;
  const auto target = expand_target(*from, *to);
  return target && set_target(ctx, n, *target);
}

// Equal symbolic contents, computed once. A subgraph sees the outer graph's values that come before its
// owner; to keep this simple it looks for twins in itself alone.
class Numbering {
 public:
  explicit Numbering(PassContext& ctx) : ctx_(ctx), m_(ctx.model) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main())) {
      std::map<std::pair<DType, int>, std::unordered_map<std::string, ValueId>> first;
      for (const NodeId n : m_.nodes(g)) {
        if (ctx_.out_of_fuel()) return;
        if (m_[n].erased || m_[n].out.size() != 1 || m_[n].is("Constant")) continue;
        const ValueId v = m_[n].out[0];
        if (!v || m_[v].uses.empty() || !is_shape_type(m_[v].type)) continue;
        const auto known = ctx_.values.find(v);
        if (known == ctx_.values.end() || as_constants(known->second)) continue;
        std::string key;
        for (const Dim d : known->second) {
          const uint64_t id[] = {d.hash()};
          key.append(reinterpret_cast<const char*>(id), sizeof id);
        }
        const auto [it, fresh] = first[{m_[v].type.dtype, m_[v].type.rank()}].try_emplace(std::move(key), v);
        if (fresh) continue;
        if (m_[it->second].erased)
          it->second = v;
        else if (ctx_.values.at(it->second) == known->second)
          merge(n, v, it->second);
      }
    }
  }

 private:
  void merge(NodeId n, ValueId v, ValueId first) {
    Builder none(m_, ctx_.values, n);
    std::vector<NodeId> context = shape_chain(ctx_, v);
    for (const NodeId c : shape_chain(ctx_, first)) context.push_back(c);
    ctx_.commit(none,
                {.rule = "same-value",
                 .root = n,
                 .taken = {n},
                 .context = std::move(context),
                 .replace = {{v, first}},
                 .in_order = true,
                 .exactness = Exactness::bitwise,
                 .what = fmt::format("is always '{}' {}", m_[first].name, to_string(ctx_.values.at(first)))});
  }

  PassContext& ctx_;
  Model& m_;
};

}  // namespace

PassDef fold_shapes() {
  return {
      .name = "fold-shapes",
      .group = "fold",
      .summary = "Make constants of shape arithmetic whose result analysis proves, symbolic dims included",
      .run = [](PassContext& ctx, const PassOptions&) {
        // Backwards: a chain's last value is folded, and the rest of it is gone before it is looked at.
        const std::vector<NodeRewrite> rewrites = {
            {"Reshape", fold_reshape}, {"Expand", fold_expand}, {"*", fold_known}};
        sweep(ctx, rewrites, Direction::backwards);
        Numbering(ctx).run();
      }};
}

}  // namespace lathe
