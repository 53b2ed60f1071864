#include "tools/view/page.h"

#include <fmt/format.h>

#include "tools/markup.h"
#include "tools/view/assets.h"
#include "tools/view/page_data.h"

namespace lathe::view {

std::string make_page(const Scene& s, ColorBy by) {
  const std::string light = theme_variables(kLight) +
                            "--focus:#1f6fd0;--link:#1a5fb4;--bar:#5b95d6;--dark:0;color-scheme:light",
                    dark = theme_variables(kDark) +
                           "--focus:#7cb7ff;--link:#8dc0ff;--bar:#4f86c4;--dark:1;color-scheme:dark";
  return html_page({
      .title = cli::xml(cli::shown(s.title, 80)),
      .style = fmt::format(
          ":root{{{0}}}\n@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{1}}}}}\n"
          ":root[data-theme=dark]{{{1}}}\n{2}",
          light, dark, assets({"base.css", "model.css"})),
      .body = std::string(asset("model.html")),
      .data = page_data(s, by).dump(-1, ' ', false, Json::error_handler_t::replace),
      .script = assets({"model-data.js", "model-layout.js", "model-scene.js", "model-draw.js",
                        "model-panel.js", "model-main.js"}),
  });
}

}  // namespace lathe::view
