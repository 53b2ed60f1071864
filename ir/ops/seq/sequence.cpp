// Sequences: SequenceEmpty, SequenceConstruct, SequenceAt, SequenceInsert, SequenceErase, SequenceLength,
// ConcatFromSequence, SplitToSequence; Optional, OptionalGetElement, OptionalHasElement.
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- types

// The item type of a sequence input; None if unknown.
Type item_type(const InferCtx& c, size_t i) {
  const Type& t = c.type(i);
  return t.kind == Type::Kind::Sequence && t.item ? *t.item : Type();
}
// A tensor type of which only the element type is sure.
Type any_shape(const Type& t) { return t.is_tensor() ? Type::tensor(t.dtype) : t; }

DType element_dtype(const Datum& d) {
  if (const Tensor* t = d.tensor()) return t->dtype;
  return d.element;
}

int64_t position(EvalCtx& c, size_t input, int64_t size, int64_t otherwise) {
  const Tensor* t = c.maybe(input);
  if (t == nullptr) return otherwise;
  if (t->count() != 1) fail("a position of {} elements", t->count());
  return t->as_i64(0) < 0 ? t->as_i64(0) + size : t->as_i64(0);
}

// ---------------------------------------------------------------- building

void infer_empty(InferCtx& c) {
  c.out(0, Type::sequence(
               Type::tensor(static_cast<DType>(c.attrs().i("dtype", static_cast<int64_t>(DType::F32))))));
}
void eval_empty(EvalCtx& c) {
  const int64_t t = c.attrs().i("dtype", static_cast<int64_t>(DType::F32));
  if (t < 1 || t >= kDTypeCount) fail("dtype {}", t);
  c.set(0, Datum::sequence({}, static_cast<DType>(t)));
}

void infer_construct(InferCtx& c) {
  if (c.inputs() > 0 && c.type(0).known()) c.out(0, Type::sequence(any_shape(c.type(0))));
}
void eval_construct(EvalCtx& c) {
  Sequence items;
  for (size_t i = 0; i < c.inputs(); ++i) {
    items.push_back(c.in(i));
    if (c.in(i).dtype != c.in(0).dtype)
      fail("items of type {} and {}", onnx_name(c.in(0).dtype), onnx_name(c.in(i).dtype));
  }
  if (items.empty()) fail("no items");
  const DType dtype = c.in(0).dtype;
  c.set(0, Datum::sequence(std::move(items), dtype));
}

void infer_same_sequence(InferCtx& c) {
  const Type t = item_type(c, 0);
  if (t.known()) c.out(0, Type::sequence(any_shape(t)));
}

void eval_insert(EvalCtx& c) {
  Sequence items = c.sequence(0);
  const auto n = static_cast<int64_t>(items.size());
  const int64_t at = position(c, 2, n, n);
  if (at < 0 || at > n) fail("position {} in a sequence of {}", at, n);
  if (!items.empty() && element_dtype(items[0]) != element_dtype(c.datum(1))) fail("an item of another type");
  items.insert(items.begin() + at, c.datum(1));
  c.set(0, Datum::sequence(std::move(items), element_dtype(c.datum(1))));
}

void eval_erase(EvalCtx& c) {
  Sequence items = c.sequence(0);
  const auto n = static_cast<int64_t>(items.size());
  const int64_t at = position(c, 1, n, n - 1);
  if (at < 0 || at >= n) fail("position {} in a sequence of {}", at, n);
  items.erase(items.begin() + at);
  c.set(0, Datum::sequence(std::move(items), c.datum(0).element));
}

// ---------------------------------------------------------------- reading

void infer_at(InferCtx& c) {
  const Type t = item_type(c, 0);
  if (t.known()) c.out(0, t);
}
void eval_at(EvalCtx& c) {
  const Sequence& items = c.sequence(0);
  const auto n = static_cast<int64_t>(items.size());
  const int64_t at = position(c, 1, n, 0);
  if (at < 0 || at >= n) fail("position {} in a sequence of {}", at, n);
  c.set(0, items[static_cast<size_t>(at)]);
}

void infer_length(InferCtx& c) { c.out(0, DType::I64, Shape{}); }
void eval_length(EvalCtx& c) { c.set(0, Tensor::scalar_i64(static_cast<int64_t>(c.sequence(0).size()))); }

// ---------------------------------------------------------------- joining and cutting

void infer_concat(InferCtx& c) {
  const Type t = item_type(c, 0);
  if (t.is_tensor()) c.out(0, t.dtype);
}

void eval_concat(EvalCtx& c) {
  const Sequence& items = c.sequence(0);
  if (items.empty()) fail("nothing to concatenate");
  const bool fresh = c.attrs().i("new_axis", 0) != 0;
  std::vector<Tensor> parts;
  for (const Datum& d : items) {
    if (d.tensor() == nullptr) fail("an item is not a tensor");
    parts.push_back(*d.tensor());
  }
  const int64_t rank = parts[0].rank() + (fresh ? 1 : 0);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), rank));
  int64_t total = 0;
  for (Tensor& t : parts) {
    if (fresh) {
      std::vector<int64_t> dims = t.dims;
      if (dims.size() < axis) fail("items of different ranks");
      dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
      t = t.reshaped(std::move(dims));
    }
    if (t.dims.size() != parts[0].dims.size()) fail("items of different ranks");
    for (size_t k = 0; k < t.dims.size(); ++k)
      if (k != axis && t.dims[k] != parts[0].dims[k]) fail("items differ along axis {}", k);
    total = checked_add(total, t.dims[axis]);
  }
  std::vector<int64_t> dims = parts[0].dims;
  dims[axis] = total;
  Units u(parts[0].dtype);
  Tensor& y = u.out(c, 0, dims);
  const auto strides = row_major(dims);
  int64_t offset = 0;
  for (const Tensor& part : parts) {
    const Tensor t = u.enter(part);
    copy_strided(t.dtype, y.mutable_bytes().data(), t.bytes().data(),
                 {t.dims, strides, row_major(t.dims), offset * strides[axis], 0});
    offset += t.dims[axis];
  }
  u.finish(c, 0, y);
}

void infer_split(InferCtx& c) {
  if (c.dtype(0) != DType::Undefined) c.out(0, Type::sequence(Type::tensor(c.dtype(0))));
}

void eval_split(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), x.rank()));
  const int64_t all = x.dims[axis];
  bool keep = true;
  std::vector<int64_t> sizes;
  if (const Tensor* split = c.maybe(1)) {
    if (split->rank() == 0) {
      const int64_t each = split->as_i64(0);
      if (each < 1) fail("parts of {}", each);
      for (int64_t left = all; left > 0; left -= each) sizes.push_back(std::min(each, left));
    } else {
      sizes = read_ints(*split);
      int64_t sum = 0;
      for (const int64_t s : sizes) {
        if (s < 0) fail("negative size {}", s);
        sum = checked_add(sum, s);
      }
      if (sum != all) fail("sizes add up to {}, the axis has {}", sum, all);
    }
  } else {
    sizes.assign(static_cast<size_t>(all), 1);
    keep = c.attrs().i("keepdims", 1) != 0;
  }
  Units u(x.dtype);
  const Tensor from = u.enter(x);
  const auto strides = row_major(from.dims);
  Sequence items;
  int64_t offset = 0;
  for (const int64_t size : sizes) {
    std::vector<int64_t> dims = from.dims;
    dims[axis] = size;
    Tensor part = Tensor::uninitialized(from.dtype, dims);
    copy_strided(from.dtype, part.mutable_bytes().data(), from.bytes().data(),
                 {dims, row_major(dims), strides, 0, offset * strides[axis]});
    if (!keep) {
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
      part = part.reshaped(std::move(dims));
    }
    items.emplace_back(u.leave(std::move(part)));
    offset += size;
  }
  c.set(0, Datum::sequence(std::move(items), x.dtype));
}

// ---------------------------------------------------------------- optionals

// An optional's value at run time is its element, or an empty datum.
void infer_optional(InferCtx& c) {
  if (c.inputs() > 0 && c.type(0).known()) c.out(0, Type::optional(c.type(0)));
}
void eval_optional(EvalCtx& c) { c.set(0, c.datum(0)); }

void infer_get_element(InferCtx& c) {
  const Type& t = c.type(0);
  if (t.kind == Type::Kind::Optional && t.item)
    c.out(0, *t.item);
  else if (t.known() && t.kind != Type::Kind::Optional)
    c.out(0, t);
}
void eval_get_element(EvalCtx& c) {
  if (c.datum(0).empty()) fail("the optional is empty");
  c.set(0, c.datum(0));
}

void infer_has_element(InferCtx& c) { c.out(0, DType::Bool, Shape{}); }
void eval_has_element(EvalCtx& c) { c.set(0, Tensor::full(DType::Bool, {}, c.datum(0).empty() ? 0 : 1)); }

}  // namespace

void register_sequence(OpRegistry& r) {
  const auto exact = Exactness::bitwise;
  r.add({"", "ConcatFromSequence", infer_concat, eval_concat, exact});
  r.add({"", "Optional", infer_optional, eval_optional, exact});
  r.add({"", "OptionalGetElement", infer_get_element, eval_get_element, exact});
  r.add({"", "OptionalHasElement", infer_has_element, eval_has_element, exact});
  r.add({"", "SequenceAt", infer_at, eval_at, exact});
  r.add({"", "SequenceConstruct", infer_construct, eval_construct, exact});
  r.add({"", "SequenceEmpty", infer_empty, eval_empty, exact});
  r.add({"", "SequenceErase", infer_same_sequence, eval_erase, exact});
  r.add({"", "SequenceInsert", infer_same_sequence, eval_insert, exact});
  r.add({"", "SequenceLength", infer_length, eval_length, exact});
  r.add({"", "SplitToSequence", infer_split, eval_split, exact});
}

}  // namespace lathe
