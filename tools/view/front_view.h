// The Pareto front that a search found: a table, JSON, a plot.
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "passes/core/findings.h"

namespace lathe::view {

std::string front_text(const Findings& f);
nlohmann::ordered_json front_json(const Findings& f);
// Size against 1 - least cosine, on a logarithmic scale. Light and dark by the viewer's preference.
std::string front_svg(const Findings& f, const std::string& title);

// As the name ends: .svg, .json; anything else is a usage error.
void write_front(const Findings& f, const std::filesystem::path& path, const std::string& title);

}  // namespace lathe::view
