// ONNX operator schemas (from the onnx library; ours for com.microsoft) without protobuf types.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct SchemaAttr {
  AttrKind kind = AttrKind::Undefined;
  bool required = false;
  AttrValue otherwise;  // monostate: no default
};

struct Schema {
  std::string domain, type;
  int since = 1;
  bool deprecated = false;
  int min_inputs = 0, max_inputs = 0, min_outputs = 0, max_outputs = 0;
  std::map<std::string, SchemaAttr, std::less<>> attrs;
  std::vector<std::vector<DType>> input_types,
      output_types;  // tensor element types a formal allows; variadic: last
  bool has_function = false;
};

// The schema in force at an opset; null if the op is unknown there. Cached.
const Schema* find_schema(std::string_view domain, std::string_view type, int64_t opset);
int newest_opset(std::string_view domain = "");

// Adds the schema's function body for this node (attributes bound, types known) as a new graph of m: inputs
// are the body's graph inputs in order. nullopt if the op has none. The body is lifted.
std::optional<GraphId> expand_function(Model& m, NodeId n);

}  // namespace lathe
