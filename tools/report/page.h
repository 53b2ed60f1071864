// The report of onnx-opt as a page to read: Markdown or one HTML file. What it says is in one place; how it
// is written, in two.
#pragma once
#include <string>
#include <vector>

#include "tools/view/opt_report.h"

namespace lathe::report {

struct Section {
  std::string title;
  std::vector<std::string> head;  // of the columns; the first is text, the others are numbers
  std::vector<std::vector<std::string>> rows;
  std::string note;  // below
};

struct Page {
  std::string title, lead;
  std::vector<Section> sections;
  std::string plot;  // SVG of the Pareto front; empty without one
};

Page make_page(const view::OptReport& r);
std::string to_markdown(const Page& p);
std::string to_html(const Page& p);

}  // namespace lathe::report
