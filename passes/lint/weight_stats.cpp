#include "passes/lint/weight_stats.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "ir/base/parallel.h"

namespace lathe::lint {
namespace {

// Over the bit patterns, so that the compiler makes vectors of it: exponent all ones is not finite, exponent
// zero with a fraction is denormal, and magnitudes order as integers.
template <class Word>
struct Counts {
  int64_t odd = 0, denormal = 0;  // odd: NaN and infinite
  Word largest = 0, differs = 0;
};

constexpr int64_t kBlock = 1 << 12;  // counts of a block fit a Word

template <class Word>
Counts<Word> count_block(const std::byte* p, int64_t n, Word exponent, Word first) {
  constexpr Word kMagnitude = static_cast<Word>(~Word{0}) >> 1;
  Word odd = 0, denormal = 0, largest = 0, differs = 0;
  for (int64_t i = 0; i < n; ++i) {
    Word w;
    std::memcpy(&w, p + static_cast<size_t>(i) * sizeof(Word), sizeof(Word));
    const Word magnitude = w & kMagnitude;
    const bool finite = magnitude < exponent;
    odd = static_cast<Word>(odd + (finite ? 0 : 1));
    const Word fraction = magnitude & static_cast<Word>(~exponent);
    denormal = static_cast<Word>(denormal + (magnitude == fraction && fraction != 0 ? 1 : 0));
    const Word kept = finite ? magnitude : Word{0};
    largest = kept > largest ? kept : largest;
    differs = static_cast<Word>(differs | (w ^ first));
  }
  return {static_cast<int64_t>(odd), static_cast<int64_t>(denormal), largest, differs};
}

template <class Word>
WeightStats stats(const Tensor& t, Word exponent) {
  const int64_t n = t.count();
  const std::byte* bytes = t.bytes().data();
  Word first;
  std::memcpy(&first, bytes, sizeof(Word));
  Counts<Word> total;
  std::mutex mutex;
  parallel_for(n, kBlock * 64, [&](int64_t begin, int64_t end) {
    Counts<Word> c;
    for (int64_t at = begin; at < end; at += kBlock) {
      const auto b = count_block<Word>(bytes + static_cast<size_t>(at) * sizeof(Word),
                                       std::min(kBlock, end - at), exponent, first);
      c.odd += b.odd;
      c.denormal += b.denormal;
      c.largest = std::max(c.largest, b.largest);
      c.differs |= b.differs;
    }
    const std::lock_guard lock(mutex);  // sums and maxima: any order gives the same
    total.odd += c.odd;
    total.denormal += c.denormal;
    total.largest = std::max(total.largest, c.largest);
    total.differs |= c.differs;
  });
  WeightStats s;
  s.count = n;
  s.denormal = total.denormal;
  s.constant = total.differs == 0;
  double largest = 0;
  if (total.largest != 0) {
    Tensor one = Tensor::make(t.dtype, {1});
    std::memcpy(one.mutable_bytes().data(), &total.largest, sizeof(Word));
    largest = one.as_double(0);
  }
  s.largest = largest;
  if (total.odd > 0)
    for (int64_t i = 0; i < n; ++i) {
      Word w;
      std::memcpy(&w, bytes + static_cast<size_t>(i) * sizeof(Word), sizeof(Word));
      constexpr Word kMagnitude = static_cast<Word>(~Word{0}) >> 1;
      if ((w & kMagnitude) > exponent)
        ++s.nan;
      else if (w == exponent)
        ++s.plus_infinite;
      else if ((w & kMagnitude) == exponent)
        ++s.minus_infinite;
    }
  return s;
}

}  // namespace

WeightStats weight_stats(const Tensor& t) {
  if (t.byte_size() == 0 || t.count() == 0) return {};
  switch (t.dtype) {
    case DType::F16:
      return stats<uint16_t>(t, 0x7c00);
    case DType::BF16:
      return stats<uint16_t>(t, 0x7f80);
    case DType::F32:
      return stats<uint32_t>(t, 0x7f800000);
    case DType::F64:
      return stats<uint64_t>(t, 0x7ff0000000000000);
    default:
      return {};
  }
}

}  // namespace lathe::lint
