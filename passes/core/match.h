// Matching a pattern at a value, with the best near miss explained.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "passes/core/pattern.h"

namespace lathe {

struct Match {
  const Model* model = nullptr;
  ValueId root;                        // the value that the pattern describes
  std::map<uint32_t, ValueId> bound;   // by Var::id
  std::map<uint32_t, double> numbers;  // by Num::id
  std::vector<NodeId> nodes;           // matched nodes, each once

  ValueId operator[](Var v) const {
    const auto it = bound.find(v.id());
    return it == bound.end() ? ValueId{} : it->second;
  }
  double operator[](Num n) const {
    const auto it = numbers.find(n.id());
    return it == numbers.end() ? 0 : it->second;
  }
  const Tensor* constant(Var v) const { return model->constant((*this)[v]); }
  const Type& type(Var v) const { return (*model)[(*this)[v]].type; }
  bool has(NodeId n) const;
};

// The deepest place where a match failed.
struct NearMiss {
  int matched = 0;  // op nodes that fitted before
  std::string why;  // "constant is 0.51, not 0.5 (value 'c')"
};

std::optional<Match> match(const Model& m, const Pat& pattern, ValueId root, NearMiss* near = nullptr);

// Is the constant one number for every element, equal within the type's own rounding?
bool is_number(const Tensor& t, double number);

}  // namespace lathe
