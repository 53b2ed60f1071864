// Names from files in messages: one line, whatever the file says.
#pragma once
#include <string>
#include <string_view>

namespace lathe {

// 'name' with control bytes and invalid UTF-8 as \xNN, cut after `limit` bytes.
std::string quote(std::string_view name, size_t limit = 100);

}  // namespace lathe
