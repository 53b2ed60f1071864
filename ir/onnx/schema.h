// ONNX operator schemas (from the onnx library; ours for com.microsoft) without protobuf types.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  std::vector<std::string> input_names, output_names;
  bool has_function = false;
};

// The schema in force at an opset; null if the op is unknown there. Built at first use (0.03 to 0.2 ms) and
// kept.
const Schema* find_schema(std::string_view domain, std::string_view type, int64_t opset);
// The version of an op that is in force at an opset (Schema::since of it); 0 if the op is unknown there.
// Builds nothing. opset 0: the newest.
int op_version(std::string_view domain, std::string_view type, int64_t opset = 0);
// The first opset that has the op, 0 if none has.
int first_version(std::string_view domain, std::string_view type);
void for_each_first_version(std::string_view domain, const std::function<void(std::string_view, int)>& body);
// 0 for a domain that lathe has no schemas of.
int newest_opset(std::string_view domain = "");
// Every op that has a schema, as (domain, type), sorted.
std::vector<std::pair<std::string, std::string>> all_schemas();

// Adds the schema's function body for this node (attributes bound, types known) as a new graph of m: inputs
// are the body's graph inputs in order. nullopt if the op has none. The body is lifted.
std::optional<GraphId> expand_function(Model& m, NodeId n);

}  // namespace lathe
