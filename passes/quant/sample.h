// A quantized product is checked on some of its columns: a head of 49,152 costs the check 64.
#pragma once
#include <cstdint>
#include <vector>

namespace lathe {

// At even distances, the first and the last among them; empty where all are few.
std::vector<int64_t> sample_columns(int64_t n);

}  // namespace lathe
