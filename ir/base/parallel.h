// Data parallelism on oneTBB. Chunks are cut by `grain` alone, never by the number of threads, so that a
// reduction inside a chunk has the same order (and the same bits) on every machine.
#pragma once
#include <cstdint>
#include <functional>

namespace lathe {

// Calls body(begin, end) over [0, n) in chunks of `grain`. Small n runs in place. Exceptions pass to the
// caller.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

// 0 = all cores. Call before the first parallel_for.
void set_thread_count(int threads);
int thread_count();

}  // namespace lathe
