#include "ir/ops/kept.h"

namespace lathe {
namespace {
thread_local KeptOperands* t_operands = nullptr;
}

KeptOperands::Scope::Scope(KeptOperands* operands) : before_(t_operands) { t_operands = operands; }
KeptOperands::Scope::~Scope() { t_operands = before_; }

int64_t KeptOperands::constant_bytes() const {
  int64_t sum = 0;
  for (const Operand& o : operands_) sum += static_cast<int64_t>(o.bytes.size());
  return sum;
}

int64_t KeptOperands::kept_bytes() const {
  int64_t sum = 0;
  for (const Operand& o : operands_) sum += o.kept.bytes;
  return sum;
}

KeptOperands::Kept* KeptOperands::find(const Tensor& t) {
  if (t_operands == nullptr) return nullptr;
  for (Operand& o : t_operands->operands_)
    if (o.bytes.data() == t.bytes().data() && o.bytes.size() == t.bytes().size()) return &o.kept;
  return nullptr;
}

}  // namespace lathe
