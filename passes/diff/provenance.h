// Which of lathe's rewrites lie between two models: the record that onnx-opt --provenance leaves in
// metadata_props (ir/onnx/save.h).
#pragma once
#include <map>
#include <string>

#include "passes/diff/changes.h"

namespace lathe::diff {

struct Provenance {
  bool known = false;
  std::string input_sha256;
  std::map<std::string, size_t> rules;  // rule -> rewrites that a did not have yet
};

// Reads b's record (less a's own, if it is a prefix) and names the rules in the hunks that they made. A
// record that is not what onnx-opt writes is ignored.
Provenance attribute_rewrites(const Model& a, const Model& b, Changes& changes);

// By NodeId::v: the rules whose rewrites made the node, as m's own record tells ("gelu-erf, bias-gelu");
// empty: none.
std::vector<std::string> rules_by_node(const Model& m);

}  // namespace lathe::diff
