// RotaryEmbedding (com.microsoft): position ids come before the caches, and a single one is an offset.
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/nn/rotary.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

void eval_contrib_rotary(EvalCtx& c) {
  const Tensor &x = c.in(0), &positions = c.in(1), &cos = c.in(2), &sin = c.in(3);
  const Attrs& a = c.attrs();
  if (a.i("is_packed_batching", 0) != 0) fail("packed batches are not supported here");
  if (cos.rank() != 2 || cos.dims != sin.dims) fail("the caches must be matrices of one shape");
  const int64_t heads = a.i("num_heads", 0);
  const int64_t partial = a.i("rotary_embedding_dim", 0);
  if (heads < 0 || partial < 0 || (partial > 0 && heads < 1)) fail("a partial rotation needs num_heads");
  Rotation n;
  if (x.rank() == 4) {
    n = {x.dims[0], x.dims[1], x.dims[2], x.dims[3]};
  } else if (x.rank() == 3) {
    // Without num_heads a head is as wide as the caches say.
    const int64_t size = heads > 0 ? x.dims[2] / heads : checked_mul(2, cos.dims[1]);
    if (size < 1 || x.dims[2] % size != 0) fail("{} features do not split in heads of {}", x.dims[2], size);
    n = {x.dims[0], x.dims[2] / size, x.dims[1], size};
  } else {
    fail("input of rank {}, not 3 or 4", x.rank());
  }
  n.turned = partial > 0 ? partial : n.size;
  n.interleaved = a.i("interleaved", 0) != 0;
  if (n.turned > n.size || n.turned % 2 != 0 || cos.dims[1] != n.turned / 2)
    fail("the caches do not fit {} turned features of {}", n.turned, n.size);
  std::vector<int64_t> rows = read_ints(positions);
  const bool offset = rows.size() == 1 && positions.rank() <= 1;
  if (!offset && static_cast<int64_t>(rows.size()) != n.batch * n.rows) fail("{} position ids", rows.size());
  const auto row_of = [&](int64_t b, int64_t s) {
    const int64_t p = offset ? checked_add(rows[0], s) : rows[static_cast<size_t>(b * n.rows + s)];
    if (p < 0 || p >= cos.dims[0]) fail("position {} is out of range for a cache of {}", p, cos.dims[0]);
    return p;
  };
  const DType t = float_compute_type({&x, &cos, &sin});
  with_float(t, [&]<class T>() {
    const Tensor wx = convert(x, t), wc = convert(cos, t), ws = convert(sin, t);
    Tensor y = Tensor::uninitialized(t, x.dims);
    const auto view = [&]<class U>(U* data) {
      return x.rank() == 4 ? packed_heads<U>(data, n.heads, n.rows, n.size)
                           : interleaved_heads<U>(data, n.rows, n.size, n.heads * n.size);
    };
    rotate<T>(n, view(wx.data<T>().data()), view(y.mutable_data<T>().data()), wc.data<T>().data(),
              ws.data<T>().data(), row_of);
    set_rounded(c, 0, y, x.dtype);
  });
}

}  // namespace

void register_contrib_rotary_embedding(OpRegistry& r) {
  r.add({kMicrosoft, "RotaryEmbedding", infer_like_first, eval_contrib_rotary});
}

}  // namespace lathe
