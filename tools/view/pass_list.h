// The passes as their declarations tell them: for --list-passes and docs/passes.md.
#pragma once
#include <string>

namespace lathe::view {

std::string passes_text();
std::string passes_json();
std::string passes_markdown();

}  // namespace lathe::view
