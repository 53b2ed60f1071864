// From a run-time element type to a template parameter.
//
//   dispatch<Floats>(x.dtype, [&]<class T>() { run<T>(x, y); });
//
// Half and BFloat16 kernels compute in float and round once: Compute<T> is the type to compute in. Bool
// elements are read as uint8_t (a file may hold other bytes than 0 and 1, which a C++ bool may not).
#pragma once
#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "ir/base/narrow_types.h"
#include "ir/core/tensor.h"

namespace lathe {

template <class... Ts>
struct TypeList {};

template <class A, class... Rest>
struct ConcatLists;
template <class... As>
struct ConcatLists<TypeList<As...>> {
  using type = TypeList<As...>;
};
template <class... As, class... Bs, class... Rest>
struct ConcatLists<TypeList<As...>, TypeList<Bs...>, Rest...> : ConcatLists<TypeList<As..., Bs...>, Rest...> {
};
template <class... Lists>
using Concat = typename ConcatLists<Lists...>::type;

struct BoolByte {  // one byte, true when not 0
  uint8_t byte;
  explicit operator bool() const { return byte != 0; }
};

template <class T>
struct DTypeOf;
template <DType D>
struct DTypeIs {
  static constexpr DType value = D;
};
template <>
struct DTypeOf<float> : DTypeIs<DType::F32> {};
template <>
struct DTypeOf<double> : DTypeIs<DType::F64> {};
template <>
struct DTypeOf<Half> : DTypeIs<DType::F16> {};
template <>
struct DTypeOf<BFloat16> : DTypeIs<DType::BF16> {};
template <>
struct DTypeOf<int8_t> : DTypeIs<DType::I8> {};
template <>
struct DTypeOf<int16_t> : DTypeIs<DType::I16> {};
template <>
struct DTypeOf<int32_t> : DTypeIs<DType::I32> {};
template <>
struct DTypeOf<int64_t> : DTypeIs<DType::I64> {};
template <>
struct DTypeOf<uint8_t> : DTypeIs<DType::U8> {};
template <>
struct DTypeOf<uint16_t> : DTypeIs<DType::U16> {};
template <>
struct DTypeOf<uint32_t> : DTypeIs<DType::U32> {};
template <>
struct DTypeOf<uint64_t> : DTypeIs<DType::U64> {};
template <>
struct DTypeOf<BoolByte> : DTypeIs<DType::Bool> {};
template <>
struct DTypeOf<std::complex<float>> : DTypeIs<DType::C64> {};
template <>
struct DTypeOf<std::complex<double>> : DTypeIs<DType::C128> {};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

using WideFloats = TypeList<float, double>;
using Floats = TypeList<float, double, Half, BFloat16>;
using SignedInts = TypeList<int8_t, int16_t, int32_t, int64_t>;
using UnsignedInts = TypeList<uint8_t, uint16_t, uint32_t, uint64_t>;
using Ints = Concat<SignedInts, UnsignedInts>;
using Numbers = Concat<Floats, Ints>;
using NumbersAndBool = Concat<Numbers, TypeList<BoolByte>>;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T>
using Compute = std::conditional_t<is_half<T>, float, T>;

template <class... Ts, class F>
bool try_dispatch(TypeList<Ts...>, DType t, F&& f) {
  return ((t == dtype_of<Ts> ? (f.template operator()<Ts>(), true) : false) || ...);
}

template <class List>
bool lists(DType t) {
  return try_dispatch(List{}, t, []<class T>() {});
}

template <class List, class F>
void dispatch(DType t, F&& f) {
  if (!try_dispatch(List{}, t, f)) fail("element type {} is not supported here", onnx_name(t));
}

}  // namespace lathe
