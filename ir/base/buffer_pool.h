// Memory for tensors' bytes. Large freed buffers are kept for the next tensor of about that size: fresh pages
// from the system cost more than most kernels. Thread-safe.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lathe {

// 64-byte aligned, uninitialized; null when there is no memory. Give back with release_buffer(p, the same
// size).
void* acquire_buffer(size_t bytes);
void release_buffer(void* p, size_t bytes);

// While one lives, tensors and working memory made on its thread, and by parallel_for on others, may hold no
// more than `bytes` in all (0: no limit); what is beyond is an input error. An inner one replaces an outer
// one until it ends.
class BufferLimit {
 public:
  explicit BufferLimit(int64_t bytes);
  ~BufferLimit();
  BufferLimit(const BufferLimit&) = delete;
  BufferLimit& operator=(const BufferLimit&) = delete;

  // Counts a new buffer; the mark to give to returned() with it.
  static uint64_t taken(int64_t bytes);
  // Does nothing where the limit that counted the buffer is not in force.
  static void returned(int64_t bytes, uint64_t mark);
  // Of a buffer that the limit in force counted.
  static void returned(int64_t bytes);

  // Puts another thread's limit in force on this one.
  class Share {
   public:
    explicit Share(BufferLimit* limit);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    BufferLimit* before_;
  };
  static BufferLimit* in_force();

 private:
  BufferLimit* outer_;
  uint64_t mark_;
  int64_t limit_;
  std::atomic<int64_t> used_ = 0;
};

}  // namespace lathe
