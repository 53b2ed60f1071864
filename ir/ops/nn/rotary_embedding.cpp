// RotaryEmbedding (ai.onnx, opset 23 and newer).
#include "ir/base/parallel.h"
#include "ir/ops/nn/attention_inputs.h"
#include "ir/ops/nn/rotary.h"
#include "ir/ops/op_def.h"
#include "ir/ops/relations.h"
#include "ir/ops/tensor/args.h"

namespace lathe {

template <class T>
void rotate(const Rotation& n, Heads<const T> x, Heads<T> y, const T* cos, const T* sin,
            const std::function<int64_t(int64_t b, int64_t s)>& row_of) {
  const int64_t half = n.turned / 2, first = n.interleaved ? 2 : 1, second = n.interleaved ? 1 : half;
  parallel_for(n.batch * n.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / n.rows, s = i % n.rows;
      const int64_t angle = row_of(b, s) * half;
      for (int64_t h = 0; h < n.heads; ++h) {
        const T* from = x.at(b, h) + s * x.row;
        T* to = y.at(b, h) + s * y.row;
        for (int64_t j = 0; j < half; ++j) {
          const T p = from[j * first], q = from[j * first + second], u = cos[angle + j], v = sin[angle + j];
          to[j * first] = u * p - v * q;
          to[j * first + second] = v * p + u * q;
        }
        std::copy(from + n.turned, from + n.size, to + n.turned);
      }
    }
  });
}
template void rotate<float>(const Rotation&, Heads<const float>, Heads<float>, const float*, const float*,
                            const std::function<int64_t(int64_t, int64_t)>&);
template void rotate<double>(const Rotation&, Heads<const double>, Heads<double>, const double*,
                             const double*, const std::function<int64_t(int64_t, int64_t)>&);

namespace {

void infer_rotary_embedding(InferCtx& c) {
  const Shape* s = c.shape(0);
  // Without positions the caches hold a row for each place of each item of the batch.
  if (const Shape* cache = c.shape(1);
      s != nullptr && cache != nullptr && !c.has(3) && s->size() >= 3 && cache->size() == 3) {
    must_equal(c, (*s)[0], (*cache)[0]);
    must_equal(c, (*s)[s->size() - 2], (*cache)[1]);
  }
  c.out(0, c.dtype(0), s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_rotary_embedding(EvalCtx& c) {
  const Tensor &x = c.in(0), &cos = c.in(1), &sin = c.in(2);
  const Tensor* positions = c.maybe(3);
  Rotation n;
  n.interleaved = c.attrs().i("interleaved", 0) != 0;
  if (x.rank() == 4) {
    n = {x.dims[0], x.dims[1], x.dims[2], x.dims[3], 0, n.interleaved};
  } else if (x.rank() == 3) {
    const int64_t heads = c.attrs().i("num_heads", 0);
    if (heads < 1 || x.dims[2] % heads != 0) fail("{} features do not split in {} heads", x.dims[2], heads);
    n = {x.dims[0], heads, x.dims[1], x.dims[2] / heads, 0, n.interleaved};
  } else {
    fail("input of rank {}, not 3 or 4", x.rank());
  }
  n.turned = c.attrs().i("rotary_embedding_dim", 0);
  if (n.turned == 0) n.turned = n.size;
  if (n.turned < 0 || n.turned > n.size || n.turned % 2 != 0)
    fail("{} of {} features turn", n.turned, n.size);

  if (cos.dims != sin.dims || cos.rank() != (positions != nullptr ? 2 : 3) || cos.dims.back() != n.turned / 2)
    fail("the caches do not fit {} turned features", n.turned);
  std::vector<int64_t> rows;
  if (positions != nullptr) {
    if (positions->dims != std::vector<int64_t>{n.batch, n.rows})
      fail("position_ids do not fit batch and sequence");
    rows = read_ints(*positions);
    for (int64_t& r : rows) r = checked_index(r, cos.dims[0]);
  } else if (cos.dims[0] != n.batch || cos.dims[1] != n.rows) {
    fail("the caches do not fit batch and sequence");
  }
  const auto row_of = [&](int64_t b, int64_t s) {
    return positions != nullptr ? rows[static_cast<size_t>(b * n.rows + s)] : b * n.rows + s;
  };

  const DType t = float_compute_type({&x, &cos, &sin});
  with_float(t, [&]<class T>() {
    const Tensor wx = convert(x, t), wc = convert(cos, t), ws = convert(sin, t);
    Tensor y = Tensor::uninitialized(t, x.dims);
    const auto heads = [&]<class U>(U* data) {
      return x.rank() == 4 ? packed_heads<U>(data, n.heads, n.rows, n.size)
                           : interleaved_heads<U>(data, n.rows, n.size, n.heads * n.size);
    };
    rotate<T>(n, heads(wx.data<T>().data()), heads(y.mutable_data<T>().data()), wc.data<T>().data(),
              ws.data<T>().data(), row_of);
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_rotary_embedding(OpRegistry& r) {
  r.add({"", "RotaryEmbedding", infer_rotary_embedding, eval_rotary_embedding});
}

}  // namespace lathe
