// What kernels make of their node's constant operands (packed weights), kept for the node's next runs.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

class KeptOperands {
 public:
  struct Kept {
    std::shared_ptr<const void> made;
    int64_t bytes = 0;  // of it
  };

  void add(const Tensor& constant) { operands_.push_back({constant.bytes(), {}}); }
  int64_t constant_bytes() const;
  int64_t kept_bytes() const;

  // While one lives, kernels on its thread find these. Null: none, whatever an outer one holds.
  class Scope {
   public:
    explicit Scope(KeptOperands* operands);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    KeptOperands* before_;
  };

  // Room for what is made of t, the same in every run; null where t is none of the running node's constants.
  static Kept* find(const Tensor& t);

 private:
  struct Operand {
    std::span<const std::byte> bytes;
    Kept kept;
  };
  std::vector<Operand> operands_;
};

}  // namespace lathe
