// What it takes to write a lifted node as its file had it: the file's spelling, and the canonical form that
// it became. While the node still is that form, it lowers to the spelling as it stands; else it is spelled
// anew.
#pragma once
#include <utility>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct Spelling {
  int64_t opset = 0;  // of the op's domain, where the node came from
  std::string domain, type;
  Attrs attrs;
  std::vector<uint32_t> slots;  // where the file's inputs are in the canonical form

  std::string canonical_type;
  Attrs canonical_attrs;
  size_t canonical_inputs = 0;
  std::vector<std::pair<uint32_t, TensorPtr>> made;  // inputs that lift added; the other new ones are omitted
};

// Is n still what `s` was lifted to? Inputs that the file has may have been rewired.
bool is_untouched(const Model& m, const Node& n, const Spelling& s);

}  // namespace lathe
