// RelativePositionBias (Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
// Transformer") and GatedRelativePositionBias (Chen et al., "WavLM") of com.microsoft.
#include <cmath>

#include "ir/ops/contrib/shapes.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// ---------------------------------------------------------------- RelativePositionBias

void infer_bias(InferCtx& c) {
  const Shape* table = c.shape(0);
  const auto length = [&](size_t i) {
    const auto v = c.value(i);
    return v && v->size() == 1 ? (*v)[0] : Dim::unknown();
  };
  c.out(
      0, c.dtype(0),
      Shape{1, table != nullptr && table->size() == 2 ? (*table)[1] : Dim::unknown(), length(1), length(2)});
}

struct Buckets {
  int64_t count = 0, max_distance = 0;
  bool both_ways = false;

  // Near positions have a bucket each, far ones share buckets that widen with the logarithm of the distance.
  int64_t of(int64_t distance) const {
    const int64_t n = both_ways ? count / 2 : count, exact = n / 2;
    const int64_t first = both_ways && distance > 0 ? n : 0, far = std::abs(distance);
    if (far < exact) return first + far;
    const float share = std::log(static_cast<float>(far) / static_cast<float>(exact)) /
                        std::log(static_cast<float>(max_distance) / static_cast<float>(exact));
    const float place = std::min(share * static_cast<float>(n - exact), static_cast<float>(n));
    return first + std::min(exact + static_cast<int64_t>(place), n - 1);
  }
};

int64_t length_at(EvalCtx& c, size_t i) {
  const auto v = read_ints(c.in(i));
  if (v.size() != 1 || v[0] < 0) fail("a length of {} values, or below zero", v.size());
  return v[0];
}

void eval_bias(EvalCtx& c) {
  const Tensor& table = c.in(0);
  if (table.rank() != 2) fail("the table has rank {}, not 2", table.rank());
  const Buckets b{table.dims[0], c.attrs().i("max_distance", 0), c.attrs().i("is_bidirectional", 0) != 0};
  const int64_t heads = table.dims[1], queries = length_at(c, 1), keys = length_at(c, 2);
  if (b.count < (b.both_ways ? 4 : 2) || b.max_distance <= b.count)
    fail("{} buckets for a distance of {}", b.count, b.max_distance);
  const Tensor wt = convert(table, DType::F64);
  Tensor y = Tensor::uninitialized(DType::F64, {1, heads, queries, keys});
  double* to = y.mutable_data<double>().data();
  // The table's elements lie head by head, whatever its dims say.
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t q = 0; q < queries; ++q)
      for (int64_t k = 0; k < keys; ++k)
        *to++ = wt.data<double>()[static_cast<size_t>(h * b.count + b.of(k - q))];
  set_rounded(c, 0, y, table.dtype);
}

// ---------------------------------------------------------------- GatedRelativePositionBias

enum Input { kQuery, kQueryBias, kPositions, kWeight, kBias, kGate, kOffsets };

void infer_gated(InferCtx& c) {
  const Shape *query = c.shape(kQuery), *positions = c.shape(kPositions), *offsets = c.shape(kOffsets);
  Shape out = unknown_shape(4);
  if (!c.has(kOffsets) && query != nullptr && !query->empty()) out[0] = (*query)[0];
  if (offsets != nullptr && !offsets->empty()) out[0] = (*offsets)[0];
  if (positions != nullptr && positions->size() == 4)
    for (size_t i = 1; i < 4; ++i) out[i] = (*positions)[i];
  c.out(0, c.dtype(kQuery), std::move(out));
}

// Rows of queries by (batch, place); -1: padding, which has a query of zeros.
std::vector<int64_t> query_rows(EvalCtx& c, int64_t& batch, int64_t length) {
  const Tensor& query = c.in(kQuery);
  std::vector<int64_t> rows;
  if (const Tensor* offsets = c.maybe(kOffsets)) {  // packed: the k-th token stands at offsets[k]
    if (offsets->rank() != 2 || offsets->dims[1] != length || query.rank() != 2)
      fail("token offsets need queries without padding and [batch, length]");
    batch = offsets->dims[0];
    rows.assign(static_cast<size_t>(checked_mul(batch, length)), -1);
    const auto at = read_ints(*offsets);
    if (query.dims[0] > static_cast<int64_t>(at.size()))
      fail("{} tokens in {} places", query.dims[0], at.size());
    for (int64_t k = 0; k < query.dims[0]; ++k)
      rows[static_cast<size_t>(checked_index(at[static_cast<size_t>(k)], batch * length))] = k;
    return rows;
  }
  if (query.rank() != 3 || query.dims[1] != length) fail("queries do not fit {} positions", length);
  batch = query.dims[0];
  for (int64_t i = 0; i < batch * length; ++i) rows.push_back(i);
  return rows;
}

template <class T>
void run_gated(EvalCtx& c) {
  const DType t = dtype_of<T>;
  const Tensor &query = c.in(kQuery), &positions = c.in(kPositions), &weight = c.in(kWeight);
  const int64_t heads = c.attrs().i("num_heads", 0);
  if (heads < 1 || query.rank() < 2 || query.dims.back() % heads != 0) fail("queries in {} heads", heads);
  const int64_t width = query.dims.back(), size = width / heads;
  if (positions.rank() != 4 || positions.dims[0] != 1 || positions.dims[1] != heads ||
      positions.dims[2] != positions.dims[3])
    fail("rel_pos is not [1, {}, length, length]", heads);
  const int64_t length = positions.dims[2];
  if (weight.rank() != 2 || weight.dims[0] != size || weight.dims[1] % 2 != 0 || weight.dims[1] == 0)
    fail("the weight is not [{}, an even number]", size);
  const int64_t features = weight.dims[1];
  if (c.in(kQueryBias).count() != width || c.in(kBias).count() != features || c.in(kGate).count() != heads)
    fail("the biases or eco_a do not fit");
  int64_t batch = 0;
  const auto rows = query_rows(c, batch, length);

  const Tensor wq = convert(query, t), wqb = convert(c.in(kQueryBias), t), wp = convert(positions, t),
               ww = convert(weight, t), wb = convert(c.in(kBias), t), wg = convert(c.in(kGate), t);
  std::vector<T> x(static_cast<size_t>(size)), projected(static_cast<size_t>(features));
  Tensor y = Tensor::uninitialized(t, {batch, heads, length, length});
  T* to = y.mutable_data<T>().data();
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t s = 0; s < length; ++s, to += length) {
        const int64_t row = rows[static_cast<size_t>(b * length + s)];
        for (int64_t i = 0; i < size; ++i) {
          const T q = row < 0 ? T(0) : wq.data<T>()[static_cast<size_t>(row * width + h * size + i)];
          x[static_cast<size_t>(i)] = q + wqb.data<T>()[static_cast<size_t>(h * size + i)];
        }
        std::copy_n(wb.data<T>().data(), features, projected.data());
        gemm_serial(Gemm<T>{false, false, 1, features, size, 1, 1, size, features, features}, x.data(),
                    ww.data<T>().data(), projected.data());
        // Each half of the features is summed to one gate.
        T gate[2] = {0, 0};
        for (int64_t i = 0; i < features; ++i) gate[i / (features / 2)] += projected[static_cast<size_t>(i)];
        for (T& g : gate) g = T(1) / (T(1) + std::exp(-g));
        const T factor = gate[0] * (gate[1] * wg.data<T>()[static_cast<size_t>(h)] - T(1)) + T(2);
        for (int64_t k = 0; k < length; ++k)
          to[k] = factor * wp.data<T>()[static_cast<size_t>((h * length + s) * length + k)];
      }
  set_rounded(c, 0, y, query.dtype);
}

void eval_gated(EvalCtx& c) {
  with_float(float_compute_type({&c.in(kQuery), &c.in(kPositions), &c.in(kWeight), &c.in(kGate)}),
             [&]<class T>() { run_gated<T>(c); });
}

}  // namespace

void register_contrib_relative_position_bias(OpRegistry& r) {
  r.add({kMicrosoft, "GatedRelativePositionBias", infer_gated, eval_gated});
  r.add({kMicrosoft, "RelativePositionBias", infer_bias, eval_bias});
}

}  // namespace lathe
