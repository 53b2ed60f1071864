#include "ir/core/dtype.h"

#include <array>

namespace lathe {
namespace {

enum class Class : uint8_t { none, floating, signed_int, unsigned_int, other };
struct Row {
  std::string_view name;
  int bits;
  Class kind;
};
constexpr std::array<Row, kDTypeCount> kRows = {{
    {"undefined", 0, Class::none},
    {"float", 32, Class::floating},
    {"uint8", 8, Class::unsigned_int},
    {"int8", 8, Class::signed_int},
    {"uint16", 16, Class::unsigned_int},
    {"int16", 16, Class::signed_int},
    {"int32", 32, Class::signed_int},
    {"int64", 64, Class::signed_int},
    {"string", 0, Class::other},
    {"bool", 8, Class::other},
    {"float16", 16, Class::floating},
    {"double", 64, Class::floating},
    {"uint32", 32, Class::unsigned_int},
    {"uint64", 64, Class::unsigned_int},
    {"complex64", 64, Class::other},
    {"complex128", 128, Class::other},
    {"bfloat16", 16, Class::floating},
    {"float8e4m3fn", 8, Class::floating},
    {"float8e4m3fnuz", 8, Class::floating},
    {"float8e5m2", 8, Class::floating},
    {"float8e5m2fnuz", 8, Class::floating},
    {"uint4", 4, Class::unsigned_int},
    {"int4", 4, Class::signed_int},
    {"float4e2m1", 4, Class::floating},
    {"float8e8m0", 8, Class::floating},
    {"uint2", 2, Class::unsigned_int},
    {"int2", 2, Class::signed_int},
    {"float6e2m3", 6, Class::floating},
    {"float6e3m2", 6, Class::floating},
}};
const Row& row(DType t) {
  const auto i = static_cast<size_t>(t);
  return kRows[i < kRows.size() ? i : 0];
}

}  // namespace

bool is_valid(DType t) { return t != DType::Undefined && static_cast<int>(t) < kDTypeCount; }
int bit_width(DType t) { return row(t).bits; }
bool is_floating(DType t) { return row(t).kind == Class::floating; }
bool is_integer(DType t) { return row(t).kind == Class::signed_int || row(t).kind == Class::unsigned_int; }
bool is_signed_integer(DType t) { return row(t).kind == Class::signed_int; }
std::string_view onnx_name(DType t) { return row(t).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (int i = 1; i < kDTypeCount; ++i)
    if (kRows[static_cast<size_t>(i)].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace lathe
