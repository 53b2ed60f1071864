// Encodes a model whose names are settled (save_names.h).
#pragma once
#include "ir/core/model.h"
#include "ir/onnx/attr_proto.h"
#include "ir/onnx/wire.h"

namespace lathe {

class ModelEncoder {
 public:
  // `placement` tells which tensors are stored outside of the model file.
  ModelEncoder(const Model& m, wire::Writer& out, ExternalPlacement placement);
  void model();
  // For printing: values without a name are called by their id.
  void node(NodeId n);

 private:
  void graph(GraphId g);
  void nodes(GraphId g, uint32_t number);
  void function(const Function& f);
  void port(uint32_t number, std::string_view name, const Type& type, const NotesPtr& notes);
  void value_info(GraphId g, uint32_t number);
  void annotations(GraphId g);

  std::string_view name(ValueId v);

  const Model& m_;
  wire::Writer& out_;
  AttrWriter attrs_;
  std::string made_name_;
};

}  // namespace lathe
