// How error messages name a node.
#pragma once
#include <string>

#include "ir/base/error.h"

namespace lathe {

class Model;
struct Node;

// An error that already says which node it came from.
class NodeError : public Error {
  using Error::Error;
};

// "node '/fc/Add' (Add, makes 'y')", or "a node (Add, makes 'y')".
std::string node_place(const Model& m, const Node& n);

}  // namespace lathe
