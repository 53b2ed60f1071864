// GatherBlockQuantized (com.microsoft): rows of a table of small integers, dequantized.
#include <algorithm>

#include "ir/base/parallel.h"
#include "ir/ops/contrib/nbits.h"
#include "ir/ops/contrib/shapes.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// uint8 data holds 8 / bits codes a byte along its last axis; int4 and uint4 are packed by their type.
int64_t codes_per_element(DType data, int64_t bits) { return data == DType::U8 ? 8 / bits : 1; }

void infer_gather_block_quantized(InferCtx& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr || indices == nullptr || data->empty()) return c.out(0, c.dtype(2));
  const int64_t bits = c.attrs().i("bits", 4);
  check_nbits(bits, c.attrs().i("block_size", 128));
  const auto axis = normalize_axis(c, c.attrs().i("gather_axis", 0), static_cast<int64_t>(data->size()));
  Shape full = *data;
  full.back() = full.back() * Dim(codes_per_element(c.dtype(0), bits));
  Shape out(full.begin(), full.begin() + axis);
  out.insert(out.end(), indices->begin(), indices->end());
  out.insert(out.end(), full.begin() + axis + 1, full.end());
  c.out(0, c.dtype(2), std::move(out));
}

void eval_gather_block_quantized(EvalCtx& c) {
  const Tensor &data = c.in(0), &scales = c.in(2);
  const Tensor* zeros = c.maybe(3);
  const int64_t bits = c.attrs().i("bits", 4), block = c.attrs().i("block_size", 128);
  check_nbits(bits, block);
  const bool bytes = data.dtype == DType::U8;
  if (!bytes && ((data.dtype != DType::I4 && data.dtype != DType::U4) || bits != 4))
    fail("data of type {} with {} bits", onnx_name(data.dtype), bits);
  if (data.rank() < 1) fail("data is a scalar");
  const int64_t per_element = codes_per_element(data.dtype, bits);
  std::vector<int64_t> full = data.dims;
  full.back() = checked_mul(full.back(), per_element);
  const auto gather = static_cast<size_t>(normalize_axis(c.attrs().i("gather_axis", 0), data.rank())),
             quant = static_cast<size_t>(normalize_axis(c.attrs().i("quantize_axis", 1), data.rank()));
  if (gather == quant) fail("gather_axis and quantize_axis are both {}", gather);
  if (bytes && quant + 1 != full.size()) fail("packed bytes are quantized along the last axis only");

  std::vector<int64_t> scale_dims = full;
  scale_dims[quant] = (full[quant] + block - 1) / block;
  if (scales.dims != scale_dims) fail("the scales do not fit blocks of {}", block);
  // Zero points: int4 and uint4 in one run like the scales; bytes packed row by row along the last axis.
  std::vector<int64_t> zero_dims = scale_dims;
  if (bytes) zero_dims.back() = (zero_dims.back() + per_element - 1) / per_element;
  if (zeros != nullptr && (zeros->dims != zero_dims || zeros->dtype != data.dtype))
    fail("the zero points do not fit");

  const auto index = read_ints(c.in(1));
  std::vector<int64_t> dims(full.begin(), full.begin() + static_cast<std::ptrdiff_t>(gather));
  dims.insert(dims.end(), c.in(1).dims.begin(), c.in(1).dims.end());
  dims.insert(dims.end(), full.begin() + static_cast<std::ptrdiff_t>(gather) + 1, full.end());
  const std::span<const int64_t> all = full;
  const int64_t outer = element_count(all.first(gather)), inner = element_count(all.subspan(gather + 1)),
                size = full[gather], picks = static_cast<int64_t>(index.size());
  const int64_t after = element_count(all.subspan(quant + 1)), blocks = scale_dims[quant];
  const int implied = bytes ? 1 << (bits - 1) : 0, width = static_cast<int>(bits);
  const bool is_signed = data.dtype == DType::I4;
  const auto extend = [&](int code) { return is_signed && code >= 8 ? code - 16 : code; };

  const DType t = float_compute_type({&scales});
  with_float(t, [&]<class T>() {
    const Tensor ws = convert(scales, t);
    const T* ps = ws.data<T>().data();
    Tensor y = Tensor::uninitialized(t, dims);
    T* to = y.mutable_data<T>().data();
    const uint8_t *codes = data.data<uint8_t>().data(),
                  *zs = zeros != nullptr ? zeros->data<uint8_t>().data() : nullptr;
    parallel_for(
        outer * picks, std::max<int64_t>(1, (1 << 13) / std::max<int64_t>(inner, 1)),
        [&](int64_t b, int64_t e) {
          for (int64_t r = b; r < e; ++r) {
            int64_t i = index[static_cast<size_t>(r % picks)];
            if (i < 0) i += size;
            if (i < 0 || i >= size) {  // onnxruntime's kernel gives zeros here
              std::fill_n(to + r * inner, inner, T{0});
              continue;
            }
            const int64_t first = (r / picks * size + i) * inner;
            for (int64_t k = 0; k < inner; ++k) {
              const int64_t at = first + k, row = at / after / full[quant], q = at / after % full[quant];
              const int64_t cell = (row * blocks + q / block) * after + at % after;
              int zero = implied;
              if (zs != nullptr)
                zero = bytes ? code_at(zs + row * zero_dims.back(), q / block, width)
                             : extend(code_at(zs, cell, width));
              to[r * inner + k] = static_cast<T>(extend(code_at(codes, at, width)) - zero) * ps[cell];
            }
          }
        });
    set_rounded(c, 0, y, scales.dtype);
  });
}

}  // namespace

void register_contrib_gather_block_quantized(OpRegistry& r) {
  r.add({kMicrosoft, "GatherBlockQuantized", infer_gather_block_quantized, eval_gather_block_quantized});
}

}  // namespace lathe
