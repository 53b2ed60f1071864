// Reverse-mode differentiation on values: every op that the tape applies is evaluated at once and remembered.
// Derivatives are made of ops on the same tape, so that they can be differentiated again.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/ops/eval_ctx.h"

namespace lathe {

using Var = int32_t;  // a value on a tape
inline constexpr Var kNoVar = -1;
using Vars = std::vector<Var>;
using AttrList = std::vector<std::pair<std::string, AttrValue>>;

class Tape {
 public:
  struct Entry {
    std::string domain, type, place;  // place: what to call it in an error
    Attrs attrs;
    Vars in, out;
  };

  // c: limits and seed of the evaluations. precise: narrower floats than double become double.
  Tape(const EvalCtx& c, bool precise) : c_(c), precise_(precise) {}

  Var leaf(Datum value);
  // Evaluates an op of the main domain; its only output.
  Var op(std::string_view type, Vars in, AttrList attrs = {});
  Vars ops(std::string_view type, Vars in, AttrList attrs, size_t outputs);
  Vars apply(Entry entry, size_t outputs);

  const Datum& datum(Var v) const { return values_[static_cast<size_t>(v)]; }
  const Tensor& at(Var v) const;  // not a tensor: an input error
  size_t length() const { return entries_.size(); }

  // d(sum of y) / dx for each x, through the entries from `begin` on; kNoVar where y does not depend on x.
  Vars gradients(Var y, const Vars& xs, size_t begin);

 private:
  const EvalCtx& c_;
  bool precise_;
  std::deque<Datum> values_;  // stays where it is when more come
  std::vector<Entry> entries_;
};

// What a derivative rule sees: one entry, and the gradients of its outputs.
class Backward {
 public:
  Backward(Tape& tape, Tape::Entry entry, std::vector<Var>& gradients, const std::vector<bool>& active)
      : tape_(tape), entry_(std::move(entry)), gradients_(gradients), active_(active) {}

  const Attrs& attrs() const { return entry_.attrs; }
  size_t inputs() const { return entry_.in.size(); }
  size_t outputs() const { return entry_.out.size(); }
  Var x(size_t i = 0) const { return i < entry_.in.size() ? entry_.in[i] : kNoVar; }
  Var y(size_t i = 0) const { return entry_.out[i]; }
  Var dy(size_t i = 0) const { return gradient(entry_.out[i]); }  // kNoVar: zero
  // Does the gradient of this input matter?
  bool wants(size_t i) const { return x(i) != kNoVar && active_[static_cast<size_t>(x(i))]; }
  const Tensor& at(Var v) const { return tape_.at(v); }
  const std::vector<int64_t>& dims(Var v) const { return tape_.at(v).dims; }

  Var op(std::string_view type, Vars in, AttrList attrs = {}) {
    return tape_.op(type, std::move(in), std::move(attrs));
  }
  Var leaf(Tensor t) { return tape_.leaf(std::move(t)); }
  Vars ops(std::string_view type, Vars in, AttrList attrs, size_t outputs) {
    return tape_.ops(type, std::move(in), std::move(attrs), outputs);
  }
  // This entry's op on another first input.
  Vars repeat(Var first);
  Var add(Var a, Var b) { return op("Add", {a, b}); }
  Var sub(Var a, Var b) { return op("Sub", {a, b}); }
  Var mul(Var a, Var b) { return op("Mul", {a, b}); }
  Var div(Var a, Var b) { return op("Div", {a, b}); }
  Var number(double v) { return number(v, tape_.at(x()).dtype); }
  Var number(double v, DType dtype) { return tape_.leaf(Tensor::full(dtype, {}, v)); }
  Var ints(std::vector<int64_t> v) { return tape_.leaf(Tensor::of_i64(std::move(v))); }
  Var ints_scalar(int64_t v) { return tape_.leaf(Tensor::full(DType::I64, {}, static_cast<double>(v))); }
  Var zeros_like(Var v) { return tape_.leaf(Tensor::make(tape_.at(v).dtype, tape_.at(v).dims)); }
  Var reshape(Var v, const std::vector<int64_t>& dims);
  // Sums over the dims that broadcasting stretched.
  Var sum_to(Var v, const std::vector<int64_t>& dims);

  // Adds g (of input i's shape, or stretched by broadcasting) to the gradient of input i.
  void give(size_t i, Var g);
  // Differentiates what computes the same outputs (kNoVar: not this one) from the inputs by ops of known
  // derivative, in place of the op.
  using Formula = Vars (*)(Backward&);
  void through(Formula formula);
  [[noreturn]] void refuse(std::string_view why) const;

 private:
  Var gradient(Var v) const { return gradients_[static_cast<size_t>(v)]; }

  Tape& tape_;
  Tape::Entry entry_;  // a copy: the tape grows
  std::vector<Var>& gradients_;
  const std::vector<bool>& active_;
};

using Derivative = void (*)(Backward&);

// Null where none is known.
Derivative find_derivative(std::string_view domain, std::string_view type);

using DerivativeTable = std::vector<std::pair<std::string_view, Derivative>>;
DerivativeTable elementwise_derivatives();
DerivativeTable movement_derivatives();
DerivativeTable linear_derivatives();  // sums, products, reductions, Softmax
DerivativeTable conv_derivatives();    // and pools
DerivativeTable norm_derivatives();
void d_einsum(Backward& b);

}  // namespace lathe
