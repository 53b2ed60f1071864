// Shapes of a whole model as polynomials over the symbols of its inputs, and the relations between sizes that
// must hold for the model to run: found at every node that needs two sizes to agree, solved for symbols where
// that is possible, and put into the shapes.
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"
#include "ir/ops/relations.h"

namespace lathe {

// symbol = value, because `node` runs only then. A constant value means that the symbol is no free axis.
struct SolvedSize {
  std::string symbol;  // unknowns too ("?3")
  Dim value;
  NodeId node;
};

// symbol <= most, because `node` cuts a table of that many rows to the symbol's size.
struct SizeLimit {
  std::string symbol;
  int64_t most = 0;
  NodeId node;
};

struct Shapes {
  ShapeValues values;              // integer contents
  std::vector<SolvedSize> solved;  // in the order found; values are free of symbols solved before
  std::vector<DimRelation> needs;  // what is left: relations that no symbol could be solved for, each once
  std::vector<SizeLimit> limits;
};

struct ShapeOptions {
  // Keep what the file says of intermediate values and outputs; false proves everything from the inputs.
  bool trust_declared = true;
  // Solve relations for symbols and put the solutions into the types.
  bool solve = true;
};

// Sets the types of m's values. Two nodes that need different sizes are an input error that names both.
Shapes analyze_shapes(Model& m, const ShapeOptions& options = {});

// Every dim of the shape is a formula over named symbols (data-dependent sizes are not).
bool fully_known(const Type& t);

}  // namespace lathe
