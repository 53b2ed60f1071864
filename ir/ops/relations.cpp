#include "ir/ops/relations.h"

namespace lathe {
namespace {

thread_local RelationLog* current = nullptr;

}  // namespace

RelationLog::RelationLog() : outer_(current) { current = this; }
RelationLog::~RelationLog() { current = outer_; }

void must_equal(const InferCtx& c, Dim a, Dim b, bool or_one) {
  if (current == nullptr || a == b) return;
  if (or_one && (a.is_const(1) || b.is_const(1))) return;
  for (const ValueId v : c.node().out)
    if (v) return current->found.push_back({a, b, c.model()[v].def, or_one});
}

}  // namespace lathe
