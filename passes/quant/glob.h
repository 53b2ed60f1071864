// Patterns of names.
#pragma once
#include <string_view>

namespace lathe {

// Does the pattern match the whole text? '*' stands for any run of characters, and `one`, if given, for any
// one. Linear but for the last star, to which it goes back.
bool glob_matches(std::string_view pattern, std::string_view text, char one = '\0');

}  // namespace lathe
