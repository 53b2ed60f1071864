#include "passes/shape/free_batch.h"

#include <algorithm>
#include <variant>

#include "ir/core/walk.h"
#include "ir/ops/op_def.h"
#include "passes/analysis/ranges.h"
#include "passes/analysis/shapes.h"
#include "passes/core/facts.h"
#include "passes/core/take.h"

namespace lathe {
namespace {

// Row 0 along the axis, if every other row equals it.
std::optional<Tensor> common_row(const Tensor& t, size_t axis) {
  if (bit_width(t.dtype) % 8 != 0 || t.dtype == DType::String || t.count() == 0) return std::nullopt;
  const auto at = static_cast<int64_t>(axis);
  Tensor first = take_along(t, at, {0});
  for (int64_t r = 1; r < t.dims[axis]; ++r)
    if (!std::ranges::equal(first.bytes(), take_along(t, at, {r}).bytes())) return std::nullopt;
  return first;
}

using Size =
    std::variant<int64_t, ValueId>;  // an element of a shape: a number, or a vector of one that is computed

class Repair {
 public:
  Repair(PassContext& ctx, Dim batch, int64_t old) : ctx_(ctx), m_(ctx.model), batch_(batch), old_(old) {}

  void run() {
    for (int round = 0; round < kMaxRounds && !ctx_.out_of_fuel(); ++round) {
      trial_ = with_batch_symbol(m_, batch_, old_);
      values_.clear();
      try {
        values_ = analyze_shapes(trial_, {.trust_declared = false, .solve = false}).values;
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
        // Two nodes contradict each other under the symbol: repairs look at the types found so far.
      }
      ranges_ = analyze_ranges(trial_, values_);
      bool any = false;
      for (const NodeId n : m_.nodes(m_.main()))
        if (!m_[n].erased && n.v < trial_.node_capacity() && repair(n)) any = true;
      if (!any) return;
    }
  }

 private:
  static constexpr int kMaxRounds = 256;

  bool repair(NodeId n) {
    const Node& node = m_[n];
    if (node.is("Reshape")) return node.attrs.i("allowzero", 0) == 0 && reshape(n);
    if (node.is("Expand")) return expand(n);
    if (node.is("Concat")) return concat(n);
    if (node.is("LSTM") || node.is("GRU") || node.is("RNN"))
      return state(n, 5) || (node.is("LSTM") && state(n, 6));
    const OpDef* def = op_registry().find(node);
    return old_ > 1 && def != nullptr && def->elementwise && node.out.size() == 1 && combined(n);
  }

  // Types under the symbol; none of values made in this round, which the next one types.
  const Shape* shape(ValueId v) const {
    return v && v.v < trial_.value_capacity() ? shape_of(trial_, v) : nullptr;
  }
  bool has_batch(ValueId v, size_t axis = 0) const {
    const Shape* s = shape(v);
    return s != nullptr && s->size() > axis && (*s)[axis] == batch_;
  }
  std::optional<Shape> sizes(ValueId v) const {
    if (const Tensor* t = m_.constant(v)) {
      if (t->rank() != 1 || t->count() == 0) return std::nullopt;
      const auto n = t->to_i64();
      return Shape(n.begin(), n.end());
    }
    const auto known = values_.find(v);
    return known != values_.end() && !known->second.empty() ? std::optional(known->second) : std::nullopt;
  }

  // A Reshape that names the old size where the batch comes out: 0 copies it from the same axis; -1 finds it,
  // if all else has a number; or an input is asked.
  bool reshape(NodeId n) {
    const ValueId data = m_[n].input(0);
    const auto want = sizes(m_[n].input(1));
    const auto from = batch_axis(data);
    const auto to = want && from ? batch_comes_out(n, *want, *from) : std::nullopt;
    if (!to) return false;
    const bool alone = (*want)[*to].is_const(old_);
    const bool finds = as_constants(*want) && std::find(want->begin(), want->end(), Dim(-1)) == want->end();
    const Shape* y = shape(m_[n].out[0]);
    const bool fits = y != nullptr && product(*y) == product(*shape(data));  // the batch comes out already
    if (!alone && (!finds || fits)) return false;
    Builder b(m_, ctx_.values, n);
    Size size = -1;
    if (alone && *to == *from && has_batch(data, *from))
      size = 0;
    else if (!finds)
      size = batch_size(b);
    return commit(b, n, b.op("Reshape", {data, with_size(b, m_[n].in[1], *want, *to, size)}));
  }

  // The first axis that is the batch, or a product that begins with it.
  std::optional<size_t> batch_axis(ValueId v) const {
    const Shape* s = shape(v);
    for (size_t i = 0; s != nullptr && i < s->size(); ++i)
      if ((*s)[i] == batch_ || (varies((*s)[i]) && Dim::exact_div((*s)[i], batch_))) return i;
    return std::nullopt;
  }
  // The element that is the old size and has as much before it as the batch has in the operand, row by row
  // (in a product it may stand behind any factor); or else the one that the batch goes into.
  std::optional<size_t> batch_comes_out(NodeId n, const Shape& want, size_t from) const {
    const Shape *x = shape_of(m_, m_[n].in[0]), *y = shape_of(m_, m_[n].out[0]);  // at the old size
    if (x == nullptr || y == nullptr || x->size() <= from || y->size() != want.size()) return std::nullopt;
    const Dim before = product(Shape(x->begin(), x->begin() + static_cast<std::ptrdiff_t>(from)));
    const auto others = Dim::exact_div((*shape(m_[n].in[0]))[from], batch_);
    std::optional<size_t> merged;
    Dim so_far = 1;
    for (size_t k = 0; k < want.size(); ++k) {
      const auto factor = Dim::exact_div(so_far, before);
      if (want[k].is_const(old_) && factor && Dim::exact_div(*others, *factor)) return k;
      const auto rest = Dim::exact_div(before, so_far);
      if (!merged && rest && want[k].is_const() && want[k].value() > 1 &&
          Dim::exact_div(want[k], *rest * old_))
        merged = k;
      so_far = so_far * (*y)[k];
    }
    return merged;
  }

  // To the old size: from the batch, 1 leaves it as it is; from one row, to as many as the batch has.
  bool expand(NodeId n) {
    const ValueId data = m_[n].input(0);
    const Shape* x = shape(data);
    const auto want = sizes(m_[n].input(1));
    if (!want || x == nullptr || old_ == 1) return false;
    for (size_t k = 0; k < want->size(); ++k) {
      if (!(*want)[k].is_const(old_)) continue;
      const bool given = x->size() + k >= want->size();
      const Dim d = given ? (*x)[x->size() + k - want->size()] : Dim(1);
      if (!(d == batch_) && !(k == 0 && d.is_const(1))) continue;
      Builder b(m_, ctx_.values, n);
      const Size size = d == batch_ ? Size(1) : Size(batch_size(b));
      return commit(b, n, b.op("Expand", {data, with_size(b, m_[n].in[1], *want, k, size)}));
    }
    return false;
  }

  // A constant row for each of the old batch, beside what has the batch.
  bool concat(NodeId n) {
    const Node node = m_[n];
    const auto axis = axis_of(node.attrs.i("axis", 0), m_[node.in[0]].type.rank());
    const auto at = any_batch_axis(node);
    if (!axis || !at || static_cast<size_t>(*axis) == *at) return false;
    Builder b(m_, ctx_.values, n);
    std::vector<ValueId> in = node.in;
    for (ValueId& v : in)
      if (const auto row = old_rows(v, *at)) v = rows_for_batch(b, *row, *at, v);
    return in == node.in ? give_up(b) : commit(b, n, b.op("Concat", in, node.attrs));
  }
  std::optional<size_t> any_batch_axis(const Node& node) const {
    for (const ValueId v : node.in)
      for (size_t i = 0; shape(v) != nullptr && i < shape(v)->size(); ++i)
        if (has_batch(v, i)) return i;
    return std::nullopt;
  }

  bool state(NodeId n, size_t slot) {
    const Node node = m_[n];
    if (node.attrs.i("layout", 0) != 0 || !has_batch(node.in[0], 1)) return false;
    auto row = old_rows(node.input(slot), 1);
    std::vector<NodeId> context;
    if (!row) {
      row = one_number(node.input(slot), 1);
      context = producers(node.input(slot));
    }
    if (!row) return false;
    Builder b(m_, ctx_.values, n);
    std::vector<ValueId> in = node.in;
    in[slot] = rows_for_batch(b, *row, 1, in[slot]);
    const auto made = b.ops(node.type, in, node.attrs, node.out.size());
    Patch patch = {.rule = kRule,
                   .root = n,
                   .taken = {n},
                   .context = std::move(context),
                   .exactness = Exactness::bitwise,
                   .what = what()};
    for (size_t i = 0; i < made.size(); ++i)
      if (node.out[i]) patch.replace.emplace_back(node.out[i], made[i]);
    return ctx_.commit(b, std::move(patch));
  }

  // One row of the constant stands for all of them by broadcasting.
  bool combined(NodeId n) {
    const Node node = m_[n];
    const int rank = m_[node.out[0]].type.rank();
    const Shape* y = shape(node.out[0]);
    for (size_t at = 0; y != nullptr && at < y->size(); ++at) {
      if (std::none_of(node.in.begin(), node.in.end(), [&](ValueId v) {
            return shape(v) != nullptr && static_cast<int>(shape(v)->size()) == rank && has_batch(v, at);
          }))
        continue;
      Builder b(m_, ctx_.values, n);
      std::vector<ValueId> in = node.in;
      for (ValueId& v : in)
        if (v && m_[v].type.rank() == rank)
          if (const auto row = old_rows(v, at)) v = b.constant(*row, m_[v].name);
      if (in != node.in) return commit(b, n, b.op(node.type, in, node.attrs, node.domain));
      b.discard();
    }
    return false;
  }

  // The row that the constant v holds for each of the old batch along the axis.
  std::optional<Tensor> old_rows(ValueId v, size_t axis) const {
    const Tensor* t = v ? m_.constant(v) : nullptr;
    if (t == nullptr || t->dims.size() <= axis || t->dims[axis] != old_) return std::nullopt;
    return common_row(*t, axis);
  }
  // The same where v is computed and analysis shows that all its elements are one number.
  std::optional<Tensor> one_number(ValueId v, size_t axis) const {
    const Shape* s = v ? shape(v) : nullptr;
    const auto dims = s != nullptr ? as_constants(*s) : std::nullopt;
    const Range* r = ranges_.find(v);
    if (!dims || dims->size() <= axis || (*dims)[axis] != old_ || r == nullptr || r->low != r->high)
      return std::nullopt;
    std::vector<int64_t> row = *dims;
    row[axis] = 1;
    return Tensor::full(m_[v].type.dtype, std::move(row), r->low);
  }
  // What computes v, a few nodes back: without it the check would take v for anything.
  std::vector<NodeId> producers(ValueId v) const {
    constexpr size_t kMost = 16;
    std::vector<NodeId> nodes;
    const auto add = [&](ValueId x) {
      const NodeId def = x ? m_[x].def : NodeId{};
      if (def && !m_.is_hidden(def) && std::find(nodes.begin(), nodes.end(), def) == nodes.end())
        nodes.push_back(def);
    };
    add(v);
    for (size_t i = 0; i < nodes.size() && nodes.size() < kMost; ++i)
      for (const ValueId x : m_[nodes[i]].in) add(x);
    return nodes;
  }
  ValueId rows_for_batch(Builder& b, const Tensor& row, size_t axis, ValueId like) {
    std::vector<ValueId> target;
    if (axis > 0) target.push_back(b.ints(std::vector<int64_t>(axis, 1), "before"));
    target.push_back(batch_size(b));
    if (const size_t after = row.dims.size() - axis - 1; after > 0)
      target.push_back(b.ints(std::vector<int64_t>(after, 1), "after"));
    return b.op("Expand",
                {b.constant(row, m_[like].name), b.op("Concat", target, attrs({{"axis", int64_t{0}}}))});
  }

  // The batch as a vector of one element, of the first input that has it.
  ValueId batch_size(Builder& b) {
    for (const ValueId v : m_.inputs(m_.main()))
      if (has_batch(v)) return b.op("Shape", {v}, attrs({{"start", int64_t{0}}, {"end", int64_t{1}}}));
    fail("no input has the batch");  // with_batch_symbol gave it to one
  }
  // The sizes with another element k.
  ValueId with_size(Builder& b, ValueId sizes, const Shape& want, size_t k, Size size) {
    const Tensor* t = m_.constant(sizes);
    const int64_t* number = std::get_if<int64_t>(&size);
    if (t != nullptr && number != nullptr) {
      std::vector<int64_t> all = t->to_i64();
      all[k] = *number;
      return b.ints(all, "shape");
    }
    const auto part = [&](size_t from, size_t to) {
      if (t != nullptr) {
        const auto all = t->to_i64();
        return b.ints(std::vector(all.begin() + static_cast<std::ptrdiff_t>(from),
                                  all.begin() + static_cast<std::ptrdiff_t>(to)),
                      "sizes");
      }
      return b.op("Slice", {sizes, b.ints({static_cast<int64_t>(from)}, "starts"),
                            b.ints({static_cast<int64_t>(to)}, "ends")});
    };
    std::vector<ValueId> parts;
    if (k > 0) parts.push_back(part(0, k));
    parts.push_back(number != nullptr ? b.ints({*number}, "size") : std::get<ValueId>(size));
    if (k + 1 < want.size()) parts.push_back(part(k + 1, want.size()));
    return parts.size() == 1 ? parts[0] : b.op("Concat", parts, attrs({{"axis", int64_t{0}}}));
  }

  bool varies(Dim d) const {
    const auto names = d.symbols();
    return std::find(names.begin(), names.end(), batch_.symbol_name()) != names.end();
  }
  std::string what() const {
    return fmt::format("takes the batch from its operands, not from the number {}", old_);
  }
  bool commit(Builder& b, NodeId n, ValueId made) {
    return ctx_.commit(b, {.rule = kRule,
                           .root = n,
                           .taken = {n},
                           .replace = {{m_[n].out[0], made}},
                           .exactness = Exactness::bitwise,
                           .what = what()});
  }
  static bool give_up(Builder& b) {
    b.discard();
    return false;
  }

  static constexpr const char* kRule = "make-dynamic";
  PassContext& ctx_;
  Model& m_;
  Model trial_;
  ShapeValues values_;
  Ranges ranges_;
  Dim batch_;
  int64_t old_;
};

}  // namespace

Model with_batch_symbol(const Model& m, Dim batch, int64_t old) {
  Model trial = m;
  const auto in = trial.inputs(trial.main());
  Graph& g = trial.edit(trial.main());
  for (size_t i = 0; i < in.size(); ++i) {
    Type& t = g.inputs[i].type;
    if (trial[in[i]].constant != nullptr || !t.shape || t.shape->size() < 2 ||
        !t.shape->front().is_const(old))
      continue;
    t.shape->front() = batch;
    trial.set_type(in[i], t);
  }
  for (Port& p : g.outputs) p.type.shape.reset();  // holds at the old size
  return trial;
}

void free_batch(PassContext& ctx, Dim batch, int64_t old) { Repair(ctx, batch, old).run(); }

}  // namespace lathe
