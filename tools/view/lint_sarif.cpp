#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "ir/base/hash.h"
#include "tools/cli.h"
#include "tools/view/lint_view.h"

namespace lathe::view {
namespace {

using Json = nlohmann::ordered_json;
using lint::Finding;
using lint::LintDef;

// RFC 3986: relative paths stay relative, so that a review tool finds them below its checkout.
std::string uri(const std::string& path) {
  std::string out = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("-._~/").find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

Json text(const std::string& s) { return {{"text", s}}; }

std::string sentence(std::string s) {
  if (!s.empty()) s[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(s[0])));
  return s + ".";
}

Json rule(const LintDef& l) {
  return {{"id", l.id},
          {"shortDescription", text(sentence(l.summary))},
          {"fullDescription", text(l.help)},
          {"help", text("Fix: " + l.fix + ".")},
          {"defaultConfiguration", {{"level", word(l.severity)}}},
          {"properties", {{"tags", {l.group}}}}};
}

Json result(const Finding& f, const std::string& path, size_t artifact) {
  const std::string place =
      f.place.name.empty() ? "" : fmt::format("{} '{}': ", word(f.place.kind), f.place.name);
  Json location = {{"physicalLocation",
                    {{"artifactLocation", {{"uri", uri(path)}, {"index", artifact}}},
                     {"region", {{"startLine", 1}}}}}};  // some viewers want one, even of a binary file
  if (!f.place.name.empty())
    location["logicalLocations"] = {{{"name", f.place.name}, {"kind", word(f.place.kind)}}};
  const uint64_t print = hash_string(f.lint->id + '\0' + f.place.name + '\0' + f.text);
  return {{"ruleId", f.lint->id},
          {"ruleIndex", static_cast<size_t>(f.lint - lint::all_lints().data())},
          {"level", word(f.severity)},
          {"message", text(place + f.text)},
          {"locations", {std::move(location)}},
          {"partialFingerprints", {{"finding/v1", fmt::format("{:016x}", print)}}}};
}

}  // namespace

std::string lint_sarif(const std::vector<LintReport>& reports) {
  Json driver = {{"name", "onnx-inspect"}, {"version", cli::version()}, {"rules", Json::array()}};
  for (const LintDef& l : lint::all_lints()) driver["rules"].push_back(rule(l));
  Json run = {
      {"tool", {{"driver", std::move(driver)}}}, {"artifacts", Json::array()}, {"results", Json::array()}};
  bool loaded = true;
  for (size_t i = 0; i < reports.size(); ++i) {
    run["artifacts"].push_back({{"location", {{"uri", uri(reports[i].path)}}}});
    for (const Finding& f : reports[i].findings) run["results"].push_back(result(f, reports[i].path, i));
    loaded = loaded && !reports[i].refused;
  }
  run["invocations"] = {{{"executionSuccessful", loaded}}};
  const Json log = {
      {"$schema",
       "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", {std::move(run)}}};
  return log.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::view
