// Gather, GatherElements, GatherND.
#include <algorithm>
#include <cstring>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"
#include "ir/ops/tensor/index_tuples.h"
#include "ir/ops/tensor/strided.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

constexpr int64_t kChunkBytes = 1 << 17;

// ---------------------------------------------------------------- Gather

void infer_gather(InferCtx& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr || indices == nullptr) return c.out(0, c.dtype(0));
  const auto axis = normalize_axis(c, c.attrs().i("axis", 0), static_cast<int64_t>(data->size()));
  Shape out(data->begin(), data->begin() + axis);
  out.insert(out.end(), indices->begin(), indices->end());
  out.insert(out.end(), data->begin() + axis + 1, data->end());
  if (data->size() == 1 && out.size() <= 1) {
    const auto v = c.value(0);
    const auto at = known_ints(c, 1);
    if (v && at) {
      const auto n = static_cast<int64_t>(v->size());
      Shape picked;
      for (const int64_t i : *at) {
        if (i < -n || i >= n) c.contradiction(fmt::format("index {} is out of range for size {}", i, n));
        picked.push_back((*v)[static_cast<size_t>(i < 0 ? i + n : i)]);
      }
      c.out_value(0, std::move(picked));
    }
  }
  c.out(0, c.dtype(0), std::move(out));
}

void eval_gather(EvalCtx& c) {
  const Tensor& data = c.raw(0);
  const Tensor& indices = c.raw(1);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), data.rank()));
  std::vector<int64_t> dims(data.dims.begin(), data.dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), data.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.dims.end());

  WorkVector<int64_t> index = read_indices(indices);
  const int64_t size = data.dims[axis];
  for (int64_t& i : index) i = checked_index(i, size);

  Units u(data.dtype);
  const Tensor from = u.enter(data);
  Tensor& y = u.out(c, 0, std::move(dims));
  const std::span<const int64_t> all = data.dims;
  const int64_t outer = element_count(all.first(axis)), inner = element_count(all.subspan(axis + 1));
  const int64_t run = inner * bit_width(from.dtype) / 8, picks = static_cast<int64_t>(index.size());
  if (y.count() > 0) {
    std::byte* to = y.mutable_bytes().data();
    const std::byte* base = from.bytes().data();
    parallel_for(outer * picks, std::max<int64_t>(1, kChunkBytes / std::max<int64_t>(run, 8)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t k = b; k < e; ++k) {
                     const int64_t row = (k / picks) * size + index[static_cast<size_t>(k % picks)];
                     std::memcpy(to + k * run, base + row * run, static_cast<size_t>(run));
                   }
                 });
  }
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- GatherElements

void infer_gather_elements(InferCtx& c) {
  const Shape* indices = c.shape(1);
  if (c.shape(0) != nullptr) normalize_axis(c, c.attrs().i("axis", 0), c.rank(0));
  c.out(0, c.dtype(0), indices != nullptr ? std::optional(*indices) : std::nullopt);
}

void eval_gather_elements(EvalCtx& c) {
  const Tensor& data = c.raw(0);
  const Tensor& indices = c.raw(1);
  if (indices.rank() != data.rank())
    fail("indices of rank {} for data of rank {}", indices.rank(), data.rank());
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", 0), data.rank()));
  for (size_t k = 0; k < data.dims.size(); ++k)
    if (k != axis && indices.dims[k] > data.dims[k])
      fail("axis {} of the indices has size {}, data has {}", k, indices.dims[k], data.dims[k]);
  const WorkVector<int64_t> index = read_indices(indices);
  Units u(data.dtype);
  const Tensor from = u.enter(data);
  Tensor& y = u.out(c, 0, indices.dims);
  auto strides = row_major(data.dims);
  const int64_t step = strides[axis], size = data.dims[axis];
  strides[axis] = 0;
  with_unit(from.dtype, [&]<class U>(U) {
    const U* base = units<U>(from);
    U* to = mutable_units<U>(y);
    for_each_offset(indices.dims, strides, [&](int64_t k, int64_t offset) {
      to[k] = base[offset + checked_index(index[static_cast<size_t>(k)], size) * step];
    });
  });
  u.finish(c, 0, y);
}

// ---------------------------------------------------------------- GatherND

void infer_gather_nd(InferCtx& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr || indices == nullptr || indices->empty() || !indices->back().is_const())
    return c.out(0, c.dtype(0));
  const int64_t depth = indices->back().value(), batch = c.attrs().i("batch_dims", 0);
  const auto rank = static_cast<int64_t>(data->size());
  if (batch < 0 || depth < 1 || batch >= static_cast<int64_t>(indices->size()) || batch > rank ||
      depth > rank - batch)
    c.contradiction(fmt::format("indices of depth {} for rank {} with {} batch dims", depth, rank, batch));
  Shape out(indices->begin(), indices->end() - 1);
  out.insert(out.end(), data->begin() + batch + depth, data->end());
  c.out(0, c.dtype(0), std::move(out));
}

void eval_gather_nd(EvalCtx& c) {
  const Tensor& data = c.raw(0);
  const Tensor& indices = c.raw(1);
  const int64_t batch = c.attrs().i("batch_dims", 0);
  const IndexTuples tuples(data, indices, batch);
  std::vector<int64_t> dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.insert(dims.end(), data.dims.begin() + batch + tuples.depth, data.dims.end());
  Units u(data.dtype);
  const Tensor from = u.enter(data);
  Tensor& y = u.out(c, 0, std::move(dims));
  const int64_t unit = bit_width(from.dtype) / 8, run = tuples.inner * unit;
  if (y.count() > 0)
    for (size_t k = 0; k < tuples.offsets.size(); ++k)
      std::memcpy(y.mutable_bytes().data() + static_cast<int64_t>(k) * run,
                  from.bytes().data() + tuples.offsets[k] * unit, static_cast<size_t>(run));
  u.finish(c, 0, y);
}

}  // namespace

IndexTuples::IndexTuples(const Tensor& data, const Tensor& indices, int64_t batch) {
  const int64_t rank = data.rank();
  if (indices.rank() < 1) fail("indices must have rank 1 at least");
  depth = indices.dims.back();
  if (batch < 0 || batch >= indices.rank() || batch > rank || depth < 1 || depth > rank - batch)
    fail("indices of depth {} for rank {} with {} batch dims", depth, rank, batch);
  const auto b = static_cast<size_t>(batch);
  for (size_t k = 0; k < b; ++k)
    if (indices.dims[k] != data.dims[k])
      fail("batch axis {} has sizes {} and {}", k, data.dims[k], indices.dims[k]);
  const auto strides = row_major(data.dims);
  const std::span<const int64_t> in = indices.dims, of = data.dims;
  inner = element_count(of.subspan(b + static_cast<size_t>(depth)));
  const int64_t batches = element_count(in.first(b)), each = element_count(in.subspan(b, in.size() - 1 - b));
  const int64_t block = b == 0 ? 0 : strides[b - 1];
  const WorkVector<int64_t> index = read_indices(indices);
  offsets.reserve(static_cast<size_t>(checked_mul(batches, each)));
  size_t at = 0;
  for (int64_t n = 0; n < batches; ++n) {
    for (int64_t k = 0; k < each; ++k) {
      int64_t offset = n * block;
      for (size_t d = 0; d < static_cast<size_t>(depth); ++d)
        offset += checked_index(index[at++], of[b + d]) * strides[b + d];
      offsets.push_back(offset);
    }
  }
}

WorkVector<int64_t> read_indices(const Tensor& t) {
  if (!is_integer(t.dtype)) fail("integers are needed here, not {}", onnx_name(t.dtype));
  WorkVector<int64_t> out(static_cast<size_t>(t.count()));
  if (t.dtype == DType::I64 && !out.empty())
    std::memcpy(out.data(), t.bytes().data(), t.byte_size());
  else
    for (size_t i = 0; i < out.size(); ++i) out[i] = t.as_i64(static_cast<int64_t>(i));
  return out;
}

void register_gather(OpRegistry& r) {
  r.add({"", "Gather", infer_gather, eval_gather, Exactness::bitwise});
  r.add({"", "GatherElements", infer_gather_elements, eval_gather_elements, Exactness::bitwise});
  r.add({"", "GatherND", infer_gather_nd, eval_gather_nd, Exactness::bitwise});
}

}  // namespace lathe
