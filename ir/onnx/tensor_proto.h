// TensorProto and SparseTensorProto: payloads in place where the layout allows, checked against type and
// dims.
#pragma once
#include <functional>
#include <memory>

#include "ir/core/tensor.h"
#include "ir/onnx/carried.h"
#include "ir/onnx/external_data.h"
#include "ir/onnx/wire.h"

namespace lathe {

// Where a tensor's bytes come from while loading.
struct TensorSource {
  std::shared_ptr<const void> keep;  // owner of the model file's bytes
  ExternalData* external = nullptr;  // null: weights that are not in the file stay undefined
};

// "raw_data", "float_data", ...: the field of TensorProto of that number, if it holds elements; "" otherwise.
std::string_view payload_name(uint32_t number);

Tensor decode_tensor(wire::Bytes message, const TensorSource& source);
SparseTensor decode_sparse(wire::Bytes message, const TensorSource& source);

// The external_data entries of a tensor that is written outside of the model file.
using ExternalPlacement = std::function<const StringPairs*(const Tensor&)>;

// Writes the body of a TensorProto. Large payloads are referenced, not copied. `entries` != null: stored
// outside.
void encode_tensor(wire::Writer& out, const Tensor& tensor, std::string_view name,
                   const StringPairs* entries);
void encode_sparse(wire::Writer& out, const SparseTensor& tensor, std::string_view name,
                   const ExternalPlacement& placement);

// Is the tensor still the slice of the data file that it was loaded from?
bool is_external_as_loaded(const Tensor& tensor);

}  // namespace lathe
