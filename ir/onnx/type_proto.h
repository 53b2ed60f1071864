// TypeProto.
#pragma once
#include "ir/core/type.h"
#include "ir/onnx/carried.h"
#include "ir/onnx/wire.h"

namespace lathe {

inline constexpr size_t kMaxRank = 64;

// An element type number; one that lathe does not know is an input error.
DType decode_dtype(int64_t number);
// Opaque types and unset ones give an unknown Type.
Type decode_type(wire::Bytes message);
void encode_type(wire::Writer& out, const Type& type);

// Decodes `field` and carries it where encode_type() would spell it otherwise.
Type decode_type(const wire::Field& field, CarriedFields& carried);
// Writes the type, in the carried spelling if that still says the same. Nothing for an unknown type.
void encode_type(FieldMerger& out, uint32_t number, const Type& type);

}  // namespace lathe
