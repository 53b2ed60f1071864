// Ops that only rename dims: Reshape, Flatten, Squeeze, Unsqueeze, Identity. Their kernels share the input's
// bytes.
#include <algorithm>

#include "ir/ops/op_def.h"
#include "ir/ops/relations.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

void pass_value_if_small(InferCtx& c, const Shape& out) {
  if (out.size() <= 1) pass_value(c, 0);
}

// ---------------------------------------------------------------- Reshape

// A lone unknown in the requested shape may turn out as -1, unless it is known to be the size of something.
bool may_be_minus_one(const Dim& d, const Shape* data) {
  return d.is_unknown() && (data == nullptr || std::find(data->begin(), data->end(), d) == data->end());
}

void infer_reshape(InferCtx& c) {
  const auto want = c.value(1);
  if (!want) {
    const auto n = known_length(c, 1);
    return n && *n <= 64 ? c.out(0, c.dtype(0), unknown_shape(*n)) : c.out(0, c.dtype(0));
  }
  const Shape* data = c.shape(0);
  const bool allow_zero = c.attrs().i("allowzero", 0) != 0;
  Shape out;
  int64_t inferred = -1;
  bool certain = data != nullptr;
  for (size_t i = 0; i < want->size(); ++i) {
    const Dim d = (*want)[i];
    if (d.is_const(0) && !allow_zero) {
      if (data != nullptr && i >= data->size()) c.contradiction("shape copies a dim that the input has not");
      out.push_back(data != nullptr ? (*data)[i] : Dim::unknown());
    } else if (d.is_const(-1)) {
      if (inferred >= 0) c.contradiction("more than one -1 in the shape");
      inferred = static_cast<int64_t>(i);
      out.push_back(Dim(1));
    } else if (d.is_const() && d.value() < 0) {
      c.contradiction(fmt::format("negative size {} in the shape", d.value()));
    } else {
      out.push_back(d);
    }
  }
  for (Dim& d : out) {
    if (inferred < 0 && may_be_minus_one(d, data)) {
      d = Dim::unknown();
      certain = false;
    }
  }
  if (inferred >= 0) {
    Dim rest = Dim::unknown();
    if (certain) {
      const Dim all = product(*data), known = product(out);
      if (all.is_const() && known.is_const()) {
        if (known.value() == 0 ? all.value() != 0 : all.value() % known.value() != 0)
          c.contradiction(fmt::format("{} elements do not fill the shape {}", all.str(), to_string(*want)));
        rest = known.value() == 0 ? Dim(0) : Dim(all.value() / known.value());
      } else if (const auto exact = Dim::exact_div(all, known)) {
        rest = *exact;
      } else {
        rest = Dim::floor_div(all, known);
      }
    }
    out[static_cast<size_t>(inferred)] = rest;
  } else if (certain) {
    const Dim all = product(*data), made = product(out);
    must_equal(c, all, made);
    if (all.is_const() && made.is_const() && !(all == made))
      c.contradiction(fmt::format("{} elements do not fill the shape {}", all.str(), to_string(out)));
  }
  pass_value_if_small(c, out);
  c.out(0, c.dtype(0), std::move(out));
}

void eval_reshape(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  std::vector<int64_t> dims = c.raw(1).to_i64();
  const bool allow_zero = c.attrs().i("allowzero", 0) != 0;
  int64_t known = 1, inferred = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !allow_zero) {
      if (i >= x.dims.size()) fail("shape copies dim {}, the input has rank {}", i, x.rank());
      dims[i] = x.dims[i];
    }
    if (dims[i] == -1) {
      if (inferred >= 0) fail("more than one -1 in the shape");
      inferred = static_cast<int64_t>(i);
    } else {
      if (dims[i] < 0) fail("negative size {} in the shape", dims[i]);
      known = checked_mul(known, dims[i]);
    }
  }
  if (inferred >= 0) {
    const int64_t all = x.count();
    if (known == 0 ? all != 0 : all % known != 0) fail("{} elements do not fill the shape", all);
    dims[static_cast<size_t>(inferred)] = known == 0 ? 0 : all / known;
  }
  c.set(0, share(x, std::move(dims)));
}

// ---------------------------------------------------------------- Flatten

void infer_flatten(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0), unknown_shape(2));
  const auto rank = static_cast<int64_t>(s->size());
  int64_t axis = c.attrs().i("axis", 1);
  if (axis != rank) axis = normalize_axis(c, axis, rank);
  const auto cut = s->begin() + axis;
  c.out(0, c.dtype(0), Shape{product(Shape(s->begin(), cut)), product(Shape(cut, s->end()))});
}

void eval_flatten(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  int64_t axis = c.attrs().i("axis", 1);
  if (axis != x.rank()) axis = normalize_axis(axis, x.rank());
  const std::span<const int64_t> dims = x.dims;
  c.set(0, share(x, {element_count(dims.first(static_cast<size_t>(axis))),
                     element_count(dims.subspan(static_cast<size_t>(axis)))}));
}

// ---------------------------------------------------------------- Squeeze, Unsqueeze

void infer_squeeze(InferCtx& c) {
  const Shape* s = c.shape(0);
  const auto axes = c.has(1) ? known_ints(c, 1) : std::nullopt;
  if (c.has(1) && !axes) {
    const auto n = known_length(c, 1);
    if (s != nullptr && n && *n <= static_cast<int64_t>(s->size()))
      return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(s->size()) - *n));
    return c.out(0, c.dtype(0));
  }
  if (s == nullptr) return c.out(0, c.dtype(0));
  Shape out;
  if (axes) {
    const auto drop = normalize_axes(c, *axes, static_cast<int64_t>(s->size()));
    for (size_t i = 0; i < s->size(); ++i) {
      if (!std::binary_search(drop.begin(), drop.end(), static_cast<int64_t>(i))) {
        out.push_back((*s)[i]);
      } else if ((*s)[i].is_const() && !(*s)[i].is_const(1)) {
        c.contradiction(fmt::format("axis {} has size {}, not 1", i, (*s)[i].str()));
      } else {
        must_equal(c, (*s)[i], Dim(1));
      }
    }
  } else {
    for (const Dim& d : *s) {
      if (!d.is_const()) return c.out(0, c.dtype(0));  // it may be 1 at run time
      if (!d.is_const(1)) out.push_back(d);
    }
  }
  pass_value_if_small(c, out);
  c.out(0, c.dtype(0), std::move(out));
}

void eval_squeeze(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  std::vector<int64_t> dims;
  if (const Tensor* a = c.maybe(1)) {
    const auto drop = axes_in(a->to_i64(), x.rank());
    for (size_t i = 0; i < x.dims.size(); ++i) {
      if (!std::binary_search(drop.begin(), drop.end(), static_cast<int64_t>(i))) {
        dims.push_back(x.dims[i]);
      } else if (x.dims[i] != 1) {
        fail("axis {} has size {}, not 1", i, x.dims[i]);
      }
    }
  } else {
    std::copy_if(x.dims.begin(), x.dims.end(), std::back_inserter(dims), [](int64_t d) { return d != 1; });
  }
  c.set(0, share(x, std::move(dims)));
}

template <class D>
std::vector<D> insert_ones(const std::vector<D>& dims, const std::vector<int64_t>& axes) {
  std::vector<D> out;
  size_t from = 0;
  for (size_t i = 0; i < dims.size() + axes.size(); ++i) {
    const bool one = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
    out.push_back(one ? D(1) : dims[from++]);
  }
  return out;
}

void infer_unsqueeze(InferCtx& c) {
  const Shape* s = c.shape(0);
  const auto axes = known_ints(c, 1);
  if (s == nullptr || !axes) {
    const auto n = known_length(c, 1);
    if (s != nullptr && n && *n <= 64)
      return c.out(0, c.dtype(0), unknown_shape(static_cast<int64_t>(s->size()) + *n));
    return c.out(0, c.dtype(0));
  }
  Shape out = insert_ones(*s, normalize_axes(c, *axes, static_cast<int64_t>(s->size() + axes->size())));
  pass_value_if_small(c, out);
  c.out(0, c.dtype(0), std::move(out));
}

void eval_unsqueeze(EvalCtx& c) {
  const Tensor& x = c.raw(0);
  const auto axes = c.raw(1).to_i64();
  c.set(0, share(x, insert_ones(x.dims, axes_in(axes, x.rank() + static_cast<int64_t>(axes.size())))));
}

// ---------------------------------------------------------------- Identity

void infer_identity(InferCtx& c) {
  pass_value(c, 0);
  if (c.type(0).known()) c.out(0, c.type(0));
}

void eval_identity(EvalCtx& c) {
  const Tensor* t = c.datum(0).tensor();
  c.set(0, t != nullptr ? Datum(share(*t, t->dims)) : c.datum(0));
}

}  // namespace

void register_reshape(OpRegistry& r) {
  const auto exact = Exactness::bitwise;
  r.add({"", "Flatten", infer_flatten, eval_flatten, exact});
  r.add({"", "Identity", infer_identity, eval_identity, exact});
  r.add({"", "Reshape", infer_reshape, eval_reshape, exact});
  r.add({"", "Squeeze", infer_squeeze, eval_squeeze, exact});
  r.add({"", "Unsqueeze", infer_unsqueeze, eval_unsqueeze, exact});
}

}  // namespace lathe
