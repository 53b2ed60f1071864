// A product by an operand that may be the same in every run of its node: it is packed once, then read packed.
#pragma once
#include <type_traits>

#include "ir/ops/convert.h"
#include "ir/ops/dispatch.h"
#include "ir/ops/kept.h"
#include "ir/ops/math/gemm_kernel.h"

namespace lathe {

// gemm_batch of one product. b: of any type that converts to T, maybe misaligned; g says how it is stored.
template <class T>
void gemm_kept(const Gemm<T>& g, const T* a, const Tensor& b, T* c) {
  if constexpr (std::is_floating_point_v<T>) {
    if (auto* kept = packs_b(g) ? KeptOperands::find(b) : nullptr) {
      if (kept->made == nullptr) {
        const auto made = pack_b(g, convert(b, dtype_of<T>).template data<T>().data());
        *kept = {made, static_cast<int64_t>(made->panels.byte_size())};
      }
      const auto& packed = *static_cast<const PackedB*>(kept->made.get());
      if (packed.panels.dtype == dtype_of<T> && packed.n == g.n && packed.k == g.k &&
          packed.trans == g.trans_b)
        return gemm_packed(g, a, packed, c);
    }
    gemm_batch(g, a, convert(b, dtype_of<T>).template data<T>().data(), c, {GemmOffsets{}});
  } else {
    gemm_batch(g, a, b.aligned().data<T>().data(), c, {GemmOffsets{}});
  }
}

}  // namespace lathe
