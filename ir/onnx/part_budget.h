// What the parts of a model (nodes, names, list entries) will take in memory, against what its file may ask
// for. A part of two bytes becomes hundreds; without a limit a small file would take gigabytes before
// anything else could refuse it.
#pragma once
#include <cstdint>

#include "ir/base/error.h"

namespace lathe {

class PartBudget {
 public:
  // Estimates of the IR's bytes for one part, what it points to included.
  static constexpr uint64_t kNode = 400, kOperand = 40, kResult = 280, kItem = 260, kEntry = 120;

  explicit PartBudget(uint64_t file_bytes) : limit_(kFloor + kPerFileByte * file_bytes) {}

  void take(uint64_t bytes) {
    used_ += bytes;
    if (used_ > limit_)
      fail(
          "its nodes, names and list entries would take more than {} MB of memory, {} times the file and {} "
          "MB",
          limit_ >> 20, kPerFileByte, kFloor >> 20);
  }

 private:
  static constexpr uint64_t kFloor = uint64_t{128} << 20, kPerFileByte = 4;
  uint64_t limit_, used_ = 0;
};

}  // namespace lathe
