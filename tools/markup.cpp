#include "tools/markup.h"

#include "ir/base/quote.h"

namespace lathe::cli {

std::string shown(std::string_view name, size_t limit) {
  std::string q = quote(name, limit);
  const size_t end = q.rfind('\'');  // "'name'" or "'name... (900 bytes)'"
  return end != std::string::npos && end > 0 ? q.substr(1, end - 1) + q.substr(end + 1) : q;
}

std::string tail(std::string_view name, size_t limit) {
  std::string s = shown(name, 400);
  if (s.size() <= limit) return s;
  size_t at = s.size() - limit + 2;
  while (at < s.size() && (static_cast<unsigned char>(s[at]) & 0xc0) == 0x80)
    ++at;  // not inside of a character
  return ".." + s.substr(at);
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace lathe::cli
