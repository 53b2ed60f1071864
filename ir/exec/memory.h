// Bytes that live datums hold; tensors that share bytes count once. Does nothing without a limit.
#pragma once
#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "ir/ops/datum.h"

namespace lathe {

class LiveBytes {
 public:
  explicit LiveBytes(int64_t limit) : limit_(limit) {}

  void add(const Datum& d) {
    if (limit_ > 0) count(d, 1);
    if (limit_ > 0 && bytes_ + kept_ > limit_)
      fail("{} bytes are in use, the memory limit is {}", bytes_ + kept_, limit_);
  }
  void remove(const Datum& d) {
    if (limit_ > 0) count(d, -1);
  }
  void clear() {
    bytes_ = 0;
    held_.clear();
  }
  // Held until drop(), whatever is cleared.
  void keep(int64_t bytes) { kept_ += bytes; }
  void drop() { kept_ = 0; }
  // Of the limit; 0 = no limit.
  int64_t left() const { return limit_ > 0 ? std::max<int64_t>(limit_ - bytes_ - kept_, 1) : 0; }

 private:
  struct Storage {
    int64_t holders = 0, bytes = 0;
  };

  void count(const Datum& d, int by) {
    if (const Sequence* s = d.sequence())
      for (const Datum& item : *s) count(item, by);
    if (const MapDatum* m = d.map()) {
      count(m->keys, by);
      count(m->values, by);
    }
    const Tensor* t = d.tensor();
    if (t == nullptr || t->keep() == nullptr) return;
    Storage& storage = held_[t->keep().get()];
    if (storage.holders == 0) {
      storage.bytes = static_cast<int64_t>(t->byte_size());
      bytes_ += storage.bytes;
    }
    storage.holders += by;
    if (storage.holders > 0) return;
    bytes_ -= storage.bytes;
    held_.erase(t->keep().get());
  }

  int64_t limit_;
  int64_t bytes_ = 0, kept_ = 0;
  std::unordered_map<const void*, Storage> held_;
};

}  // namespace lathe
