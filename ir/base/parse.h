#pragma once
#include <charconv>
#include <optional>
#include <string_view>

namespace lathe {

// A number that is the whole of the text; none where it is not, or does not fit T.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace lathe
