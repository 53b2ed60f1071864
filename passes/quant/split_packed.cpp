#include <fmt/format.h>

#include <array>
#include <numeric>

#include "ir/core/walk.h"
#include "passes/core/erase_unused.h"
#include "passes/core/facts.h"
#include "passes/core/take.h"
#include "passes/quant/weight_only.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

// Operands of MatMulNBits that hold something for each of its N columns: codes, scales, zero points, bias.
constexpr std::array<size_t, 4> kByColumn = {1, 2, 3, 5};

struct ByColumn {
  size_t slot;
  ValueId whole;  // the constant, itself or behind a Cast
  NodeId cast;    // or none
};

// Columns [first, first + size) of `columns`, of a tensor that holds so much for each.
Tensor columns_of(const Tensor& t, int64_t columns, int64_t first, int64_t size) {
  std::vector<int64_t> at(static_cast<size_t>(size));
  std::iota(at.begin(), at.end(), first);
  const Tensor part = take_along(t.reshaped({columns, t.count() / columns}), 0, at);
  std::vector<int64_t> dims = t.dims;
  dims[0] = dims[0] / columns * size;
  return part.reshaped(dims);
}

//   q, k, v = Split (MatMulNBits (x, ...))  =>  q = MatMulNBits (x, ...), k = ..., v = ...
void split_packed(PassContext& ctx, NodeId split) {
  Model& m = ctx.model;
  const Node s = m[split];
  const NodeId product = s.input(0) ? m[s.in[0]].def : NodeId{};
  if (!product || !m[product].is("MatMulNBits", kContrib) || !used_once(m, s.in[0]) ||
      m[product].parent != s.parent)
    return;
  const Node p = m[product];
  const int64_t columns = p.attrs.i("N", 0), rank = m[s.in[0]].type.rank(), axis = s.attrs.i("axis", 0);
  const Tensor* sizes = s.input(1) ? m.constant(s.in[1]) : nullptr;
  if (columns <= 0 || (axis != -1 && axis + 1 != rank) || sizes == nullptr || p.input(4) ||
      sizes->count() != static_cast<int64_t>(s.out.size()))
    return;
  int64_t left = columns;  // a file may say anything
  for (int64_t i = 0; i < sizes->count(); ++i) {
    const int64_t size = sizes->as_i64(i);
    if (size <= 0 || size > left || !s.out[static_cast<size_t>(i)]) return;
    left -= size;
  }
  if (left != 0) return;
  std::vector<ByColumn> operands;
  for (const size_t slot : kByColumn) {
    if (!p.input(slot)) continue;
    const NodeId def = m[p.in[slot]].def, cast = def && m[def].is("Cast") ? def : NodeId{};
    const ValueId whole = cast ? m[cast].in[0] : p.in[slot];
    const Tensor* t = m.constant(whole);
    if (t == nullptr || t->rank() == 0 || t->dims[0] % columns != 0) return;
    operands.push_back({slot, whole, cast});
  }
  Builder b(m, ctx.values, product);
  Patch patch{.rule = "split-packed",
              .root = split,
              .taken = {split, product},
              .what = fmt::format("{} products in place of one and a copy", s.out.size())};
  int64_t first = 0;
  for (size_t i = 0; i < s.out.size(); ++i) {
    const int64_t size = sizes->as_i64(static_cast<int64_t>(i));
    std::vector<ValueId> in = p.in;
    for (const auto& [slot, whole, cast] : operands) {
      in[slot] = b.constant(columns_of(*m.constant(whole), columns, first, size),
                            fmt::format("{}_{}", m[whole].name, i));
      if (cast) in[slot] = b.op("Cast", {in[slot]}, m[cast].attrs);
    }
    Attrs a = p.attrs;
    a.set("N", size);
    patch.replace.emplace_back(s.out[i], b.op("MatMulNBits", std::move(in), std::move(a), kContrib));
    first += size;
  }
  std::vector<ValueId> wholes;
  for (const auto& [slot, whole, cast] : operands) {
    wholes.push_back(whole);
    if (cast && used_once(m, p.in[slot])) patch.taken.push_back(cast);
  }
  if (ctx.commit(b, std::move(patch))) erase_unused(m, wholes);
}

}  // namespace

void split_packed_products(PassContext& ctx) {
  if (ctx.settings.target.name() != "ort-cpu") return;
  for (const GraphId g : nested_graphs(ctx.model, ctx.model.main()))
    for (const NodeId n : ctx.model.nodes(g)) {
      if (ctx.out_of_fuel()) return;
      if (!ctx.model[n].erased && ctx.model[n].is("Split")) split_packed(ctx, n);
    }
}

}  // namespace lathe
