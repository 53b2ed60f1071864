// A rewrite rule: a pattern, a guard that refuses in words, and the replacement. About ten lines each.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ir/ops/op_def.h"
#include "passes/core/builder.h"
#include "passes/core/match.h"
#include "passes/core/target.h"

namespace lathe {

// nullopt: go ahead; otherwise why not.
using Refusal = std::optional<std::string>;

struct Rule {
  std::string name;  // kebab-case; the pass's name where it has one rule
  std::string why;   // one sentence: why both sides are equal
  Pat pattern;
  std::function<Refusal(const Match&, const Target&)> guard = {};  // may be empty
  // Returns the value that stands for the root, or a none value to refuse after all.
  std::function<ValueId(Builder&, const Match&)> emit = {};
  Exactness exactness = Exactness::rounding;
  // Refuse when a matched node below the root is also used elsewhere: fusing would compute it twice.
  bool closed = true;
};

}  // namespace lathe
