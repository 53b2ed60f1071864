#include "passes/core/take.h"

#include <cstring>

#include "ir/base/mapped_file.h"
#include "ir/core/packed.h"

namespace lathe {

Tensor take_along(const Tensor& t, int64_t axis, const std::vector<int64_t>& at) {
  std::vector<int64_t> dims = t.dims;
  const int64_t size = dims[static_cast<size_t>(axis)];
  dims[static_cast<size_t>(axis)] = static_cast<int64_t>(at.size());
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < dims.size(); ++i) (static_cast<int64_t>(i) < axis ? outer : inner) *= t.dims[i];
  inner /= size;
  Tensor out = Tensor::make(t.dtype, dims);
  std::byte* to = out.mutable_bytes().data();
  const int bits = bit_width(t.dtype);
  int64_t next = 0, seen = 0;
  constexpr int64_t kPart = int64_t{16} << 20;  // of a mapped tensor in memory at a time
  for (int64_t o = 0; o < outer; ++o)
    for (const int64_t i : at) {
      const int64_t from = (o * size + i) * inner;
      if (const int64_t now = from * bits / 8; now - seen > kPart) {
        MappedFile::forget(t.bytes().subspan(static_cast<size_t>(seen), static_cast<size_t>(now - seen)));
        seen = now;
      }
      if (bits >= 8) {
        const auto unit = static_cast<size_t>(bits / 8);
        std::memcpy(to + static_cast<size_t>(next) * unit,
                    t.bytes().data() + static_cast<size_t>(from) * unit, static_cast<size_t>(inner) * unit);
      } else {
        for (int64_t k = 0; k < inner; ++k)
          store_packed(to, next + k, bits, packed_code(t.bytes().data(), from + k, bits));
      }
      next += inner;
    }
  MappedFile::forget(t.bytes());  // one element may bring megabytes of its file along
  return out;
}

}  // namespace lathe
