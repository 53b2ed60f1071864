// A model as one HTML file that needs nothing else: pan, zoom, search, open and close parts, what each node
// is.
#pragma once
#include <string>

#include "tools/view/scene.h"

namespace lathe::view {

std::string make_page(const Scene& s, ColorBy by);

}  // namespace lathe::view
