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
  void add(const Tensor& constant) { operands_.push_back({constant.bytes(), nullptr}); }

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
  static std::shared_ptr<const void>* find(const Tensor& t);

 private:
  struct Operand {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> made;
  };
  std::vector<Operand> operands_;
};

}  // namespace lathe
