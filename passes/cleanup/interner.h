// Small numbers for byte strings and tensors: equal content, equal number.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

class TensorInterner {
 public:
  uint32_t id(const Tensor& t) {
    auto& same_hash = by_hash_[content_hash(t)];
    for (const auto& [known, id] : same_hash)
      if (same_content(known, t)) return id;
    same_hash.emplace_back(t, next_);
    return next_++;
  }

 private:
  std::unordered_map<uint64_t, std::vector<std::pair<Tensor, uint32_t>>> by_hash_;
  uint32_t next_ = 0;
};

}  // namespace lathe
