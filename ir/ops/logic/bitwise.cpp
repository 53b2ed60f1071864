// Bitwise operations and shifts of integers.
#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

// Shifting by the width or more, or by a negative number, leaves what sign extension does: 0, or -1 where a
// negative number is shifted to the right.
struct Shift {
  explicit Shift(const Attrs& attrs) {
    const std::string direction = attrs.s("direction", "");
    if (direction != "LEFT" && direction != "RIGHT")
      fail("direction '{}' is neither LEFT nor RIGHT", direction);
    left = direction == "LEFT";
  }
  bool left = false;
  template <class C>
  C operator()(C x, C by) const {
    using Bits = std::make_unsigned_t<C>;
    if (static_cast<Bits>(by) >= sizeof(C) * 8) return x < 0 && !left ? static_cast<C>(-1) : C{0};
    return left ? static_cast<C>(static_cast<Bits>(x) << by) : static_cast<C>(x >> by);
  }
};

}  // namespace

void register_bitwise(OpRegistry& r) {
  const auto row = [&r](const char* type, auto infer, auto eval, bool commutative) {
    r.add({.domain = "",
           .type = type,
           .infer = infer,
           .eval = eval,
           .exactness = Exactness::bitwise,
           .commutative = commutative,
           .elementwise = true});
  };
  row("BitwiseAnd", infer_binary<>, eval_binary<decltype([](auto a, auto b) { return a & b; }), Ints>, true);
  row("BitwiseOr", infer_binary<>, eval_binary<decltype([](auto a, auto b) { return a | b; }), Ints>, true);
  row("BitwiseXor", infer_binary<>, eval_binary<decltype([](auto a, auto b) { return a ^ b; }), Ints>, true);
  row("BitwiseNot", infer_unary<>, eval_unary<decltype([](auto a) { return ~a; }), Ints>, false);
  row("BitShift", infer_binary<>, eval_binary<Shift, Ints>, false);
}

}  // namespace lathe
