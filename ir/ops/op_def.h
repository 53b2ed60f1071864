// What lathe adds to an op's ONNX schema: type rule, reference kernel, traits. One table entry an op, one
// file a family, one explicit register function a file (families.def lists them; no static-initializer
// magic).
//
// Rules and kernels see the canonical spelling only, that of the newest opset (ir/onnx/lift.h brings old ones
// there).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// How two results of the op on the same inputs may be compared.
enum class Exactness : uint8_t {
  bitwise,   // moves or compares bits, or integer arithmetic: equal
  rounding,  // float arithmetic: equal within rounding
  random,    // by definition different from run to run
};

struct OpDef {
  std::string domain, type;
  void (*infer)(InferCtx&) = nullptr;
  void (*eval)(EvalCtx&) = nullptr;  // null: the function body of the schema runs instead
  Exactness exactness = Exactness::rounding;
  bool commutative = false;  // the first two inputs may be swapped
  bool elementwise = false;  // broadcast, then element by element
};

class OpRegistry {
 public:
  void add(OpDef def);  // a second entry for the same op is a programming error
  const OpDef* find(std::string_view domain, std::string_view type) const;
  // A node that keeps the meaning of an old opset (lift.h: `$since`) has the entry "Type@since" if there is
  // one.
  const OpDef* find(const Node& n) const;
  std::vector<const OpDef*> all() const;  // sorted by domain and name

 private:
  std::unordered_map<std::string, std::unique_ptr<OpDef>> defs_;  // key: domain + "::" + type
};

// The registry with every op (built at first use).
const OpRegistry& op_registry();

}  // namespace lathe
