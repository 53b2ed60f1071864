// The style and script files of tools/view/assets, compiled into the programs.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "tools/view/palette.h"

namespace lathe::view {

std::string_view asset(std::string_view name);                      // "base.css"
std::string assets(std::initializer_list<std::string_view> names);  // one after the other

// "--ink:#1c2430;...": the colors of a theme as CSS variables.
std::string theme_variables(const Theme& t);

struct PageParts {
  std::string title, style, body, data, script;  // data: JSON, or empty; title and body: markup
};
// One HTML file. Only its own script runs: the content security policy names its hash, so that nothing in a
// model could run even if it were not escaped; nothing is loaded from anywhere.
std::string html_page(const PageParts& p);

}  // namespace lathe::view
