// A look at every tensor of a model file without building a model, for reports on files that the loader
// refuses: initializers, sparse ones, attributes, in subgraphs and functions.
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/onnx/wire.h"

namespace lathe {

struct TensorRecord {
  std::string place;                  // "initializer 'w'", "function 'f', node 'n', attribute 'value'"
  std::string name;                   // of the tensor; "" for most attributes
  std::vector<std::string> payloads;  // fields that hold data: "raw_data", "float_data", "external_data", ...
  StringPairs external;               // entries, where data_location says external
};

// The tensors that have external data or more than one payload, in file order. A part that is no valid
// message ends the walk of that part.
std::vector<TensorRecord> scan_tensors(wire::Bytes file);

}  // namespace lathe
