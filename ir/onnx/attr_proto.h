// AttributeProto.
#pragma once
#include <functional>

#include "ir/core/attr.h"
#include "ir/onnx/tensor_proto.h"
#include "ir/onnx/wire.h"

namespace lathe {

// `subgraph` is asked for the graphs of the attribute, in order.
Attr decode_attr(wire::Bytes message, const TensorSource& source, const std::function<GraphId()>& subgraph);

struct AttrWriter {
  std::function<void(GraphId)> graph;  // writes the body of a GraphProto
  ExternalPlacement placement;
};
void encode_attr(wire::Writer& out, const Attr& attr, const AttrWriter& writer);

}  // namespace lathe
