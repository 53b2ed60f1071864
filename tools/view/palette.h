// Colors of models' pictures and pages: each a light and a dark pair, so that text stays readable in both
// themes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lathe::view {

struct Swatch {
  std::string_view name;
  std::string_view fill, line;            // light theme
  std::string_view dark_fill, dark_line;  // dark theme
};

// What the color of a box tells.
enum class ColorBy : uint8_t { role, type, cost, change };
inline constexpr std::array<std::string_view, 4> kColorNames = {"role", "type", "cost", "change"};
std::span<const Swatch> palette(ColorBy by);

// Of the palette for cost: the step for this part of the whole.
size_t cost_step(double share);
inline constexpr std::array<double, 6> kCostSteps = {0.002, 0.01, 0.03, 0.08, 0.2, 0.45};  // upper bounds

struct Theme {
  std::string_view page, ink, soft, line, card, pill, edge;
};
inline constexpr Theme kLight = {"#ffffff", "#1c2430", "#5f6975", "#d8dde3", "#f6f7f9", "#eef1f4", "#8f99a5"};
inline constexpr Theme kDark = {"#14181d", "#e6eaef", "#a3adb8", "#303842", "#1b2027", "#262c34", "#75808c"};

}  // namespace lathe::view
