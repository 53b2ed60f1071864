// Patterns as data. A formula is written as C++ arithmetic over Pat and matched in normal form: a product is
// a coefficient times leaves (in any order, nesting, Mul or Div or Reciprocal, small integer powers spelled
// out), a sum a constant plus signed leaves. So `0.5 * (x * (1.0 + op("Erf", {x / 1.4142135})))` is every
// spelling of Gelu. Being data, patterns are indexed by root op, printed, explained when they nearly match,
// and instantiated by tests.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ir/core/attr.h"

namespace lathe {

struct PatNode;

// A variable: binds a value; every occurrence must bind the same value (or an equal constant).
class Var {
 public:
  Var();
  uint32_t id() const { return id_; }

 private:
  uint32_t id_;
};

// A number that the pattern leaves open (an epsilon, a scale): a factor of a product, a term of a sum, or a
// constant with all elements equal. At most one in a product or sum.
class Num {
 public:
  Num();
  uint32_t id() const { return id_; }

 private:
  uint32_t id_;
};

class Pat {
 public:
  Pat(Var v);          // NOLINT(google-explicit-constructor): formulas read as formulas
  Pat(double scalar);  // NOLINT(google-explicit-constructor): a constant with all elements equal to this
  Pat(Num n);          // NOLINT(google-explicit-constructor)
  explicit Pat(std::shared_ptr<const PatNode> p) : p_(std::move(p)) {}
  const PatNode& operator*() const { return *p_; }
  const PatNode* operator->() const { return p_.get(); }

 private:
  std::shared_ptr<const PatNode> p_;
};

struct AttrWant {
  std::string name;
  AttrValue value;
  bool or_missing = false;  // the attribute's absence (its default) matches too
};

struct PatNode {
  enum class Kind : uint8_t { var, constant, scalar, number, op, product, sum, one_of, maybe };
  Kind kind = Kind::var;
  uint32_t var = 0;             // var, constant; op: bound to the matched value if not 0
  uint32_t num = 0;             // number; product, sum: takes the coefficient or constant if not 0
  double number = 0;            // scalar; coefficient of a product; constant of a sum
  std::string type, domain;     // op; the optional wrapper of maybe
  std::vector<Pat> parts;       // operands, alternatives
  std::vector<int> signs;       // product: exponent +1 or -1 of each part; sum: sign of each part
  std::vector<AttrWant> attrs;  // op: wanted attributes; others are not looked at
  bool commutative = false;     // op: the two operands match in either order
};

// An op with exactly these operands (trailing omitted optionals do not count). axes-like operands that are
// constant are matched with ints(); anything else constant with constant(v).
Pat op(std::string type, std::vector<Pat> operands, std::vector<AttrWant> attrs = {},
       std::string domain = {});
Pat commutative_op(std::string type, Pat a, Pat b);
// The op's output value is also bound to v.
Pat bind(Var v, const Pat& op);
Pat constant(Var v);                        // any constant tensor
Pat one_of(std::vector<Pat> alternatives);  // first that matches
Pat maybe(std::string type, Pat inner);     // type(inner) or inner (casts)
Pat square(const Pat& x);                   // Pow(x, 2) or x * x, as one leaf
Pat square_root(const Pat& x);              // Sqrt(x) or Pow(x, 0.5)

Pat operator*(const Pat& a, const Pat& b);
Pat operator/(const Pat& a, const Pat& b);
Pat operator+(const Pat& a, const Pat& b);
Pat operator-(const Pat& a, const Pat& b);

// Op types that can be at the root of a match ("" domain unless given as domain::type).
std::vector<std::string> root_ops(const Pat& p);
std::string to_string(const Pat& p);
// Number of op nodes in the shortest match: how much of a near miss is near.
int op_count(const Pat& p);

}  // namespace lathe
