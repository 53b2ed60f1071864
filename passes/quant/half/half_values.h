// The half-precision twins of float32 values while a model is converted.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "passes/core/builder.h"
#include "passes/quant/half/kind.h"

namespace lathe {

// A constant that became half precision.
struct HalfConstant {
  ValueId of;
  std::string name;
  int64_t before = 0, after = 0;  // bytes; after: with the float one where something still reads it
  double error = 0;               // |w - w'| / |w|, if asked for
};

class HalfValues {
 public:
  HalfValues(Model& m, const HalfKind& kind) : m_(m), kind_(kind) {}

  // The twin of v where the builder's nodes will stand; makes a Cast if there is none. `context` receives the
  // nodes that tie twins together, which a run of both sides needs.
  ValueId of(Builder& b, GraphId where, ValueId v, std::vector<NodeId>& context);
  void keep();    // the builder's Casts were committed
  void forget();  // or discarded

  // Constants become what their Casts made of them, in the graph that holds them.
  std::vector<HalfConstant> fold_constants(bool measure);

 private:
  // What to cast: through a Cast from integers, the integers.
  ValueId source(ValueId v, std::vector<NodeId>& context) const;

  Model& m_;
  const HalfKind kind_;
  std::unordered_map<ValueId, std::vector<ValueId>> made_;
  std::vector<std::pair<ValueId, ValueId>> pending_;  // value, its Cast
};

// Constants in the half type: nearest; a number that is not zero does not become zero where it stands alone.
Tensor half_constant(const Tensor& t, const HalfKind& kind);

}  // namespace lathe
