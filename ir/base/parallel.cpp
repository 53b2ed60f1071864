#include "ir/base/parallel.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <memory>

#include "ir/base/buffer_pool.h"

namespace lathe {
namespace {
std::unique_ptr<tbb::global_control> g_limit;  // the process-wide thread count, an option of every tool
int g_threads = 0;
}  // namespace

void set_thread_count(int threads) {
  g_threads = threads;
  g_limit = threads > 0
                ? std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, threads)
                : nullptr;
}

int thread_count() { return g_threads > 0 ? g_threads : tbb::info::default_concurrency(); }

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (n + grain - 1) / grain;
  if (chunks <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  BufferLimit* const limit = BufferLimit::in_force();
  tbb::parallel_for(int64_t{0}, chunks, [&](int64_t c) {
    const BufferLimit::Share share(limit);
    body(c * grain, std::min(n, (c + 1) * grain));
  });
}

}  // namespace lathe
