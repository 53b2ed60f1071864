#include "tools/view/palette.h"

namespace lathe::view {
namespace {

constexpr std::array<Swatch, 8> kRoles = {{
    {"other", "#f1f3f5", "#aab3bd", "#262c33", "#5c6672"},
    {"embedding", "#fdf0d0", "#d09a1c", "#3b3018", "#c99a35"},
    {"attention", "#dcebfb", "#3f83cc", "#1b2f45", "#5b9be0"},
    {"feed-forward", "#dff3e4", "#3b9a58", "#1b3424", "#55b875"},
    {"norm", "#ece6f8", "#8467c4", "#2c2541", "#9d84db"},
    {"pooling", "#d9f1f1", "#2f9496", "#17333a", "#47b3b5"},
    {"head", "#fbe0e6", "#c94f6d", "#3f2029", "#e07590"},
    {"convolution", "#fde6d6", "#d5712c", "#402818", "#e58b4c"},
}};

constexpr std::array<Swatch, 7> kTypes = {{
    {"other", "#f1f3f5", "#aab3bd", "#262c33", "#5c6672"},
    {"float32, float64", "#dcebfb", "#3f83cc", "#1b2f45", "#5b9be0"},
    {"float16", "#dff3e4", "#3b9a58", "#1b3424", "#55b875"},
    {"bfloat16", "#d9f1f1", "#2f9496", "#17333a", "#47b3b5"},
    {"8 bits", "#ece6f8", "#8467c4", "#2c2541", "#9d84db"},
    {"below 8 bits", "#fbe0e6", "#c94f6d", "#3f2029", "#e07590"},
    {"integer, bool", "#fdf0d0", "#d09a1c", "#3b3018", "#c99a35"},
}};

constexpr std::array<Swatch, 7> kCost = {{
    {"below 0.2% of FLOPs", "#f4f5f6", "#aab3bd", "#22272e", "#59636f"},
    {"1%", "#fdf3d8", "#d9b24a", "#33301f", "#a08a3c"},
    {"3%", "#fde7b5", "#d99a2b", "#443716", "#bd9330"},
    {"8%", "#fcd391", "#cf7f1c", "#573a12", "#d08f2c"},
    {"20%", "#f9b878", "#c4631c", "#6b3a14", "#de8432"},
    {"45%", "#f39a70", "#b3431f", "#7c3420", "#ea7a4e"},
    {"more", "#ea7f6f", "#9c2722", "#8b2a28", "#f27a72"},
}};

constexpr std::array<Swatch, 3> kChange = {{
    {"as before", "#f1f3f5", "#aab3bd", "#262c33", "#5c6672"},
    {"changed", "#fdf0d0", "#d09a1c", "#3b3018", "#d9aa3c"},
    {"new", "#dff3e4", "#2f9e54", "#1b3424", "#4fc07a"},
}};

}  // namespace

std::span<const Swatch> palette(ColorBy by) {
  switch (by) {
    case ColorBy::type:
      return kTypes;
    case ColorBy::cost:
      return kCost;
    case ColorBy::change:
      return kChange;
    case ColorBy::role:
      break;
  }
  return kRoles;
}

size_t cost_step(double share) {
  size_t i = 0;
  while (i < kCostSteps.size() && share >= kCostSteps[i]) ++i;
  return i;
}

}  // namespace lathe::view
