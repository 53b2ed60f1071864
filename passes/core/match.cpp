#include "passes/core/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/onnx/lift.h"
#include "passes/core/remark.h"

namespace lathe {
namespace {

using Kind = PatNode::Kind;

// Relative rounding of a constant as exporters write it: 1/sqrt(2) computed in the type, some steps apart.
double tolerance(DType t) {
  switch (t) {
    case DType::F16:
      return 2e-3;
    case DType::BF16:
      return 1.6e-2;
    case DType::F64:
      return 1e-6;  // float32 constants widened by an exporter
    default:
      return 2e-6;
  }
}

bool close(double a, double b, double relative) {
  return std::fabs(a - b) <= relative * std::max(std::fabs(a), std::fabs(b));
}

// One factor or term of a flattened tree: a value with its exponent or sign.
struct Leaf {
  ValueId value;
  int sign;
};

class Matcher {
 public:
  Matcher(const Model& m, NearMiss* near) : m_(m), near_(near) {}

  std::optional<Match> run(const Pat& p, ValueId root) {
    state_.model = &m_;
    state_.root = root;
    if (!value(p, root)) return std::nullopt;
    return std::move(state_);
  }

 private:
  // --- near misses ---
  bool miss(const std::string& why) {
    if (near_ != nullptr && static_cast<int>(state_.nodes.size()) > near_->matched) {
      near_->matched = static_cast<int>(state_.nodes.size());
      near_->why = why;
    }
    return false;
  }
  template <class... A>
  bool missf(fmt::format_string<A...> f, A&&... a) {
    return near_ == nullptr ? false : miss(fmt::format(f, std::forward<A>(a)...));
  }

  // Old spellings that have no canonical equal mean something else: they are opaque.
  NodeId def(ValueId v) const {
    const NodeId n = m_[v].def;
    return n && !m_.is_hidden(n) && is_canonical(m_[n]) ? n : NodeId{};
  }
  void take(NodeId n) {
    if (!state_.has(n)) state_.nodes.push_back(n);
  }

  bool bind(uint32_t var, ValueId v) {
    if (var == 0) return true;
    const auto [it, fresh] = state_.bound.try_emplace(var, v);
    if (fresh || it->second == v) return true;
    const Tensor *a = m_.constant(it->second), *b = m_.constant(v);
    if (a != nullptr && b != nullptr && same_content(*a, *b)) return true;
    return missf("'{}' is not '{}', as the formula wants", m_[v].name, m_[it->second].name);
  }

  bool take_number(uint32_t num, double x) {
    const auto [it, fresh] = state_.numbers.try_emplace(num, x);
    if (fresh || close(it->second, x, tolerance(m_[state_.root].type.dtype))) return true;
    return missf("number is {:.9g}, elsewhere {:.9g}", x, it->second);
  }

  bool value(const Pat& p, ValueId v) {
    if (!v) return false;
    switch (p->kind) {
      case Kind::var:
        return bind(p->var, v);
      case Kind::constant:
        if (m_.constant(v) == nullptr) return missf("'{}' is not a constant", m_[v].name);
        return bind(p->var, v);
      case Kind::scalar: {
        const Tensor* t = m_.constant(v);
        if (t == nullptr) return missf("'{}' is not the constant {}", m_[v].name, p->number);
        if (is_number(*t, p->number)) return true;
        return t->count() == 1 && t->scalar_value()
                   ? missf("constant '{}' is {}, not {}", m_[v].name, *t->scalar_value(), p->number)
                   : missf("constant '{}' is not {} everywhere", m_[v].name, p->number);
      }
      case Kind::number: {
        const Tensor* t = m_.constant(v);
        if (t == nullptr || !(is_floating(t->dtype) || is_integer(t->dtype)) || t->count() == 0 ||
            !is_number(*t, t->as_double(0)))
          return missf("'{}' is not one constant number", m_[v].name);
        return take_number(p->num, t->as_double(0));
      }
      case Kind::op:
        return op_node(p, v);
      case Kind::product:
      case Kind::sum:
        return tree(p, v);
      case Kind::one_of:
        for (const Pat& a : p->parts) {
          const Match saved = state_;
          if (value(a, v)) return bind(p->var, v);
          state_ = saved;
        }
        return false;
      case Kind::maybe: {
        const NodeId n = def(v);
        if (n && m_[n].type == p->type) {
          const Match saved = state_;
          take(n);
          if (value(p->parts[0], m_[n].input(0))) return true;
          state_ = saved;
        }
        return value(p->parts[0], v);
      }
    }
    return false;
  }

  bool op_node(const Pat& p, ValueId v) {
    const NodeId n = def(v);
    if (!n || m_[n].type != p->type || m_[n].domain != p->domain)
      return missf("'{}' comes from {}, not from {}", m_[v].name, n ? m_[n].type : "outside", p->type);
    if (m_[v].slot != 0) return missf("'{}' is not the first output of its node", m_[v].name);
    for (const AttrWant& want : p->attrs) {
      const AttrValue* have = m_[n].attrs.find(want.name);
      if (have == nullptr ? !want.or_missing : !same_value(*have, want.value))
        return missf("attribute '{}' of '{}' is another", want.name, node_label(m_, n));
    }
    const auto& in = m_[n].in;
    size_t count = in.size();
    while (count > p->parts.size() && !in[count - 1]) --count;
    if (count != p->parts.size()) return missf("'{}' has {} inputs", node_label(m_, n), count);
    const Match saved = state_;
    take(n);
    const auto operands = [&](bool swapped) {
      for (size_t i = 0; i < count; ++i)
        if (!value(p->parts[i], in[swapped ? 1 - i : i])) return false;
      return bind(p->var, v);
    };
    if (operands(false)) return true;
    state_ = saved;
    if (p->commutative && count == 2) {
      take(n);
      if (operands(true)) return true;
      state_ = saved;
    }
    return false;
  }

  // --- products and sums ---
  struct Flat {
    double number;
    std::vector<Leaf> leaves;
    std::vector<NodeId> nodes;
  };

  bool expandable(bool product, ValueId v) const {
    const NodeId n = def(v);
    if (!n || !m_[n].domain.empty()) return false;
    const std::string& t = m_[n].type;
    if (product) {
      if (t == "Mul" || t == "Div" || t == "Reciprocal" || t == "Neg") return true;
      return t == "Pow" && integer_power(n) != 0;
    }
    return t == "Add" || t == "Sub";
  }

  // 2 or 3 where the node is Pow by that constant.
  int integer_power(NodeId n) const {
    const Tensor* e = m_.constant(m_[n].input(1));
    if (e == nullptr) return 0;
    return is_number(*e, 2) ? 2 : is_number(*e, 3) ? 3 : 0;
  }

  void push(bool product, Flat& f, ValueId v, int sign) const {
    const Tensor* t = m_.constant(v);
    if (t != nullptr && t->count() == 1 && t->rank() <= std::max(m_[state_.root].type.rank(), 0)) {
      if (const auto x = t->scalar_value()) {
        if (product)
          f.number = sign > 0 ? f.number * *x : f.number / *x;
        else
          f.number += sign * *x;
        return;
      }
    }
    f.leaves.push_back({v, sign});
  }

  void expand(bool product, Flat& f, size_t i) const {
    const Leaf leaf = f.leaves[i];
    f.leaves.erase(f.leaves.begin() + static_cast<std::ptrdiff_t>(i));
    const NodeId n = def(leaf.value);
    f.nodes.push_back(n);
    const Node& node = m_[n];
    if (node.type == "Neg") {
      f.number = -f.number;
      push(product, f, node.input(0), leaf.sign);
    } else if (node.type == "Reciprocal") {
      push(product, f, node.input(0), -leaf.sign);
    } else if (node.type == "Pow") {
      for (int k = integer_power(n); k > 0; --k) push(product, f, node.input(0), leaf.sign);
    } else {
      push(product, f, node.input(0), leaf.sign);
      push(product, f, node.input(1), node.type == "Div" || node.type == "Sub" ? -leaf.sign : leaf.sign);
    }
  }

  bool tree(const Pat& p, ValueId v) {
    const bool product = p->kind == Kind::product;
    if (!expandable(product, v)) return missf("'{}' is not a {}", m_[v].name, product ? "product" : "sum");
    Flat f{product ? 1.0 : 0.0, {{v, 1}}, {}};
    expand(product, f, 0);
    const Match saved = state_;
    if (search(p, f, product, 0) && bind(p->var, v)) return true;
    state_ = saved;
    return false;
  }

  // Tries the leaves as they are, then with one more of them taken apart. A value used elsewhere is a leaf
  // for good, unless the pattern still has too few leaves: taking it apart would compute it twice.
  bool search(const Pat& p, const Flat& f, bool product, int depth) {
    constexpr int kMaxDepth = 8;
    if (f.leaves.size() == p->parts.size() && leaves_fit(p, f, product)) return true;
    if (depth == kMaxDepth || f.leaves.size() > p->parts.size() + 2) return false;
    for (size_t i = 0; i < f.leaves.size(); ++i) {
      if (!expandable(product, f.leaves[i].value)) continue;
      Flat more = f;
      expand(product, more, i);
      if (search(p, more, product, depth + 1)) return true;
    }
    return false;
  }

  bool leaves_fit(const Pat& p, const Flat& f, bool product) {
    const Match saved = state_;
    for (const NodeId n : f.nodes) take(n);
    const double relative = tolerance(m_[state_.root].type.dtype);
    const bool number_fits =
        p->num != 0 ? take_number(p->num, product ? f.number / p->number : f.number - p->number)
        : product   ? close(f.number, p->number, 4 * relative)
                    : std::fabs(f.number - p->number) <= relative * std::max(1.0, std::fabs(p->number));
    if (!number_fits) {
      // Whether the rest fits says how near the miss is.
      std::vector<bool> used(f.leaves.size());
      if (p->num == 0 && near_ != nullptr && assign(p, f, 0, used))
        missf("{} is {:.7g}, not {:.7g}", product ? "coefficient" : "constant", f.number, p->number);
      state_ = saved;
      return false;
    }
    std::vector<bool> used(f.leaves.size());
    if (assign(p, f, 0, used)) return true;
    state_ = saved;
    return false;
  }

  // Pattern parts in order to leaves in any order. Structured parts first bind the variables.
  bool assign(const Pat& p, const Flat& f, size_t part, std::vector<bool>& used) {
    if (part == p->parts.size()) return true;
    const size_t which = order(p, part);
    for (size_t i = 0; i < f.leaves.size(); ++i) {
      if (used[i] || f.leaves[i].sign != p->signs[which]) continue;
      const Match saved = state_;
      used[i] = true;
      if (value(p->parts[which], f.leaves[i].value) && assign(p, f, part + 1, used)) return true;
      used[i] = false;
      state_ = saved;
    }
    return false;
  }

  static size_t order(const Pat& p, size_t part) {
    const auto plain = [&](size_t i) { return p->parts[i]->kind == Kind::var; };
    std::vector<size_t> sorted;
    for (size_t i = 0; i < p->parts.size(); ++i)
      if (!plain(i)) sorted.push_back(i);
    for (size_t i = 0; i < p->parts.size(); ++i)
      if (plain(i)) sorted.push_back(i);
    return sorted[part];
  }

  const Model& m_;
  NearMiss* near_;
  Match state_;
};

}  // namespace

bool Match::has(NodeId n) const { return std::find(nodes.begin(), nodes.end(), n) != nodes.end(); }

std::optional<Match> match(const Model& m, const Pat& pattern, ValueId root, NearMiss* near) {
  return Matcher(m, near).run(pattern, root);
}

bool is_number(const Tensor& t, double number) {
  if (t.dtype == DType::String || t.dtype == DType::C64 || t.dtype == DType::C128) return false;
  const int64_t n = t.count();
  constexpr int64_t kLargest = 1 << 16;  // a scalar spread over a large tensor is not worth the scan
  if (n == 0 || n > kLargest) return false;
  for (int64_t i = 0; i < n; ++i) {
    const double x = t.as_double(i);
    if (x != number && !close(x, number, tolerance(t.dtype))) return false;
  }
  return true;
}

}  // namespace lathe
