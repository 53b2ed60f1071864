#include "ir/core/dim.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <mutex>
#include <set>
#include <unordered_map>

namespace lathe {
namespace {

enum class AtomKind : uint8_t { symbol, unknown, floor_div, mod, min, max, broadcast };

}  // namespace

// Atoms and polynomials are interned: a polynomial is a sorted list of (monomial, coefficient), a monomial a
// sorted list of atom indices (repeated for powers). Index 0 is unused, so that Dim::expr_ == 0 means
// "constant".
class DimTable {
 public:
  using Monomial = std::vector<uint32_t>;
  using Polynomial = std::map<Monomial, int64_t>;  // no zero coefficients
  struct Atom {
    AtomKind kind;
    std::string name;  // symbol name, or "?n"
    Dim a, b;
  };

  static DimTable& get() {
    static DimTable table;
    return table;
  }

  Dim symbol(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return of_atom(atom({AtomKind::symbol, std::string(name), {}, {}}));
  }
  Dim unknown() {
    const std::lock_guard lock(mutex_);
    return of_atom(atom({AtomKind::unknown, "?" + std::to_string(++unknowns_), {}, {}}));
  }
  Dim opaque(AtomKind kind, Dim a, Dim b) {
    const std::lock_guard lock(mutex_);
    return of_atom(atom({kind, "", a, b}));
  }
  Dim make(const Polynomial& p) {
    const std::lock_guard lock(mutex_);
    return intern(p);
  }
  Polynomial polynomial(Dim d) {
    if (d.is_const()) return d.value() == 0 ? Polynomial{} : Polynomial{{{}, d.value()}};
    const std::lock_guard lock(mutex_);
    return polynomials_[d.expr_];
  }
  Atom atom_at(uint32_t i) {
    const std::lock_guard lock(mutex_);
    return atoms_[i];
  }
  // Order of atoms by content, so that printing does not depend on creation order (determinism).
  static bool is_lone_atom(const Polynomial& p) {
    return p.size() == 1 && p.begin()->second == 1 && p.begin()->first.size() == 1;
  }

 private:
  static std::string key(const Atom& a) {
    std::string k(1, static_cast<char>('0' + static_cast<int>(a.kind)));
    if (a.kind <= AtomKind::unknown) return k + a.name;
    for (const Dim d : {a.a, a.b}) k += "|" + std::to_string(d.expr_) + ":" + std::to_string(d.value_);
    return k;
  }
  uint32_t atom(Atom a) {
    const auto [it, fresh] = atom_index_.try_emplace(key(a), static_cast<uint32_t>(atoms_.size()));
    if (fresh) atoms_.push_back(std::move(a));
    return it->second;
  }
  Dim of_atom(uint32_t a) { return intern({{{a}, 1}}); }
  Dim intern(const Polynomial& p) {
    if (p.empty()) return {0};
    if (p.size() == 1 && p.begin()->first.empty()) return {p.begin()->second};
    std::string k;
    for (const auto& [monomial, coefficient] : p) {
      for (const uint32_t a : monomial) k += std::to_string(a) + "*";
      k += "=" + std::to_string(coefficient) + ";";
    }
    const auto [it, fresh] = index_.try_emplace(k, static_cast<uint32_t>(polynomials_.size()));
    if (fresh) polynomials_.push_back(p);
    return Dim(it->second, 0);
  }

  std::mutex mutex_;
  std::deque<Atom> atoms_;
  std::unordered_map<std::string, uint32_t> atom_index_;
  std::deque<Polynomial> polynomials_{1};
  std::unordered_map<std::string, uint32_t> index_;
  uint64_t unknowns_ = 0;
};

namespace {

using Polynomial = DimTable::Polynomial;

DimTable& table() { return DimTable::get(); }

// False on overflow.
bool accumulate(Polynomial& p, const DimTable::Monomial& m, int64_t coefficient) {
  if (coefficient == 0) return true;
  auto [it, fresh] = p.try_emplace(m, coefficient);
  if (fresh) return true;
  if (__builtin_add_overflow(it->second, coefficient, &it->second)) return false;
  if (it->second == 0) p.erase(it);
  return true;
}

// The leading term by degree, then by atoms: an order that products keep, as long division needs.
Polynomial::const_iterator leading(const Polynomial& p) {
  return std::max_element(p.begin(), p.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first > b.first;
  });
}

int64_t floor_div64(int64_t a, int64_t b) { return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0); }

// Beyond this a polynomial is not worth the algebra: an opaque unknown is honest and bounded.
constexpr size_t kMaxTerms = 64;

}  // namespace

Dim Dim::symbol(std::string_view name) { return table().symbol(name); }
Dim Dim::unknown() { return table().unknown(); }

bool Dim::is_symbol() const {
  if (is_const()) return false;
  const auto p = table().polynomial(*this);
  return DimTable::is_lone_atom(p) && table().atom_at(p.begin()->first[0]).kind == AtomKind::symbol;
}

bool Dim::is_unknown() const {
  if (is_const()) return false;
  const auto p = table().polynomial(*this);
  return DimTable::is_lone_atom(p) && table().atom_at(p.begin()->first[0]).kind == AtomKind::unknown;
}

bool Dim::has_unknown() const {
  if (is_const()) return false;
  for (const auto& [monomial, coefficient] : table().polynomial(*this))
    for (const uint32_t a : monomial) {
      const auto atom = table().atom_at(a);
      if (atom.kind == AtomKind::unknown) return true;
      if (atom.kind > AtomKind::unknown && (atom.a.has_unknown() || atom.b.has_unknown())) return true;
    }
  return false;
}

std::string Dim::symbol_name() const {
  return table().atom_at(table().polynomial(*this).begin()->first[0]).name;
}

std::string Dim::str() const {
  if (is_const()) return std::to_string(value_);
  static constexpr const char* kNames[] = {"", "", "floordiv", "mod", "min", "max", "broadcast"};
  struct Term {
    std::string text;
    size_t degree;
    int64_t coefficient;
  };
  std::vector<Term> terms;
  for (const auto& [monomial, coefficient] : table().polynomial(*this)) {
    std::vector<std::string> factors;
    for (const uint32_t i : monomial) {
      const auto a = table().atom_at(i);
      factors.push_back(a.kind <= AtomKind::unknown ? a.name
                                                    : std::string(kNames[static_cast<int>(a.kind)]) + "(" +
                                                          a.a.str() + ", " + a.b.str() + ")");
    }
    std::sort(factors.begin(), factors.end());
    std::string text;
    for (const auto& f : factors) text += (text.empty() ? "" : "*") + f;
    terms.push_back({text, factors.size(), coefficient});
  }
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) {
    return a.degree != b.degree ? a.degree > b.degree : a.text < b.text;
  });
  std::string out;
  for (const auto& t : terms) {
    const bool negative = t.coefficient < 0;
    std::string magnitude = std::to_string(t.coefficient);
    if (negative) magnitude.erase(0, 1);
    out += out.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    if (t.text.empty())
      out += magnitude;
    else
      out += magnitude == "1" ? t.text : magnitude + "*" + t.text;
  }
  return out;
}

std::vector<std::string> Dim::symbols() const {
  std::set<std::string> names;
  if (!is_const())
    for (const auto& [monomial, coefficient] : table().polynomial(*this))
      for (const uint32_t i : monomial) {
        const auto a = table().atom_at(i);
        if (a.kind == AtomKind::symbol) names.insert(a.name);
        if (a.kind > AtomKind::unknown)
          for (const Dim d : {a.a, a.b})
            for (auto& n : d.symbols()) names.insert(n);
      }
  return {names.begin(), names.end()};
}

std::optional<int64_t> Dim::eval(
    const std::function<std::optional<int64_t>(const std::string&)>& bind) const {
  if (is_const()) return value_;
  int64_t sum = 0;
  for (const auto& [monomial, coefficient] : table().polynomial(*this)) {
    int64_t term = coefficient;
    for (const uint32_t i : monomial) {
      const auto a = table().atom_at(i);
      std::optional<int64_t> v;
      if (a.kind <= AtomKind::unknown) {
        v = bind(a.name);
      } else {
        const auto x = a.a.eval(bind), y = a.b.eval(bind);
        if (!x || !y) return std::nullopt;
        const bool divides = a.kind == AtomKind::floor_div || a.kind == AtomKind::mod;
        if (divides && (*y == 0 || *y == -1)) return std::nullopt;  // -1: INT64_MIN / -1
        switch (a.kind) {
          case AtomKind::floor_div:
            v = floor_div64(*x, *y);
            break;
          case AtomKind::mod:
            v = *x - floor_div64(*x, *y) * *y;
            break;
          case AtomKind::min:
            v = std::min(*x, *y);
            break;
          case AtomKind::max:
            v = std::max(*x, *y);
            break;
          case AtomKind::broadcast:
            v = *x == 1 ? *y : *x;
            break;
          default:
            break;
        }
      }
      if (!v || __builtin_mul_overflow(term, *v, &term)) return std::nullopt;
    }
    if (__builtin_add_overflow(sum, term, &sum)) return std::nullopt;
  }
  return sum;
}

std::optional<int64_t> Dim::eval(const std::map<std::string, int64_t>& bind) const {
  return eval([&](const std::string& name) -> std::optional<int64_t> {
    const auto it = bind.find(name);
    return it == bind.end() ? std::nullopt : std::optional(it->second);
  });
}

Dim Dim::substitute(const std::function<std::optional<Dim>(const std::string&)>& with) const {
  if (is_const()) return *this;
  Dim sum = 0;
  for (const auto& [monomial, coefficient] : table().polynomial(*this)) {
    Dim term = coefficient;
    for (const uint32_t i : monomial) {
      const auto a = table().atom_at(i);
      Dim factor;
      if (a.kind <= AtomKind::unknown) {
        const auto r = with(a.name);
        factor = r ? *r : table().make({{{i}, 1}});
      } else {
        const Dim x = a.a.substitute(with), y = a.b.substitute(with);
        switch (a.kind) {
          case AtomKind::floor_div:
            factor = floor_div(x, y);
            break;
          case AtomKind::mod:
            factor = mod(x, y);
            break;
          case AtomKind::min:
            factor = min(x, y);
            break;
          case AtomKind::max:
            factor = max(x, y);
            break;
          default:
            factor = broadcast(x, y);
            break;
        }
      }
      term = term * factor;
    }
    sum = sum + term;
  }
  return sum;
}

Dim operator+(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) {
    int64_t r;
    return __builtin_add_overflow(a.value(), b.value(), &r) ? Dim::unknown() : Dim(r);
  }
  auto p = table().polynomial(a);
  for (const auto& [m, c] : table().polynomial(b))
    if (!accumulate(p, m, c)) return Dim::unknown();
  return p.size() > kMaxTerms ? Dim::unknown() : table().make(p);
}

Dim operator-(Dim a, Dim b) { return a + b * Dim(-1); }

Dim operator*(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) {
    int64_t r;
    return __builtin_mul_overflow(a.value(), b.value(), &r) ? Dim::unknown() : Dim(r);
  }
  const auto pa = table().polynomial(a), pb = table().polynomial(b);
  if (pa.size() * pb.size() > kMaxTerms) return Dim::unknown();
  Polynomial p;
  for (const auto& [ma, ca] : pa)
    for (const auto& [mb, cb] : pb) {
      auto m = ma;
      m.insert(m.end(), mb.begin(), mb.end());
      std::sort(m.begin(), m.end());
      int64_t c;
      if (m.size() > kMaxTerms || __builtin_mul_overflow(ca, cb, &c) || !accumulate(p, m, c))
        return Dim::unknown();
    }
  return table().make(p);
}

std::optional<Dim> Dim::exact_div(Dim a, Dim b) {
  if (b.is_const(0)) return std::nullopt;
  if (a.is_const(0) || b.is_const(1)) return a;
  if (a == b) return Dim(1);
  const auto divisor = table().polynomial(b);
  const auto lead = leading(divisor);
  Polynomial rest = table().polynomial(a), quotient;
  for (size_t steps = 0; !rest.empty(); ++steps) {  // long division, leading term by leading term
    if (steps > kMaxTerms) return std::nullopt;
    const auto top = leading(rest);
    const auto& [m, c] = *top;
    const auto& [mb, cb] = *lead;
    if (cb == -1 && c == std::numeric_limits<int64_t>::min())
      return std::nullopt;  // its quotient is no int64
    if (c % cb != 0 || !std::includes(m.begin(), m.end(), mb.begin(), mb.end())) return std::nullopt;
    DimTable::Monomial by;
    std::set_difference(m.begin(), m.end(), mb.begin(), mb.end(), std::back_inserter(by));
    const int64_t factor = c / cb;
    for (const auto& [md, cd] : divisor) {
      DimTable::Monomial product = md;
      product.insert(product.end(), by.begin(), by.end());
      std::sort(product.begin(), product.end());
      int64_t taken;
      if (__builtin_mul_overflow(cd, factor, &taken) || taken == std::numeric_limits<int64_t>::min() ||
          !accumulate(rest, product, -taken))
        return std::nullopt;
    }
    if (!accumulate(quotient, by, factor)) return std::nullopt;
  }
  return table().make(quotient);
}

Dim Dim::floor_div(Dim a, Dim b) {
  if (a.is_const() && b.is_const() && b.value() != 0 && b.value() != -1)
    return {floor_div64(a.value(), b.value())};
  if (b.is_const() && b.value() > 1 && !a.is_const()) {
    // (k*b + r) / b = k + r / b for the terms whose coefficient b divides.
    Polynomial quotient, rest;
    for (const auto& [m, c] : table().polynomial(a)) {
      const bool divides = c % b.value() == 0;
      accumulate(divides ? quotient : rest, m, divides ? c / b.value() : c);
    }
    if (!quotient.empty()) return table().make(quotient) + floor_div(table().make(rest), b);
  }
  if (const auto q = exact_div(a, b)) return *q;
  return table().opaque(AtomKind::floor_div, a, b);
}

Dim Dim::ceil_div(Dim a, Dim b) { return Dim(0) - floor_div(Dim(0) - a, b); }

Dim Dim::mod(Dim a, Dim b) {
  if (a.is_const() && b.is_const() && b.value() != 0 && b.value() != -1)
    return {a.value() - floor_div64(a.value(), b.value()) * b.value()};
  if (exact_div(a, b)) return {0};
  return table().opaque(AtomKind::mod, a, b);
}

Dim Dim::min(Dim a, Dim b) {
  if (provably_ge(b, a)) return a;
  if (provably_ge(a, b)) return b;
  return a.str() < b.str() ? table().opaque(AtomKind::min, a, b) : table().opaque(AtomKind::min, b, a);
}

Dim Dim::max(Dim a, Dim b) {
  if (provably_ge(a, b)) return a;
  if (provably_ge(b, a)) return b;
  return a.str() < b.str() ? table().opaque(AtomKind::max, a, b) : table().opaque(AtomKind::max, b, a);
}

namespace {

// Is d min(whole, c) with a constant c > 1?
bool is_cut_of(Dim d, Dim whole) {
  const auto p = table().polynomial(d);
  if (!DimTable::is_lone_atom(p)) return false;
  const auto atom = table().atom_at(p.begin()->first[0]);
  if (atom.kind != AtomKind::min) return false;
  const auto cut = [&](Dim x, Dim c) { return x == whole && c.is_const() && c.value() > 1; };
  return cut(atom.a, atom.b) || cut(atom.b, atom.a);
}

}  // namespace

Dim Dim::broadcast(Dim a, Dim b) {
  if (a == b || b.is_const(1)) return a;
  if (a.is_const(1)) return b;
  if (a.is_const()) return a;  // 0 or above 1: the other side must be 1 or the same
  if (b.is_const()) return b;
  // A table of c > 1 positions cut to the length: where min(a, c) is neither a nor 1 the broadcast is an
  // error.
  if (is_cut_of(b, a)) return a;
  if (is_cut_of(a, b)) return b;
  return a.str() < b.str() ? table().opaque(AtomKind::broadcast, a, b)
                           : table().opaque(AtomKind::broadcast, b, a);
}

bool Dim::provably_ge(Dim a, Dim b, int64_t least) {
  // a - b as a polynomial with every atom >= least: a lower bound is the sum of its terms' lower bounds.
  const Dim d = a - b;
  if (d.is_const()) return d.value() >= 0;
  int64_t bound = 0;
  for (const auto& [m, c] : table().polynomial(d)) {
    if (m.empty()) {
      bound += c;
      continue;
    }
    if (c < 0) return false;  // atoms have no upper bound
    int64_t term = c;
    for (const uint32_t i : m) {
      const auto atom = table().atom_at(i);
      int64_t low = least;
      if (atom.kind == AtomKind::floor_div) low = provably_ge(atom.a, 0, least) && atom.b.is_const() ? 0 : -1;
      if (atom.kind == AtomKind::min || atom.kind == AtomKind::max || atom.kind == AtomKind::broadcast)
        low = provably_ge(atom.a, least, least) && provably_ge(atom.b, least, least) ? least
              : provably_ge(atom.a, 0, least) && provably_ge(atom.b, 0, least)       ? 0
                                                                                     : -1;
      if (atom.kind == AtomKind::mod) low = atom.b.is_const() && atom.b.value() > 0 ? 0 : -1;
      if (low < 0 || __builtin_mul_overflow(term, low, &term)) return false;
    }
    if (__builtin_add_overflow(bound, term, &bound)) return false;
  }
  return bound >= 0;
}

bool Dim::provably_ne(Dim a, Dim b, int64_t least) {
  return provably_ge(a, b + 1, least) || provably_ge(b, a + 1, least);
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (const Dim d : shape) out += (out.size() > 1 ? ", " : "") + d.str();
  return out + "]";
}

std::optional<std::vector<int64_t>> as_constants(const Shape& shape) {
  std::vector<int64_t> out;
  for (const Dim d : shape) {
    if (!d.is_const()) return std::nullopt;
    out.push_back(d.value());
  }
  return out;
}

Dim product(const Shape& shape) {
  Dim p = 1;
  for (const Dim d : shape) p = p * d;
  return p;
}

}  // namespace lathe
