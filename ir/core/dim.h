// A dimension: a constant, or a hash-consed polynomial over named symbols, anonymous unknowns and opaque
// atoms (floor-div, mod, min, max, broadcast). Two Dims compare equal only if they are provably equal for
// every binding. Dims are values: the table behind them is process-wide and append-only.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

class Dim {
 public:
  Dim() = default;                           // 0
  Dim(int64_t value) : value_(value) {}      // NOLINT(google-explicit-constructor): constants read as numbers
  static Dim symbol(std::string_view name);  // the same name is the same dim
  static Dim unknown();                      // a fresh anonymous dim, equal only to itself

  bool is_const() const { return expr_ == 0; }
  bool is_const(int64_t v) const { return expr_ == 0 && value_ == v; }
  int64_t value() const { return value_; }  // only if is_const()
  std::optional<int64_t> constant() const { return is_const() ? std::optional(value_) : std::nullopt; }
  bool is_symbol() const;                    // a lone named symbol
  bool is_unknown() const;                   // a lone anonymous dim
  bool has_unknown() const;                  // an anonymous dim occurs somewhere
  std::string symbol_name() const;           // only if is_symbol()
  std::string str() const;                   // "batch", "2*seq + 1", "floordiv(h + 1, 2)", "?3"
  std::vector<std::string> symbols() const;  // names that occur, sorted

  // Value under a binding of names (unknowns are asked by their str()); nullopt if something is unbound, or
  // on overflow or division by zero.
  std::optional<int64_t> eval(const std::function<std::optional<int64_t>(const std::string&)>& bind) const;
  std::optional<int64_t> eval(const std::map<std::string, int64_t>& bind) const;
  // Replaces symbols (and unknowns, by their str()) and normalises again.
  Dim substitute(const std::function<std::optional<Dim>(const std::string&)>& with) const;

  friend bool operator==(Dim a, Dim b) { return a.expr_ == b.expr_ && a.value_ == b.value_; }
  uint64_t hash() const { return static_cast<uint64_t>(value_) * 0x9e3779b97f4a7c15ull + expr_; }

  // Arithmetic for dims as used by shape computation. Constant overflow gives a fresh unknown, never a wrap.
  friend Dim operator+(Dim a, Dim b);
  friend Dim operator-(Dim a, Dim b);
  friend Dim operator*(Dim a, Dim b);
  static Dim floor_div(Dim a, Dim b);  // rounds to minus infinity
  static Dim ceil_div(Dim a, Dim b);
  static Dim mod(Dim a, Dim b);  // sign of the divisor
  static Dim min(Dim a, Dim b);
  static Dim max(Dim a, Dim b);
  // Size of a numpy broadcast of two dims: 1 yields to the other, a constant above 1 wins.
  static Dim broadcast(Dim a, Dim b);
  // a / b where b divides a for sure (exact polynomial division by a constant or a factor); nullopt if
  // unproven.
  static std::optional<Dim> exact_div(Dim a, Dim b);

  // Three-valued comparisons under the assumption that every symbol and unknown is at least `least` (0: any
  // tensor may be empty; 1 where emptiness is excluded).
  static bool provably_ge(Dim a, Dim b, int64_t least = 0);
  static bool provably_ne(Dim a, Dim b, int64_t least = 0);

 private:
  friend class DimTable;
  Dim(uint32_t expr, int) : expr_(expr) {}
  int64_t value_ = 0;
  uint32_t expr_ = 0;  // 0: the constant value_; otherwise an index into the table
};

using Shape = std::vector<Dim>;

std::string to_string(const Shape& shape);  // "[batch, 12, seq]"
// The shape as constants; nullopt if one dim is symbolic.
std::optional<std::vector<int64_t>> as_constants(const Shape& shape);
Dim product(const Shape& shape);

}  // namespace lathe
