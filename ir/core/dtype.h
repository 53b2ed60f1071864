// Element types. Values are those of onnx.TensorProto.DataType (onnx.proto), so they need no table.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace lathe {

enum class DType : uint8_t {
  Undefined = 0,
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  String = 8,
  Bool = 9,
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  C64 = 14,
  C128 = 15,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21,
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25,
  I2 = 26,
  F6E2M3 = 27,
  F6E3M2 = 28,
};
inline constexpr int kDTypeCount = 29;

bool is_valid(DType t);     // a known type other than Undefined
int bit_width(DType t);     // 2, 4, 6, 8, 16, ... 128; 0 for String and Undefined
bool is_floating(DType t);  // F16, BF16, F32, F64 and the 8-, 6- and 4-bit floats
bool is_integer(DType t);   // signed and unsigned, not Bool
bool is_signed_integer(DType t);
std::string_view onnx_name(DType t);  // "float", "int64", "bfloat16": ONNX text syntax
std::optional<DType> dtype_from_name(std::string_view name);  // the inverse

}  // namespace lathe
