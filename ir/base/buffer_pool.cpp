#include "ir/base/buffer_pool.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>

#include "ir/base/error.h"

namespace lathe {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLeast = size_t{1} << 16;  // smaller ones are malloc's business
constexpr size_t kMost = size_t{64} << 20;  // kept in all
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeep = false;  // a buffer that is used after its release must be seen
#else
constexpr bool kKeep = true;
#endif

// Steps of an eighth of a power of two, so that nearly equal sizes share buffers.
size_t rounded(size_t bytes) {
  const size_t step = bytes < kLeast ? kAlignment : std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class Pool {
 public:
  void* take(size_t size) {
    const std::lock_guard lock(mutex_);
    const auto it = free_.lower_bound(size);
    if (it == free_.end() || it->first > size + size / 4) return nullptr;
    void* p = it->second;
    held_ -= it->first;
    free_.erase(it);
    return p;
  }

  // False: not kept. The largest go first, as they come back most rarely.
  bool keep(void* p, size_t size) {
    if (size > kMost / 2) return false;
    const std::lock_guard lock(mutex_);
    free_.emplace(size, p);
    held_ += size;
    while (held_ > kMost) {
      const auto last = std::prev(free_.end());
      held_ -= last->first;
      std::free(last->second);
      free_.erase(last);
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
  size_t held_ = 0;
};

thread_local BufferLimit* t_limit = nullptr;

Pool& pool() {
  static auto* one = new Pool;  // outlives tensors in static objects
  return *one;
}

}  // namespace

BufferLimit::BufferLimit(int64_t bytes) : outer_(t_limit), limit_(bytes) {
  static std::atomic<uint64_t> marks{0};
  mark_ = ++marks;
  t_limit = this;
}

BufferLimit::~BufferLimit() { t_limit = outer_; }

uint64_t BufferLimit::taken(int64_t bytes) {
  BufferLimit* l = t_limit;
  if (l == nullptr || l->limit_ == 0) return 0;
  const int64_t before = l->used_.fetch_add(bytes);
  if (bytes > l->limit_ - before) {
    l->used_ -= bytes;
    fail("working memory of {} bytes is beyond the memory limit ({} bytes left)", bytes,
         std::max<int64_t>(l->limit_ - before, 0));
  }
  return l->mark_;
}

void BufferLimit::returned(int64_t bytes, uint64_t mark) {
  if (mark != 0 && t_limit != nullptr && t_limit->mark_ == mark) t_limit->used_ -= bytes;
}

void BufferLimit::returned(int64_t bytes) {
  if (t_limit != nullptr && t_limit->limit_ != 0) t_limit->used_ -= bytes;
}

BufferLimit::Share::Share(BufferLimit* limit) : before_(t_limit) { t_limit = limit; }
BufferLimit::Share::~Share() { t_limit = before_; }
BufferLimit* BufferLimit::in_force() { return t_limit; }

void* acquire_buffer(size_t bytes) {
  const size_t size = rounded(std::max<size_t>(bytes, 1));
  if (kKeep && size >= kLeast)
    if (void* p = pool().take(size)) return p;
  return std::aligned_alloc(kAlignment, size);
}

void release_buffer(void* p, size_t bytes) {
  const size_t size = rounded(std::max<size_t>(bytes, 1));
  if (!kKeep || size < kLeast || !pool().keep(p, size)) std::free(p);
}

}  // namespace lathe
