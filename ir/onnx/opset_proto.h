// OperatorSetIdProto.
#pragma once
#include "ir/core/model.h"
#include "ir/onnx/carried.h"

namespace lathe {

// Domain "ai.onnx" becomes ""; a spelling other than encode_opsets() would give is carried.
OpsetImport decode_opset(const wire::Field& field, CarriedFields& carried);
void encode_opsets(FieldMerger& out, uint32_t number, const std::vector<OpsetImport>& opsets);

}  // namespace lathe
