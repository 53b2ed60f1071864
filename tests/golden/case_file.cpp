#include "tests/golden/case_file.h"

#include <fstream>
#include <optional>
#include <sstream>

#include "ir/base/error.h"

namespace lathe {
namespace {

std::string trimmed(const std::string& s) {
  const size_t first = s.find_first_not_of(" \n\r\t");
  if (first == std::string::npos) return {};
  return s.substr(first, s.find_last_not_of(" \n\r\t") - first + 1);
}

std::optional<std::string> field(const std::string& line, const std::string& name) {
  if (!line.starts_with(name + ":")) return std::nullopt;
  return trimmed(line.substr(name.size() + 1));
}

}  // namespace

GoldenCase read_case(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) fail("{}: cannot be read", path.string());
  GoldenCase c;
  std::string line;
  bool in_model = false, in_expect = false;
  std::ostringstream head, input, expect;
  while (std::getline(file, line)) {
    if (in_expect) {
      expect << line << '\n';
      continue;
    }
    head << line << '\n';
    if (line == "expect:") {
      in_expect = true;
    } else if (in_model) {
      input << line << '\n';
    } else if (const auto run = field(line, "run")) {
      c.run = *run;
    } else if (const auto target = field(line, "target")) {
      c.target = *target;
    } else if (const auto growth = field(line, "growth")) {
      c.growth = std::stoll(*growth);
    } else if (const auto remark = field(line, "remarks")) {
      c.remarks.push_back(*remark);
    } else if (const auto check = field(line, "check")) {
      c.executes = *check != "none";
    } else if (!line.empty() && !line.starts_with('#')) {
      in_model = true;
      input << line << '\n';
    }
  }
  if (!in_expect) fail("{}: no 'expect:' line", path.string());
  c.head = head.str();
  c.input = input.str();
  c.expect = trimmed(expect.str());
  return c;
}

void write_expectation(const std::filesystem::path& path, const GoldenCase& c, const std::string& text) {
  std::ofstream(path) << c.head << text << '\n';
}

}  // namespace lathe
