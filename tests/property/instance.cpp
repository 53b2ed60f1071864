#include "tests/property/instance.h"

#include <algorithm>
#include <map>

namespace lathe {
namespace {

using Kind = PatNode::Kind;

class Maker {
 public:
  Maker(const InstanceOptions& options, Rng& rng) : options_(options), rng_(rng) {
    m_.info.ir_version = 10;
    m_.info.opsets = {{"", 22}, {"com.microsoft", 1}};
  }

  Instance run(const Pat& p) {
    const ValueId root = value(p, options_.dtype);
    m_.add_output(m_.main(), root, {"y", Type::tensor(m_[root].type.dtype), nullptr});
    made_.pop_back();  // the root itself
    return {std::move(m_), std::move(made_), numbers_};
  }

 private:
  bool coin() { return rng_.integer(0, 1) == 1; }

  ValueId node(const std::string& type, std::vector<ValueId> in, Attrs attrs = {},
               const std::string& domain = "") {
    const std::string name = m_.unique_name(type);
    const NodeId n = m_.create(domain, type, std::move(in), std::move(attrs), 1, name, {m_.unique_name("v")});
    m_.place(n, m_.main());
    made_.push_back(m_[n].out[0]);
    return m_[n].out[0];
  }

  ValueId number(double x, DType dtype) {
    if (numbers_++ == options_.bend) x *= 1.1;
    const bool vector = rng_.integer(0, 3) == 0;
    return m_.add_initializer(
        m_.main(), Tensor::full(dtype, vector ? std::vector<int64_t>{1} : std::vector<int64_t>{}, x),
        m_.unique_name("c"));
  }

  ValueId variable(uint32_t id, DType dtype) {
    const auto it = vars_.find(id);
    if (it != vars_.end()) return it->second;
    std::vector<int64_t> shape = options_.shape;
    if (options_.narrow_vars && vars_.size() % 2 == 1) shape = {shape.back()};
    const ValueId v = m_.add_input(
        m_.main(), {m_.unique_name("x"), Type::tensor(dtype, Shape(shape.begin(), shape.end())), nullptr});
    return vars_[id] = v;
  }

  ValueId constant(uint32_t id, DType dtype) {
    const auto it = vars_.find(id);
    if (it != vars_.end()) return it->second;
    std::vector<int64_t> shape;
    if (coin()) shape = {options_.shape.back()};
    Tensor t = Tensor::make(dtype, shape);
    for (int64_t i = 0; i < t.count(); ++i)
      store_double(dtype, t.mutable_bytes().data(), i,
                   is_floating(dtype) ? rng_.uniform(0.5, 2) : static_cast<double>(rng_.integer(1, 3)));
    return vars_[id] = m_.add_initializer(m_.main(), std::move(t), m_.unique_name("k"));
  }

  // What an operand of an op must be for the op to exist.
  static DType operand_type(const std::string& op, size_t slot, DType dtype) {
    if (op == "Not" || op == "And" || op == "Or") return DType::Bool;
    if (op == "Where" && slot == 0) return DType::Bool;
    return dtype;
  }

  ValueId axes() { return m_.add_initializer(m_.main(), Tensor::of_i64({-1}), m_.unique_name("axes")); }

  ValueId op(const Pat& p, DType dtype) {
    std::vector<ValueId> in;
    for (size_t i = 0; i < p->parts.size(); ++i) {
      if (i == 1 && p->type.starts_with("Reduce")) {
        const ValueId a = axes();
        if (p->parts[i]->var != 0) vars_[p->parts[i]->var] = a;
        in.push_back(a);
      } else {
        in.push_back(value(p->parts[i], operand_type(p->type, i, dtype)));
      }
    }
    if (p->commutative && in.size() == 2 && coin()) std::swap(in[0], in[1]);
    Attrs attrs;
    for (const AttrWant& a : p->attrs)
      if (!a.or_missing || coin()) attrs.set(a.name, AttrValue(a.value));
    const ValueId v = node(p->type, std::move(in), std::move(attrs), p->domain);
    m_.set_type(v, Type::tensor(dtype));
    if (p->var != 0) vars_[p->var] = v;
    return v;
  }

  struct Term {
    ValueId value;
    int sign;
  };

  // Any tree over the terms: two are joined at random until one is left.
  ValueId tree(const Pat& p, DType dtype) {
    const bool product = p->kind == Kind::product;
    std::vector<Term> terms;
    for (size_t i = 0; i < p->parts.size(); ++i) terms.push_back({value(p->parts[i], dtype), p->signs[i]});
    if (p->number != (product ? 1.0 : 0.0)) {
      const bool inverse = coin() && is_floating(dtype);
      const double x = !inverse ? p->number : product ? 1 / p->number : -p->number;
      terms.push_back({number(x, dtype), inverse ? -1 : 1});
    }
    while (terms.size() > 1) {
      const auto i = static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(terms.size()) - 1));
      const Term a = take(terms, i);
      const auto k = static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(terms.size()) - 1));
      const Term b = take(terms, k);
      terms.push_back(join(product, a, b));
    }
    ValueId out = terms[0].value;
    if (terms[0].sign < 0) out = node(product ? "Reciprocal" : "Neg", {out});
    m_.set_type(out, Type::tensor(dtype));
    if (p->var != 0) vars_[p->var] = out;
    return out;
  }

  static Term take(std::vector<Term>& terms, size_t i) {
    const Term t = terms[i];
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(i));
    return t;
  }

  Term join(bool product, Term a, Term b) {
    const char *plus = product ? "Mul" : "Add", *minus = product ? "Div" : "Sub";
    if (a.sign == b.sign) return {node(plus, {a.value, b.value}), a.sign};
    if (a.sign < 0) std::swap(a, b);
    return {node(minus, {a.value, b.value}), 1};
  }

  ValueId value(const Pat& p, DType dtype) {
    switch (p->kind) {
      case Kind::var:
        return variable(p->var, dtype);
      case Kind::constant:
        return constant(p->var, dtype);
      case Kind::scalar:
        return number(p->number, dtype);
      case Kind::number:  // left open: an epsilon
        return number(1e-5, dtype);
      case Kind::op:
        return op(p, dtype);
      case Kind::product:
      case Kind::sum:
        return tree(p, dtype);
      case Kind::one_of: {
        const auto i = static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(p->parts.size()) - 1));
        const ValueId v = value(p->parts[i], dtype);
        if (p->var != 0) vars_[p->var] = v;
        return v;
      }
      case Kind::maybe:
        return value(p->parts[0], dtype);
    }
    return {};
  }

  const InstanceOptions& options_;
  Rng& rng_;
  Model m_;
  std::map<uint32_t, ValueId> vars_;
  std::vector<ValueId> made_;
  int numbers_ = 0;
};

}  // namespace

Instance make_instance(const Pat& pattern, const InstanceOptions& options, Rng& rng) {
  return Maker(options, rng).run(pattern);
}

}  // namespace lathe
