#include "tools/inspect/draw.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tools/view/page.h"
#include "tools/view/picture.h"

namespace lathe::inspect {
namespace {

constexpr std::array<const char*, 4> kForms = {"dot", "svg", "png", "html"};

view::ColorBy color_by(const cli::po::variables_map& v) {
  const std::string name = v["color"].as<std::string>();
  const auto at = std::find(view::kColorNames.begin(), view::kColorNames.end(), name);
  if (at == view::kColorNames.end()) fail_usage("--color is role, type, cost or change, not '{}'", name);
  return static_cast<view::ColorBy>(at - view::kColorNames.begin());
}

}  // namespace

void add_draw_options(cli::po::options_description& options) {
  using cli::po::value;
  options.add_options()("html", "as one page to look around in: search, open and close parts, see weights")(
      "svg", "as a picture: roles and repeated blocks, not nodes")("png", "as a bitmap")(
      "dot", "as graphviz's text")(
      "depth", value<int>(),
      "what a picture opens: 1 nothing, 2 repeated blocks (default), 3 every unit, 4 every layer")(
      "color", value<std::string>()->default_value("role"), "what colors tell: role, type, cost, change")(
      "base", value<std::string>()->value_name("OLD.onnx"),
      "an older version, for --color=change (without it: what the recorded rewrites made)")(
      "output,o", value<std::string>()->value_name("FILE"), "write there, not to standard output");
}

bool draws(const cli::po::variables_map& v) {
  const auto asked =
      std::count_if(kForms.begin(), kForms.end(), [&](const char* f) { return v.count(f) > 0; });
  if (asked > 1) fail_usage("one of --dot, --svg, --png and --html at a time");
  if (asked == 0) {
    for (const char* name : {"depth", "base"})
      if (v.count(name) > 0) fail_usage("--{} goes with --svg, --png, --dot or --html", name);
    return false;
  }
  color_by(v);
  if (v.count("html") > 0 && v.count("depth") > 0)
    fail_usage("--depth is of pictures; a page opens and closes parts itself");
  if (v.count("depth") > 0 &&
      (v["depth"].as<int>() < view::kDepthBlocks || v["depth"].as<int>() > view::kDepthAll))
    fail_usage("--depth is {} to {}, not {}", view::kDepthBlocks, view::kDepthAll, v["depth"].as<int>());
  if (v.count("png") > 0 && v.count("output") == 0 && cli::is_terminal(STDOUT_FILENO))
    fail_usage("--png is no text for a terminal: add -o FILE");
  return true;
}

std::string drawn(Model m, const std::string& title, const cli::po::variables_map& v,
                  const std::function<Model(const std::string&)>& load) {
  std::optional<Model> base;
  if (v.count("base") > 0)
    cli::about(v["base"].as<std::string>(), [&] { base = load(v["base"].as<std::string>()); });
  const view::Scene s = view::make_scene(
      std::move(m), title, v.count("dim") > 0 ? v["dim"].as<std::string>() : "", base ? &*base : nullptr);
  if (v.count("html") > 0) return view::make_page(s, color_by(v));
  const view::Picture p =
      view::make_picture(s, v.count("depth") > 0 ? v["depth"].as<int>() : view::kDepthUnits, color_by(v));
  return view::draw(p, v.count("svg") > 0   ? view::PictureForm::svg
                       : v.count("png") > 0 ? view::PictureForm::png
                                            : view::PictureForm::dot);
}

}  // namespace lathe::inspect
