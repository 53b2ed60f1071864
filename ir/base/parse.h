#pragma once
#include <charconv>
#include <optional>
#include <string_view>

namespace lathe {

// A number that is the whole of the text; none where it is not, or does not fit T.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace lathe
