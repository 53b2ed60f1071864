// Text of a file's own inside pictures and pages.
#pragma once
#include <string>
#include <string_view>

namespace lathe::cli {

// As it may be printed: control bytes and invalid UTF-8 escaped, at most `limit` bytes.
std::string shown(std::string_view name, size_t limit = 80);
// Its last `limit` bytes: what tells one of many long names from the next.
std::string tail(std::string_view name, size_t limit);
// Escaped for XML and HTML, text and attributes.
std::string xml(std::string_view text);

}  // namespace lathe::cli
