#include "ir/ops/training/tape.h"

#include <algorithm>
#include <map>

#include "ir/ops/broadcast.h"
#include "ir/ops/call_op.h"
#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

// A backward pass may be some times as long as what it differentiates, and Gradient nodes may differentiate
// each other.
constexpr size_t kMaxEntries = 200'000;

std::string full_name(const std::string& domain, const std::string& type) {
  return domain.empty() ? type : domain + "." + type;
}

bool differentiable(const Datum& d) {
  const Tensor* t = d.tensor();
  return t != nullptr && is_floating(t->dtype);
}

}  // namespace

const Tensor& Tape::at(Var v) const {
  const Tensor* t = v == kNoVar ? nullptr : datum(v).tensor();
  if (t == nullptr) fail("an operand is not a tensor");
  return *t;
}

Var Tape::leaf(Datum value) {
  if (const Tensor* t = value.tensor(); precise_ && t != nullptr && lists<Floats>(t->dtype))
    value = convert(*t, DType::F64);
  values_.push_back(std::move(value));
  return static_cast<Var>(values_.size() - 1);
}

Var Tape::op(std::string_view type, Vars in, AttrList attrs) {
  return ops(type, std::move(in), std::move(attrs), 1)[0];
}

Vars Tape::ops(std::string_view type, Vars in, AttrList attrs, size_t outputs) {
  Entry e;
  e.type = type;
  for (auto& [name, value] : attrs) e.attrs.set(name, std::move(value));
  e.in = std::move(in);
  return apply(std::move(e), outputs);
}

Vars Tape::apply(Entry e, size_t outputs) {
  if (entries_.size() >= kMaxEntries) fail("more than {} ops to differentiate", kMaxEntries);
  const OpDef* def = op_registry().find(e.domain, e.type);
  if (def == nullptr || def->eval == nullptr)
    fail("there is no kernel of {} to differentiate{}", full_name(e.domain, e.type), e.place);
  std::vector<Datum> in;
  for (const Var v : e.in) in.push_back(v == kNoVar ? Datum() : datum(v));
  std::vector<Datum> results = call_op(c_, e.domain, e.type, e.attrs, in, outputs);
  results.resize(outputs);
  for (Datum& d : results) e.out.push_back(leaf(std::move(d)));
  entries_.push_back(std::move(e));
  return entries_.back().out;
}

Vars Tape::gradients(Var y, const Vars& xs, size_t begin) {
  const size_t end = entries_.size();
  std::vector<bool> active(values_.size());
  for (const Var x : xs) active[static_cast<size_t>(x)] = true;
  for (size_t k = begin; k < end; ++k) {
    const Entry& e = entries_[k];
    bool any = false;
    for (const Var v : e.in) any = any || (v != kNoVar && active[static_cast<size_t>(v)]);
    for (const Var v : e.out)
      if (any && differentiable(datum(v))) active[static_cast<size_t>(v)] = true;
  }
  std::vector<Var> gradient(values_.size(), kNoVar);
  gradient[static_cast<size_t>(y)] = leaf(Tensor::full(at(y).dtype, at(y).dims, 1));
  for (size_t k = end; k-- > begin;) {
    bool reached = false;
    for (const Var v : entries_[k].out) {
      const auto i = static_cast<size_t>(v);
      reached = reached || (active[i] && gradient[i] != kNoVar);
    }
    if (!reached) continue;
    Backward b(*this, entries_[k], gradient, active);
    const Derivative rule = find_derivative(entries_[k].domain, entries_[k].type);
    if (rule == nullptr) b.refuse("no derivative is known");
    rule(b);
  }
  Vars out;
  for (const Var x : xs) out.push_back(gradient[static_cast<size_t>(x)]);
  return out;
}

Vars Backward::repeat(Var first) {
  Tape::Entry e = entry_;
  e.in[0] = first;
  e.out.clear();
  return tape_.apply(std::move(e), entry_.out.size());
}

Var Backward::reshape(Var v, const std::vector<int64_t>& to) {
  if (dims(v) == to) return v;
  return op("Reshape", {v, ints(to)}, {{"allowzero", int64_t{1}}});
}

Var Backward::sum_to(Var v, const std::vector<int64_t>& to) {
  const std::vector<int64_t> from = dims(v);
  if (from == to) return v;
  std::vector<int64_t> axes;
  const size_t lead = from.size() - to.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (i < lead || (to[i - lead] == 1 && from[i] != 1)) axes.push_back(static_cast<int64_t>(i));
  if (!axes.empty()) v = op("ReduceSum", {v, ints(axes)});
  return reshape(v, to);
}

void Backward::give(size_t i, Var g) {
  if (!wants(i)) return;
  const Var at = x(i);
  const std::vector<int64_t> to = dims(at);
  if (dims(g).size() < to.size() || broadcast_dims(dims(g), to) != dims(g))
    g = op("Expand", {g, ints(to)});  // a gradient that is the same for every element
  g = sum_to(g, to);
  Var& slot = gradients_[static_cast<size_t>(at)];
  slot = slot == kNoVar ? g : add(slot, g);
}

void Backward::through(Formula formula) {
  const size_t begin = tape_.length();
  const Vars made = formula(*this);
  Var total = kNoVar;  // its derivative is the one wanted; its value is not used
  for (size_t i = 0; i < made.size() && i < outputs(); ++i) {
    if (made[i] == kNoVar || dy(i) == kNoVar) continue;
    const auto type = static_cast<int64_t>(at(dy(i)).dtype), common = static_cast<int64_t>(DType::F64);
    const Var y = op("Cast", {reshape(made[i], dims(dy(i)))}, {{"to", type}});
    const Var term = op("ReduceSum", {mul(y, dy(i))}, {{"keepdims", int64_t{0}}});
    const Var wide = op("Cast", {term}, {{"to", common}});
    total = total == kNoVar ? wide : add(total, wide);
  }
  if (total == kNoVar) return;
  std::vector<size_t> which;
  Vars xs;
  for (size_t i = 0; i < inputs(); ++i)
    if (wants(i) && std::find(xs.begin(), xs.end(), x(i)) == xs.end()) {
      which.push_back(i);
      xs.push_back(x(i));
    }
  const Vars g = tape_.gradients(total, xs, begin);
  for (size_t k = 0; k < xs.size(); ++k)
    if (g[k] != kNoVar) give(which[k], g[k]);
}

void Backward::refuse(std::string_view why) const {
  fail("{} of {}{}", why, full_name(entry_.domain, entry_.type), entry_.place);
}

Derivative find_derivative(std::string_view domain, std::string_view type) {
  static const std::map<std::string_view, Derivative> table = [] {
    std::map<std::string_view, Derivative> t;
    for (const auto& part : {elementwise_derivatives(), movement_derivatives(), linear_derivatives(),
                             conv_derivatives(), norm_derivatives()})
      t.insert(part.begin(), part.end());
    return t;
  }();
  const auto it = table.find(type);
  return !domain.empty() || it == table.end() ? nullptr : it->second;
}

}  // namespace lathe
