// Data movement does not read its elements: it moves units of 1, 2, 4, 8 or 16 bytes. Units turns any tensor
// into such a one and back. Packed 6-, 4- and 2-bit elements become one byte each; strings become indices
// into a table.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "ir/ops/eval_ctx.h"

namespace lathe {

class Units {
 public:
  explicit Units(DType dtype) : dtype_(dtype) {}

  DType dtype() const;  // of the tensors that enter() gives
  Tensor enter(const Tensor& t);
  Tensor leave(Tensor t) const;
  // A tensor of units of zero; of empty strings where the elements are strings.
  Tensor zeros(std::vector<int64_t> dims);

  // Allocates output i in units; finish() turns it into the op's element type.
  Tensor& out(EvalCtx& c, size_t i, std::vector<int64_t> dims) const {
    return c.out(i, dtype(), std::move(dims));
  }
  void finish(EvalCtx& c, size_t i, Tensor& t) const {
    if (dtype() != dtype_) c.set(i, leave(std::move(t)));
  }

 private:
  DType dtype_;
  std::vector<std::string> table_;
};

// One element as bytes, without alignment: tensors may be views into a file at any offset.
template <size_t N>
struct RawUnit {
  unsigned char byte[N];
};

template <class F>
void with_unit(DType dtype, F&& f) {
  switch (bit_width(dtype)) {
    case 8:
      return f(RawUnit<1>{});
    case 16:
      return f(RawUnit<2>{});
    case 32:
      return f(RawUnit<4>{});
    case 64:
      return f(RawUnit<8>{});
    case 128:
      return f(RawUnit<16>{});
    default:
      fail("elements of type {} cannot be moved one by one", onnx_name(dtype));
  }
}

template <class U>
const U* units(const Tensor& t) {
  return reinterpret_cast<const U*>(t.bytes().data());
}
template <class U>
U* mutable_units(Tensor& t) {
  return reinterpret_cast<U*>(t.mutable_bytes().data());
}

}  // namespace lathe
