// What a caller of the model sees, and what the file says of itself.
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "passes/diff/align.h"

namespace lathe::diff {

struct InterfaceChange {
  enum class Kind : uint8_t { input, output, opset, function, model, metadata };
  Kind kind = Kind::input;
  std::string name;           // of the port, domain, function or property
  std::string before, after;  // empty: absent
};
const char* kind_name(InterfaceChange::Kind k);

// Ports by name, then what is left by type; opsets; local functions; properties of the file (IR version,
// producer, ...) and metadata_props, but for lathe's own record of rewrites.
std::vector<InterfaceChange> interface_changes(const Model& a, const Model& b, const Alignment& al);

}  // namespace lathe::diff
