// Which dims of a model's inputs and outputs are free: as the file says, and as analysis proves from the
// graph alone; which node freezes an axis that is called dynamic; and whether batch and sequence may exceed
// one.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "passes/analysis/shapes.h"

namespace lathe {

struct AxisFact {
  enum class Kind : uint8_t { fixed, symbolic, unknown };
  Kind says = Kind::unknown;    // the file
  Kind proven = Kind::unknown;  // unknown: depends on data, or no formula was found
  Dim said, is;                 // formulas behind them (meaningless where unknown)
  std::optional<int64_t> most;  // of a free axis: an upper limit
  std::string why;              // what `proven` or `most` rests on, where it is not what the file says
  NodeId by;                    // the node that freezes or limits the axis
};

struct PortAxes {
  std::string name;
  Type said;            // as the file declares it
  bool ranked = false;  // the rank is known; otherwise axes is empty
  std::vector<AxisFact> axes;
};

// One of the axes that wrappers ask about.
struct AxisVerdict {
  enum class Kind : uint8_t {
    none,     // the model has no such axis
    free,     // any size from 1 to `most`
    fixed,    // always `size`
    clamped,  // the inputs call it free, but only size 1 is safe
  };
  Kind kind = Kind::none;
  std::string symbol;           // "" unless free or clamped
  int64_t size = 0;             // fixed and clamped
  std::optional<int64_t> most;  // free: the largest size, if there is one
  std::string why;              // one sentence
  NodeId by;
};

struct AxisStep {
  std::string question, answer;
  bool ok = false;
};

struct Axes {
  std::vector<PortAxes> inputs, outputs;  // inputs without those that are weights
  std::vector<std::string> relations;  // what callers must hold besides: "total = past + sequence (node ...)"
  std::vector<AxisStep> steps;         // how the verdict was reached
  AxisVerdict batch, sequence;
  std::vector<std::string> warnings;
};

// Works on a copy of nothing: sets the types of m's values (see analyze_shapes).
Axes analyze_axes(Model& m);

}  // namespace lathe
