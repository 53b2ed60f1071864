#include "ir/ops/kept.h"

namespace lathe {
namespace {
thread_local KeptOperands* t_operands = nullptr;
}

KeptOperands::Scope::Scope(KeptOperands* operands) : before_(t_operands) { t_operands = operands; }
KeptOperands::Scope::~Scope() { t_operands = before_; }

std::shared_ptr<const void>* KeptOperands::find(const Tensor& t) {
  if (t_operands == nullptr) return nullptr;
  for (Operand& o : t_operands->operands_)
    if (o.bytes.data() == t.bytes().data() && o.bytes.size() == t.bytes().size()) return &o.made;
  return nullptr;
}

}  // namespace lathe
