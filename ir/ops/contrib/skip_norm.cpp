// SkipLayerNormalization, SkipSimplifiedLayerNormalization, EmbedLayerNormalization (com.microsoft) and
// SimplifiedLayerNormalization (which onnxruntime keeps in the default domain too).
#include <algorithm>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/layer_norm.h"
#include "ir/ops/op_def.h"
#include "ir/ops/row_math.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

void check_vector(const Tensor* t, int64_t width, const char* name) {
  if (t != nullptr && t->count() != width) fail("{} has {} elements, not {}", name, t->count(), width);
}

Tensor widened(const Tensor* t, DType to) { return t != nullptr ? convert(*t, to) : Tensor(); }
template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>().data() : nullptr;
}

// ---------------------------------------------------------------- x + skip + bias, normalised

void infer_skip(InferCtx& c) {
  infer_like_first(c);
  const Shape* s = c.shape(0);
  std::optional<Shape> moments = s != nullptr && !s->empty() ? std::optional(*s) : std::nullopt;
  if (moments) moments->back() = 1;
  c.out(1, DType::F32, moments);
  c.out(2, DType::F32, moments);
  c.out(3, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

// The layer norm takes beta at input 3 and bias at 4, the simplified one bias at 3.
void eval_skip(EvalCtx& c, bool centered) {
  const Tensor &x = c.in(0), &skip = c.in(1), &gamma = c.in(2);
  const Tensor *beta = centered ? c.maybe(3) : nullptr, *bias = c.maybe(centered ? 4 : 3);
  if (x.rank() < 2) fail("input of rank {}", x.rank());
  const int64_t width = x.dims.back(), rows = width == 0 ? 0 : x.count() / width;
  check_vector(&gamma, width, "gamma");
  check_vector(beta, width, "beta");
  check_vector(bias, width, "bias");
  // skip has the shape of x, or repeats over the batch.
  if (skip.rank() < 1 || skip.dims.back() != width || skip.count() == 0 ? x.count() != 0
                                                                        : x.count() % skip.count() != 0)
    fail("skip does not fit the input");

  const DType t = float_compute_type({&x, &skip, &gamma, beta, bias});
  with_float(t, [&]<class T>() {
    const Tensor wx = convert(x, t), ws = convert(skip, t), wi = widened(bias, t);
    Tensor sum = Tensor::uninitialized(t, x.dims);
    const int64_t period = width == 0 ? 0 : skip.count() / width;
    const T *px = wx.data<T>().data(), *ps = ws.data<T>().data(), *pi = data_or_null<T>(wi);
    T* total = sum.mutable_data<T>().data();
    parallel_for(rows, rows_per_chunk(width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T *from = px + r * width, *add = ps + r % period * width;
        T* row = total + r * width;
        for (int64_t i = 0; i < width; ++i) row[i] = from[i] + add[i];
        if (pi != nullptr)
          for (int64_t i = 0; i < width; ++i) row[i] += pi[i];
      }
    });
    LayerNormParams p;
    p.axis = x.dims.size() - 1;
    p.epsilon = c.attrs().f("epsilon", 1e-12f);
    p.centered = centered;
    p.scale = &gamma;
    p.bias = beta;
    std::vector<int64_t> moments = x.dims;
    moments.back() = 1;
    Tensor y = Tensor::uninitialized(t, x.dims), mean = Tensor::uninitialized(t, moments),
           inverse = Tensor::uninitialized(t, moments);
    layer_norm(sum, p, y, &mean, &inverse);
    set_rounded(c, 0, y, x.dtype);
    set_rounded(c, 1, mean, DType::F32);
    set_rounded(c, 2, inverse, DType::F32);
    set_rounded(c, 3, sum, x.dtype);
  });
}

// ---------------------------------------------------------------- SimplifiedLayerNormalization

void infer_simplified(InferCtx& c) {
  const Shape* s = c.shape(0);
  c.out(0, c.dtype(1) != DType::Undefined ? c.dtype(1) : c.dtype(0),
        s != nullptr ? std::optional(*s) : std::nullopt);
  if (s == nullptr) return c.out(1, DType::F32);
  Shape moments = *s;
  const auto axis = normalize_axis(c, c.attrs().i("axis", -1), static_cast<int64_t>(s->size()));
  std::fill(moments.begin() + axis, moments.end(), Dim(1));
  c.out(1, DType::F32, std::move(moments));
}

void eval_simplified(EvalCtx& c) {
  const Tensor &x = c.in(0), &gamma = c.in(1);
  const auto axis = static_cast<size_t>(normalize_axis(c.attrs().i("axis", -1), x.rank()));
  const std::span<const int64_t> dims = x.dims;
  const int64_t width = element_count(dims.subspan(axis));
  check_vector(&gamma, width, "scale");
  const DType t = float_compute_type({&x, &gamma});
  LayerNormParams p;
  p.axis = axis;
  p.epsilon = c.attrs().f("epsilon", 1e-5f);
  p.centered = false;
  p.scale = &gamma;
  std::vector<int64_t> moments = x.dims;
  std::fill(moments.begin() + static_cast<std::ptrdiff_t>(axis), moments.end(), 1);
  Tensor y = Tensor::uninitialized(t, x.dims), inverse = Tensor::uninitialized(t, moments);
  layer_norm(convert(x, t), p, y, nullptr, &inverse);
  set_rounded(c, 0, y, gamma.dtype);
  set_rounded(c, 1, inverse, DType::F32);
}

// ---------------------------------------------------------------- EmbedLayerNormalization

void infer_embed(InferCtx& c) {
  const Shape *ids = c.shape(0), *words = c.shape(2);
  const Dim batch = ids != nullptr && ids->size() == 2 ? (*ids)[0] : Dim::unknown(),
            length = ids != nullptr && ids->size() == 2 ? (*ids)[1] : Dim::unknown(),
            width = words != nullptr && words->size() == 2 ? (*words)[1] : Dim::unknown();
  c.out(0, c.dtype(2), Shape{batch, length, width});
  c.out(1, DType::I32, Shape{batch});
  c.out(2, c.dtype(2), Shape{batch, length, width});
}

void eval_embed(EvalCtx& c) {
  const Tensor &ids = c.in(0), &words = c.in(2), &positions = c.in(3), &gamma = c.in(5), &beta = c.in(6);
  const Tensor *segment_ids = c.maybe(1), *segments = c.maybe(4), *mask = c.maybe(7),
               *position_ids = c.maybe(8);
  if (ids.rank() != 2 || words.rank() != 2 || positions.rank() != 2 || positions.dims[1] != words.dims[1])
    fail("ids and embeddings must be matrices of one width");
  if ((segment_ids == nullptr) != (segments == nullptr)) fail("segment ids and embedding belong together");
  if (segments != nullptr &&
      (segments->rank() != 2 || segments->dims[1] != words.dims[1] || segment_ids->dims != ids.dims))
    fail("segments do not fit");
  const int64_t batch = ids.dims[0], length = ids.dims[1], width = words.dims[1];
  check_vector(&gamma, width, "gamma");
  check_vector(&beta, width, "beta");
  if (mask != nullptr && mask->dims != ids.dims) fail("the mask does not fit the ids");
  if (position_ids != nullptr && (position_ids->rank() != 2 || position_ids->dims[1] != length ||
                                  (position_ids->dims[0] != batch && position_ids->dims[0] != 1)))
    fail("position ids do not fit the ids");
  const auto word_at = read_ints(ids),
             segment_at = segment_ids != nullptr ? read_ints(*segment_ids) : std::vector<int64_t>(),
             place_at = position_ids != nullptr ? read_ints(*position_ids) : std::vector<int64_t>();
  const auto in_table = [](int64_t i, const Tensor& table) {
    if (i < 0 || i >= table.dims[0]) fail("id {} is out of range for an embedding of {}", i, table.dims[0]);
    return i;
  };

  const DType t = float_compute_type({&words, &positions, segments, &gamma, &beta});
  with_float(t, [&]<class T>() {
    const Tensor ww = convert(words, t), wp = convert(positions, t), ws = widened(segments, t);
    Tensor sum = Tensor::uninitialized(t, {batch, length, width});
    T* total = sum.mutable_data<T>().data();
    parallel_for(batch * length, rows_per_chunk(width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const auto at = static_cast<size_t>(r), in_row = static_cast<size_t>(r % length);
        const int64_t place =
            place_at.empty() ? r % length : place_at[place_at.size() == word_at.size() ? at : in_row];
        const T *w = ww.data<T>().data() + in_table(word_at[at], words) * width,
                *p = wp.data<T>().data() + in_table(place, positions) * width;
        T* row = total + r * width;
        for (int64_t i = 0; i < width; ++i) row[i] = w[i] + p[i];
        if (segments == nullptr) continue;
        const T* s = ws.data<T>().data() + in_table(segment_at[at], *segments) * width;
        for (int64_t i = 0; i < width; ++i) row[i] += s[i];
      }
    });
    LayerNormParams p;
    p.axis = 2;
    p.epsilon = c.attrs().f("epsilon", 1e-12f);
    p.scale = &gamma;
    p.bias = &beta;
    Tensor y = Tensor::uninitialized(t, sum.dims);
    layer_norm(sum, p, y, nullptr, nullptr);
    set_rounded(c, 0, y, words.dtype);
    set_rounded(c, 2, sum, words.dtype);
  });
  if (!c.wants(1)) return;
  Tensor count = Tensor::make(DType::I32, {batch});
  if (mask != nullptr) {
    const auto m = read_ints(*mask);
    for (int64_t b = 0; b < batch; ++b)
      count.mutable_data<int32_t>()[static_cast<size_t>(b)] =
          static_cast<int32_t>(std::count(m.begin() + b * length, m.begin() + (b + 1) * length, 1));
  }
  c.set(1, std::move(count));
}

}  // namespace

void register_contrib_skip_norm(OpRegistry& r) {
  r.add({kMicrosoft, "EmbedLayerNormalization", infer_embed, eval_embed});
  r.add({"", "SimplifiedLayerNormalization", infer_simplified, eval_simplified});
  r.add({kMicrosoft, "SimplifiedLayerNormalization", infer_simplified, eval_simplified});
  r.add({kMicrosoft, "SkipLayerNormalization", infer_skip, [](EvalCtx& c) { eval_skip(c, true); }});
  r.add(
      {kMicrosoft, "SkipSimplifiedLayerNormalization", infer_skip, [](EvalCtx& c) { eval_skip(c, false); }});
}

}  // namespace lathe
