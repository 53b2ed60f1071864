#include "tools/view/front_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ir/base/error.h"
#include "ir/base/output_file.h"
#include "tools/cli.h"
#include "tools/markup.h"

namespace lathe::view {
namespace {

std::string number(double x, const char* format = "{:.5f}") {
  return std::isfinite(x) ? fmt::format(fmt::runtime(format), x) : std::string("-");
}

// A scale of the plot: from values to pixels.
struct Axis {
  double low, high, from, to;
  double at(double x) const { return from + (x - low) / (high - low) * (to - from); }
};

double step_of(double range) {
  const double power = std::pow(10.0, std::floor(std::log10(range / 4)));
  for (const double m : {1.0, 2.0, 5.0, 10.0})
    if (range / (m * power) <= 6) return m * power;
  return 10 * power;
}

}  // namespace

std::string front_text(const Findings& f) {
  if (f.front.empty()) return "";
  const bool kl =
      std::any_of(f.front.begin(), f.front.end(), [](const FrontPoint& p) { return std::isfinite(p.kl); });
  std::string out = fmt::format(
      "Pareto front ({} points; * is the choice)\n  {:>9} {:>9} {:>9}{} {:>8}  {}\n", f.front.size(), "size",
      "mean cos", "min cos", kl ? "        KL" : "", "latency", "bits/block by role");
  for (const FrontPoint& p : f.front)
    out += fmt::format("{} {:>9} {:>9} {:>9}{} {:>7.2f}x  {}\n", p.chosen ? '*' : ' ',
                       cli::human_bytes(static_cast<double>(p.bytes)), number(p.mean), number(p.min),
                       kl ? fmt::format(" {:>9}", number(p.kl)) : "", p.latency, cli::printable(p.what));
  return out;
}

nlohmann::ordered_json front_json(const Findings& f) {
  auto all = nlohmann::ordered_json::array();
  for (const FrontPoint& p : f.front) {
    nlohmann::ordered_json j;
    j["bytes"] = p.bytes;
    j["predicted_loss"] = p.predicted;
    j["mean_cosine"] = p.mean;
    j["min_cosine"] = p.min;
    if (std::isfinite(p.kl)) j["kl"] = p.kl;
    j["latency"] = p.latency;
    j["what"] = p.what;
    j["chosen"] = p.chosen;
    all.push_back(std::move(j));
  }
  return all;
}

std::string front_svg(const Findings& f, const std::string& title) {
  constexpr double kWidth = 760, kHeight = 460, kLeft = 84, kRight = 24, kTop = 48, kBottom = 60;
  const auto error = [](const FrontPoint& p) { return std::log10(std::max(1 - p.min, 1e-6)); };
  double low_x = 1e300, high_x = -1e300, low_y = 1e300, high_y = -1e300;
  for (const FrontPoint& p : f.front) {
    low_x = std::min(low_x, static_cast<double>(p.bytes) / 1e6);
    high_x = std::max(high_x, static_cast<double>(p.bytes) / 1e6);
    low_y = std::min(low_y, error(p));
    high_y = std::max(high_y, error(p));
  }
  if (f.front.empty()) low_x = low_y = 0, high_x = high_y = 1;
  const double pad = std::max((high_x - low_x) * 0.04, 1e-6);
  const Axis x{low_x - pad, high_x + pad, kLeft, kWidth - kRight};
  const Axis y{std::floor(low_y), std::max(std::ceil(high_y), std::floor(low_y) + 1), kHeight - kBottom,
               kTop};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<style>\n"
      "svg {{ --ink: #24292f; --line: #d0d7de; --paper: #ffffff; --dot: #0969da; --chosen: #cf222e; }}\n"
      "@media (prefers-color-scheme: dark) {{ svg {{ --ink: #e6edf3; --line: #30363d; --paper: #0d1117; "
      "--dot: #58a6ff; --chosen: #ff7b72; }} }}\n"
      "text {{ fill: var(--ink); }}\n</style>\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"var(--paper)\"/>\n",
      kWidth, kHeight);
  out += fmt::format("<text x=\"{}\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>\n", kLeft,
                     cli::xml(cli::printable(title)));
  const double step = step_of(x.high - x.low);
  const double first = std::ceil(x.low / step) * step;
  for (int i = 0; first + i * step <= x.high; ++i) {
    const double v = first + i * step;
    out += fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"var(--line)\"/>",
                       x.at(v), kTop, kHeight - kBottom);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x.at(v),
                       kHeight - kBottom + 18, v);
  }
  for (int i = 0; y.low + i <= y.high; ++i) {
    const double e = y.low + i;
    for (const double m : {1.0, 2.0, 5.0}) {
      const double v = e + std::log10(m);
      if (v > y.high) break;
      out += fmt::format("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"var(--line)\"/>",
                         kLeft, kWidth - kRight, y.at(v));
      out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n", kLeft - 8,
                         y.at(v) + 4, 1 - m * std::pow(10.0, e));
    }
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">size in MB</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 18);
  out += fmt::format(
      "<text transform=\"translate(20 {}) rotate(-90)\" text-anchor=\"middle\">least cosine</text>\n",
      (kTop + kHeight - kBottom) / 2);
  std::string path;
  for (const FrontPoint& p : f.front)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L",
                        x.at(static_cast<double>(p.bytes) / 1e6), y.at(error(p)));
  out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"var(--dot)\" stroke-width=\"1.5\"/>\n", path);
  for (const FrontPoint& p : f.front)
    out += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"var(--{})\"><title>{}: mean {}, min {}, "
        "latency {:.2f}x; {}</title></circle>\n",
        x.at(static_cast<double>(p.bytes) / 1e6), y.at(error(p)), p.chosen ? 6 : 4,
        p.chosen ? "chosen" : "dot", cli::human_bytes(static_cast<double>(p.bytes)), number(p.mean),
        number(p.min), p.latency, cli::xml(cli::printable(p.what)));
  return out + "</svg>\n";
}

void write_front(const Findings& f, const std::filesystem::path& path, const std::string& title) {
  std::string text;
  if (path.extension() == ".svg")
    text = front_svg(f, title);
  else if (path.extension() == ".json")
    text = front_json(f).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  else
    fail_usage("--front wants a name that ends in .svg or .json, not '{}'", path.string());
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace lathe::view
