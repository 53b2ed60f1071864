// MatMulNBits (com.microsoft): a product with weights of 2, 4 or 8 bits, dequantized in pieces.
// accuracy_level asks for less precision than this kernel has, and is ignored.
#include <algorithm>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/contrib/nbits.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/math/gemm_kernel.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

void infer_matmul_nbits(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, c.dtype(0));
  if (s->empty()) c.contradiction("a scalar operand");
  Shape out = *s;
  out.back() = c.attrs().i("N", 0);
  c.out(0, c.dtype(0), std::move(out));
}

struct Weights {
  int64_t n = 0, k = 0, block = 0, blocks = 0;
  int bits = 4;
  const uint8_t* codes = nullptr;  // [n, blocks, block * bits / 8]
  const uint8_t* zeros = nullptr;  // [n, ceil(blocks * bits / 8)] or null
  std::vector<int64_t> group;      // by k; empty: k / block
  int64_t row_bytes() const { return blocks * block * bits / 8; }
  int64_t zero_bytes() const { return (blocks * bits + 7) / 8; }
};

Weights weights_of(EvalCtx& c) {
  Weights w;
  w.n = c.attrs().i("N", 0);
  w.k = c.attrs().i("K", 0);
  w.block = c.attrs().i("block_size", 0);
  const int64_t bits = c.attrs().i("bits", 4);
  check_nbits(bits, w.block);
  w.bits = static_cast<int>(bits);
  if (w.n < 1 || w.k < 1 || w.k > (int64_t{1} << 40)) fail("a weight of {} x {}", w.k, w.n);
  w.blocks = (w.k + w.block - 1) / w.block;
  const Tensor& b = c.in(1);
  if (b.dtype != DType::U8 || static_cast<int64_t>(b.byte_size()) != checked_mul(w.n, w.row_bytes()))
    fail("B holds {} bytes, {} x {} in blocks of {} need {}", b.byte_size(), w.k, w.n, w.block,
         checked_mul(w.n, w.row_bytes()));
  w.codes = b.data<uint8_t>().data();
  if (c.in(2).count() != checked_mul(w.n, w.blocks))
    fail("{} scales, not {}", c.in(2).count(), w.n * w.blocks);
  if (const Tensor* z = c.maybe(3)) {
    if (z->dtype == DType::U8) {
      if (static_cast<int64_t>(z->byte_size()) != w.n * w.zero_bytes())
        fail("{} bytes of zero points, not {}", z->byte_size(), w.n * w.zero_bytes());
      w.zeros = z->data<uint8_t>().data();
    } else if (z->count() != w.n * w.blocks) {
      fail("{} zero points, not {}", z->count(), w.n * w.blocks);
    }
  }
  if (const Tensor* g = c.maybe(4)) {
    w.group = read_ints(*g);
    if (static_cast<int64_t>(w.group.size()) < w.k) fail("{} group indices for {} rows", w.group.size(), w.k);
    for (int64_t i = 0; i < w.k; ++i)
      if (w.group[static_cast<size_t>(i)] < 0 || w.group[static_cast<size_t>(i)] >= w.blocks)
        fail("group index {} of {}", w.group[static_cast<size_t>(i)], w.blocks);
  }
  return w;
}

// Column j of the weight as k floats. `offsets`: floating zero points by block, or null.
template <class T>
void dequantize_column(const Weights& w, int64_t j, const T* scales, const T* offsets, T* out) {
  const uint8_t* codes = w.codes + j * w.row_bytes();
  const T* scale = scales + j * w.blocks;
  const auto zero = [&](int64_t block) {
    if (offsets != nullptr) return offsets[j * w.blocks + block];
    if (w.zeros != nullptr) return static_cast<T>(code_at(w.zeros + j * w.zero_bytes(), block, w.bits));
    return static_cast<T>(1 << (w.bits - 1));
  };
  if (!w.group.empty()) {
    for (int64_t i = 0; i < w.k; ++i) {
      const int64_t g = w.group[static_cast<size_t>(i)];
      out[i] = (static_cast<T>(code_at(codes, i, w.bits)) - zero(g)) * scale[g];
    }
    return;
  }
  for (int64_t b = 0; b < w.blocks; ++b) {
    const int64_t begin = b * w.block, end = std::min(w.k, begin + w.block);
    const T z = zero(b), s = scale[b];
    if (w.bits == 4) {
      T table[16];
      for (int q = 0; q < 16; ++q) table[q] = (static_cast<T>(q) - z) * s;
      int64_t i = begin;
      for (; i + 1 < end; i += 2) {
        const uint8_t byte = codes[i / 2];
        out[i] = table[byte & 15];
        out[i + 1] = table[byte >> 4];
      }
      if (i < end) out[i] = table[codes[i / 2] & 15];
    } else {
      for (int64_t i = begin; i < end; ++i) out[i] = (static_cast<T>(code_at(codes, i, w.bits)) - z) * s;
    }
  }
}

void eval_matmul_nbits(EvalCtx& c) {
  const Tensor &a = c.in(0), &scales = c.in(2);
  const Tensor *zeros = c.maybe(3), *bias = c.maybe(5);
  const Weights w = weights_of(c);
  if (a.dims.empty() || a.dims.back() != w.k) fail("the last axis of A is not K = {}", w.k);
  if (bias != nullptr && bias->count() != w.n) fail("a bias of {} for {} columns", bias->count(), w.n);
  const int64_t m = a.count() / w.k;
  std::vector<int64_t> dims = a.dims;
  dims.back() = w.n;
  const DType t = float_compute_type({&a, &scales, bias});
  with_float(t, [&]<class T>() {
    const Tensor wa = convert(a, t), ws = convert(scales, t),
                 wb = bias != nullptr ? convert(*bias, t) : Tensor(),
                 wz = zeros != nullptr && w.zeros == nullptr ? convert(*zeros, t) : Tensor();
    Tensor y = Tensor::uninitialized(t, dims);
    T* py = y.mutable_data<T>().data();
    if (bias != nullptr)
      for (int64_t r = 0; r < m; ++r) std::copy_n(wb.data<T>().data(), w.n, py + r * w.n);
    constexpr int64_t kColumns = 32;
    parallel_for(m == 0 ? 0 : w.n, kColumns, [&](int64_t begin, int64_t end) {
      WorkVector<T> columns(static_cast<size_t>((end - begin) * w.k));
      for (int64_t j = begin; j < end; ++j)
        dequantize_column<T>(w, j, ws.data<T>().data(), wz.defined() ? wz.data<T>().data() : nullptr,
                             columns.data() + (j - begin) * w.k);
      const T keep = bias != nullptr ? 1 : 0;
      gemm_serial(Gemm<T>{false, true, m, end - begin, w.k, 1, keep, w.k, w.k, w.n}, wa.data<T>().data(),
                  columns.data(), py + begin);
    });
    set_rounded(c, 0, y, a.dtype);
  });
}

}  // namespace

void register_contrib_matmul_nbits(OpRegistry& r) {
  r.add({kMicrosoft, "MatMulNBits", infer_matmul_nbits, eval_matmul_nbits});
}

}  // namespace lathe
