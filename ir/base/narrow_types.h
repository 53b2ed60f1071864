// Element types narrower than float. Half and BFloat16 are Eigen's; the 8-, 6- and 4-bit floats follow the
// ONNX technical notes ("Float stored in 8 bits", "Float stored in 4 bits"): round to nearest even,
// saturating where the note says so.
#pragma once
#include <Eigen/Core>
#include <cstdint>

namespace lathe {

using Half = Eigen::half;
using BFloat16 = Eigen::bfloat16;

// Layout of a small float: sign (or none), exponent bits, mantissa bits, bias, and what the top encodings
// mean.
struct MiniFloat {
  int exponent_bits, mantissa_bits, bias;
  bool has_inf;            // IEEE-like: top exponent is inf/NaN
  bool only_neg_zero_nan;  // the FNUZ kinds: 0x80 is NaN, there is no -0
  bool all_ones_nan;       // the FN kinds: S.1111.111 is NaN
  bool is_signed = true;
};
inline constexpr MiniFloat kF8E4M3FN{4, 3, 7, false, false, true};
inline constexpr MiniFloat kF8E4M3FNUZ{4, 3, 8, false, true, false};
inline constexpr MiniFloat kF8E5M2{5, 2, 15, true, false, false};
inline constexpr MiniFloat kF8E5M2FNUZ{5, 2, 16, false, true, false};
inline constexpr MiniFloat kF4E2M1{2, 1, 1, false, false, false};
inline constexpr MiniFloat kF6E2M3{2, 3, 1, false, false, false};  // OCP Microscaling formats v1.0
inline constexpr MiniFloat kF6E3M2{3, 2, 3, false, false, false};

float decode_mini(const MiniFloat& f, uint8_t bits);
uint8_t encode_mini(const MiniFloat& f, float value, bool saturate = true);

float decode_e8m0(uint8_t bits);  // 2^(bits - 127); 255 is NaN (OCP Microscaling formats v1.0)
// round: 'u' up, 'd' down, 'n' nearest (Cast-25's round_mode).
uint8_t encode_e8m0(float value, bool saturate = true, char round = 'u');

}  // namespace lathe
