#include "ir/base/quote.h"

#include <fmt/format.h>

#include <cstdint>

namespace lathe {
namespace {

// Length of the well-formed UTF-8 sequence at the start of s (Unicode 15, table 3-7), or 0.
size_t utf8_length(std::string_view s) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const uint8_t a = at(0), b = at(1);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    const bool valid = tail(1) && tail(2) && !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b > 0x9f);
    return valid ? 3 : 0;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    const bool valid = tail(1) && tail(2) && tail(3) && !(a == 0xf0 && b < 0x90) && !(a == 0xf4 && b > 0x8f);
    return valid ? 4 : 0;
  }
  return 0;
}

bool is_control(std::string_view c) {
  const auto a = static_cast<uint8_t>(c[0]);
  if (c.size() == 1) return a < 0x20 || a == 0x7f;
  // C1 controls, and the separators and direction marks that would break or turn the line.
  return (a == 0xc2 && static_cast<uint8_t>(c[1]) < 0xa0) ||
         (a == 0xe2 && static_cast<uint8_t>(c[1]) == 0x80 && static_cast<uint8_t>(c[2]) >= 0xa8 &&
          static_cast<uint8_t>(c[2]) <= 0xae);
}

}  // namespace

std::string quote(std::string_view name, size_t limit) {
  std::string out = "'";
  size_t i = 0;
  while (i < name.size() && i < limit) {
    const size_t n = utf8_length(name.substr(i));
    const std::string_view c = name.substr(i, n == 0 ? 1 : n);
    if (n == 0 || is_control(c)) {
      for (const char byte : c) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    } else {
      out += c;
    }
    i += c.size();
  }
  if (i < name.size()) out += fmt::format("... ({} bytes)", name.size());
  return out + "'";
}

}  // namespace lathe
