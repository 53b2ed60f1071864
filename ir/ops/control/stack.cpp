#include "ir/ops/control/stack.h"

#include <algorithm>

#include "ir/ops/broadcast.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {

void Held::add(const Tensor& t) {
  bytes_ += static_cast<int64_t>(t.byte_size());
  // They are there twice when they are joined.
  if (most_ > 0 && bytes_ > most_ / 2) fail("what the iterations make is beyond the memory limit");
}

void Stack::push(const Datum& d, Held& held) {
  const Tensor* t = d.tensor();
  if (t == nullptr) fail("a scan output is not a tensor");
  if (!items_.empty() && (t->dtype != items_[0].dtype || t->dims != items_[0].dims))
    fail("a scan output changes its type or shape from one iteration to the next");
  held.add(*t);
  items_.push_back(*t);
}

Tensor Stack::joined(const Type& element, int64_t least) const {
  std::vector<int64_t> item;
  DType dtype = element.dtype;
  if (!items_.empty()) {
    item = items_[0].dims;
    dtype = items_[0].dtype;
  } else if (element.shape) {
    for (const Dim& d : *element.shape) item.push_back(d.is_const() ? d.value() : 0);
  }
  if (dtype == DType::Undefined) fail("the type of an empty scan output is not known");
  const auto axis = static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(item.size()) + 1));
  const auto n = static_cast<int64_t>(items_.size());
  std::vector<int64_t> dims = item;
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), std::max(n, least));
  Units u(dtype);
  Tensor y = n < least ? u.enter(Tensor::make(dtype, dims)) : Tensor::uninitialized(u.dtype(), dims);
  auto strides = row_major(dims);
  const int64_t step = strides[axis];
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(axis));
  for (int64_t k = 0; k < n; ++k) {
    const Tensor from = u.enter(items_[static_cast<size_t>(k)]);
    copy_strided(from.dtype, y.mutable_bytes().data(), from.bytes().data(),
                 {item, strides, row_major(item), (reversed_ ? n - 1 - k : k) * step, 0});
  }
  return u.leave(std::move(y));
}

bool truth(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr || t->count() != 1 || t->dtype == DType::String) fail("a condition must be one bool");
  return t->as_double(0) != 0;
}

}  // namespace lathe
