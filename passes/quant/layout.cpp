#include "passes/quant/layout.h"

#include <algorithm>
#include <cstring>

#include "ir/core/packed.h"

namespace lathe {

Tensor table_codes(const NBitsWeight& q, int64_t k, const Scheme& s) {
  const int64_t rows = q.codes.dims[0], stored = q.codes.dims[1] * q.codes.dims[2];
  if (k * s.bits % 8 != 0) fail("rows of {} codes of {} bits are not whole bytes", k, s.bits);
  const int64_t wanted = k * s.bits / 8;
  if (wanted == stored) return q.codes.reshaped({rows, stored});
  Tensor t = Tensor::uninitialized(DType::U8, {rows, wanted});
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(t.mutable_bytes().data() + r * wanted, q.codes.bytes().data() + r * stored,
                static_cast<size_t>(wanted));
  return t;
}

StandardWeight standard_weight(const NBitsWeight& q, int64_t k, int64_t n, bool by_rows, const Scheme& s) {
  const int64_t blocks = q.codes.dims[1], row = blocks * q.codes.dims[2];
  const int shift = s.symmetric ? 1 << (s.bits - 1) : 0, mask = (1 << s.bits) - 1;
  const DType t = s.bits == 4 ? (s.symmetric ? DType::I4 : DType::U4) : (s.symmetric ? DType::I8 : DType::U8);
  const auto dims = [&](int64_t a) { return by_rows ? std::vector{n, a} : std::vector{a, n}; };
  const auto at = [&](int64_t i, int64_t column, int64_t size) {
    return by_rows ? column * size + i : i * n + column;
  };
  StandardWeight w;
  w.codes = Tensor::make(t, dims(k));
  w.scales = Tensor::uninitialized(q.scales.dtype, dims(blocks));
  if (!s.symmetric) w.zero_points = Tensor::make(t, dims(blocks));
  const std::byte* codes = q.codes.bytes().data();
  std::byte* to = w.codes.mutable_bytes().data();
  const auto unit = static_cast<size_t>(bit_width(q.scales.dtype) / 8);
  const int64_t zero_row = (blocks * s.bits + 7) / 8;
  for (int64_t c = 0; c < n; ++c) {
    for (int64_t i = 0; i < k; ++i)
      store_packed(to, at(i, c, k), s.bits, (packed_code(codes + c * row, i, s.bits) - shift) & mask);
    for (int64_t b = 0; b < blocks; ++b) {
      std::memcpy(w.scales.mutable_bytes().data() + static_cast<size_t>(at(b, c, blocks)) * unit,
                  q.scales.bytes().data() + static_cast<size_t>(c * blocks + b) * unit, unit);
      if (!s.symmetric)
        store_packed(w.zero_points.mutable_bytes().data(), at(b, c, blocks), s.bits,
                     packed_code(q.zero_points.bytes().data() + c * zero_row, b, s.bits));
    }
  }
  return w;
}

}  // namespace lathe
