// float_data, int32_data, ... of TensorProto, to and from the raw layout.
#pragma once
#include <memory>

#include "ir/core/tensor.h"
#include "ir/onnx/wire.h"

namespace lathe {

// The typed field that holds elements of a type.
uint32_t typed_field(DType dtype);
// Reads field `number` of a TensorProto. A packed run of floats or doubles is viewed in place (kept alive by
// `keep`).
Tensor decode_typed(wire::Bytes message, uint32_t number, DType dtype, std::vector<int64_t> dims,
                    const std::shared_ptr<const void>& keep);
void encode_typed(wire::Writer& out, const Tensor& tensor);

}  // namespace lathe
