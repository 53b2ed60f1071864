// Identities of arithmetic and logic, as rules.
#include <array>
#include <cmath>

#include "ir/onnx/lift.h"
#include "passes/all_passes.h"
#include "passes/core/facts.h"
#include "passes/core/sweep.h"

namespace lathe {
namespace {

// f(f(x)) = x
Rule involution(const std::string& op_type, std::string name) {
  const Var x;
  return {.name = std::move(name),
          .why = "done twice it is undone",
          .pattern = op(op_type, {op(op_type, {x})}),
          .emit = [=](Builder&, const Match& m) { return m[x]; },
          .exactness = Exactness::bitwise,
          .closed = false};
}

// f(f(x)) = f(x)
Rule idempotent(const std::string& op_type, std::string name) {
  const Var x, once;
  return {.name = std::move(name),
          .why = "once is as good as twice",
          .pattern = op(op_type, {bind(once, op(op_type, {x}))}),
          .emit = [=](Builder&, const Match& m) { return m[once]; },
          .exactness = Exactness::bitwise,
          .closed = false};
}

Rule not_where() {
  const Var c, a, b;
  return {.name = "not-where",
          .why = "the branches change places",
          .pattern = op("Where", {op("Not", {c}), a, b}),
          .emit = [=](Builder& out, const Match& m) { return out.op("Where", {m[c], m[b], m[a]}); },
          .exactness = Exactness::bitwise,
          .closed = false};
}

Rule log_softmax() {
  const Var x, s;
  return {.name = "log-softmax",
          .why = "the logarithm of Softmax is LogSoftmax, which does not underflow",
          .pattern = op("Log", {bind(s, op("Softmax", {x}))}),
          .emit = [=](Builder& out, const Match& m) {
            Attrs same = (*m.model)[(*m.model)[m[s]].def].attrs;
            return out.op("LogSoftmax", {m[x]}, std::move(same));
          }};
}

// (1 / x) * y
Rule reciprocal_times() {
  const Var x, y;
  return {.name = "reciprocal-times",
          .why = "a product with an inverse is a quotient",
          .pattern = commutative_op("Mul", one_of({op("Reciprocal", {x}), op("Div", {1.0, x})}), y),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            if (is_floating(m.type(x).dtype)) return std::nullopt;
            return "integer division rounds";
          },
          .emit = [=](Builder& out, const Match& m) { return out.op("Div", {m[y], m[x]}); }};
}

// y * y in place of Pow (y, 2), which some runtimes compute by exp and log.
Rule pow_two() {
  const Var x;
  return {.name = "pow-two",
          .why = "the second power is a product",
          .pattern = op("Pow", {x, 2.0}),
          .emit = [=](Builder& out, const Match& m) { return out.op("Mul", {m[x], m[x]}); }};
}

// Two constants that meet: neither may be a float so large or small that the product leaves the normal range
// of the type, where the two steps might not.
Refusal meets_safely(const Tensor& a, const Tensor& b, bool product) {
  if (a.count() != 1 && b.count() != 1) return "neither constant is a single number";
  const Tensor& many = a.count() == 1 ? b : a;
  const int64_t kMost = 1 << 16;
  if (many.count() > kMost) return "the constant is large";
  if (!product || !is_floating(a.dtype)) return std::nullopt;
  const double bound = a.dtype == DType::F16 ? 64 : 1e15;
  for (const Tensor* t : {&a, &b})
    for (int64_t i = 0; i < t->count(); ++i) {
      const double x = std::fabs(t->as_double(i));
      if (!(x == 0 || (x <= bound && x >= 1 / bound)))
        return "the constants are near the ends of the type's range";
    }
  return std::nullopt;
}

// (x . a) . b = x . (a + b): how the constants meet depends on which two ops are in the chain.
struct Chain {
  const char *inner, *outer, *joined, *result;
};
constexpr Chain kChains[] = {
    {"Mul", "Mul", "Mul", "Mul"}, {"Add", "Add", "Add", "Add"}, {"Mul", "Div", "Div", "Mul"},
    {"Div", "Div", "Mul", "Div"}, {"Sub", "Sub", "Add", "Sub"}, {"Add", "Sub", "Sub", "Add"},
};

Rule constant_chain(const Chain& c) {
  const Var x, a, b;
  const std::string inner = c.inner, outer = c.outer;
  const auto pair = [](const std::string& type, Pat p, Pat q) {
    return type == "Mul" || type == "Add" ? commutative_op(type, std::move(p), std::move(q))
                                          : op(type, {std::move(p), std::move(q)});
  };
  const bool product = inner == "Mul" || inner == "Div";
  return {.name = std::string("constants-meet"),
          .why = "constants of a chain meet before they meet the variable",
          .pattern = pair(outer, pair(inner, x, constant(a)), constant(b)),
          .guard = [=](const Match& m, const Target&) -> Refusal {
            if (m.model->constant(m[x]) != nullptr) return "it is constant as a whole";
            const bool divides = inner == "Div" || outer == "Div";
            if (divides && !is_floating(m.type(x).dtype)) return "integer division rounds";
            return meets_safely(*m.constant(a), *m.constant(b), product);
          },
          .emit = [=](Builder& out,
                      const Match& m) { return out.op(c.result, {m[x], out.op(c.joined, {m[a], m[b]})}); }};
}

// --- ranges: Relu, Clip, and Min and Max with one number are all min(max(x, lo), hi) ---

struct Bounds {
  ValueId x;
  double lo = -HUGE_VAL, hi = HUGE_VAL;
};

std::optional<double> number(const Model& m, ValueId v) {
  const Tensor* t = m.constant(v);
  return t != nullptr && t->count() == 1 ? t->scalar_value() : std::nullopt;
}

std::optional<Bounds> bounds_of(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (!node.domain.empty() || !is_canonical(node)) return std::nullopt;
  Bounds b{node.input(0)};
  if (node.type == "Relu") {
    b.lo = 0;
    return b;
  }
  if (node.type == "Clip") {
    for (const size_t i : {1u, 2u}) {
      if (!node.input(i)) continue;
      const auto x = number(m, node.in[i]);
      if (!x) return std::nullopt;
      (i == 1 ? b.lo : b.hi) = *x;
    }
    return b;
  }
  if ((node.type == "Min" || node.type == "Max") && node.in.size() == 2) {
    const size_t which = number(m, node.in[1]) ? 1 : 0;
    const auto c = number(m, node.in[which]);
    b.x = node.in[1 - which];
    if (!c || !same_shape(m, b.x, node.out[0])) return std::nullopt;
    (node.type == "Max" ? b.lo : b.hi) = *c;
    return b;
  }
  return std::nullopt;
}

// min(max(min(max(x, l1), h1), l2), h2) = min(max(x, max(l1, l2)), min(max(h1, l2), h2)), disjoint ranges
// too: Clip [0, 1] then [2, 3] is always 2.
bool join_bounds(PassContext& ctx, NodeId n) {
  Model& m = ctx.model;
  const auto outer = bounds_of(m, n);
  if (!outer || !outer->x || !m[outer->x].def || m.is_hidden(m[outer->x].def)) return false;
  const NodeId first = m[outer->x].def;
  const auto inner = bounds_of(m, first);
  if (!inner || !inner->x) return false;
  const DType dtype = m[inner->x].type.dtype;
  if (dtype == DType::Undefined || dtype != m[m[n].out[0]].type.dtype) return false;
  if (dtype == DType::I64 || dtype == DType::U64) return false;  // bounds went through double
  const double lo = std::max(inner->lo, outer->lo);
  const double hi = std::min(std::max(inner->hi, outer->lo), outer->hi);
  if (std::isnan(lo) || std::isnan(hi)) return false;
  Builder b(m, ctx.values, n);
  ValueId made;
  if (lo == 0 && hi == HUGE_VAL && is_floating(dtype)) {
    made = b.op("Relu", {inner->x});
  } else {
    std::vector<ValueId> in{inner->x, lo == -HUGE_VAL ? ValueId{} : b.scalar(dtype, lo, "min")};
    if (hi != HUGE_VAL) in.push_back(b.scalar(dtype, hi, "max"));
    made = b.op("Clip", std::move(in));
  }
  return replace_node(ctx, "bounds-meet", b, n, {first}, made);
}

std::vector<Rule> rules() {
  std::vector<Rule> out = {involution("Neg", "neg-neg"),
                           involution("Not", "not-not"),
                           idempotent("Abs", "abs-abs"),
                           idempotent("Ceil", "ceil-ceil"),
                           idempotent("Floor", "floor-floor"),
                           idempotent("Round", "round-round"),
                           idempotent("Sign", "sign-sign"),
                           not_where(),
                           log_softmax(),
                           reciprocal_times()};
  for (const Chain& c : kChains) out.push_back(constant_chain(c));
  return out;
}

}  // namespace

PassDef algebra() {
  return {.name = "algebra",
          .group = "shape",
          .summary = "Apply identities of arithmetic and logic; constants of a chain meet",
          .options = {{"pow", "also write the second power as a product", "false"}},
          .run =
              [](PassContext& ctx, const PassOptions& o) {
                const std::vector<NodeRewrite> bounds = {
                    {"Relu", join_bounds}, {"Clip", join_bounds}, {"Min", join_bounds}, {"Max", join_bounds}};
                sweep(ctx, bounds);
                if (o.flag("pow")) ctx.apply(std::array{pow_two()});
              },
          .rules = rules()};
}

}  // namespace lathe
