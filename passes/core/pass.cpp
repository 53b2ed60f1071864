#include "passes/core/pass.h"

#include <algorithm>
#include <charconv>

namespace lathe {
namespace {

template <class T>
bool parse(const std::string& text, T& out, std::string_view& rest) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  rest = {end, static_cast<size_t>(text.data() + text.size() - end)};
  return error == std::errc{};
}

}  // namespace

PassOptions::PassOptions(std::string pass, const std::vector<OptionDef>& defs,
                         std::map<std::string, std::string> given)
    : pass_(std::move(pass)) {
  // An option in capitals stands for names of the user's own; its text is all of them, a "name=value" a line.
  std::string* open = nullptr;
  for (const OptionDef& d : defs) {
    values_[d.name] = d.otherwise;
    if (std::none_of(d.name.begin(), d.name.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
      open = &values_[d.name];
  }
  for (auto& [name, value] : given) {
    const auto it = values_.find(name);
    if (it == values_.end() && open != nullptr) {
      *open += name + "=" + value + "\n";
      continue;
    }
    if (it == values_.end()) {
      std::string known;
      for (const OptionDef& d : defs) known += (known.empty() ? "" : ", ") + d.name;
      fail_usage("pass '{}' has no option '{}' ({})", pass_, name,
                 known.empty() ? "it has none" : "known: " + known);
    }
    it->second = std::move(value);
  }
}

const std::string& PassOptions::text(std::string_view name) const { return values_.find(name)->second; }

int64_t PassOptions::integer(std::string_view name) const {
  static const std::map<std::string_view, int64_t> kUnits = {
      {"", 1},         {"k", 1000},      {"kB", 1000},        {"KB", 1000},
      {"M", 1000'000}, {"MB", 1000'000}, {"G", 1000'000'000}, {"GB", 1000'000'000}};
  const std::string& s = text(name);
  int64_t v = 0;
  std::string_view unit;
  if (!parse(s, v, unit) || !kUnits.contains(unit) || __builtin_mul_overflow(v, kUnits.at(unit), &v))
    fail_usage("pass '{}': option '{}' wants a whole number, not '{}'", pass_, name, s);
  return v;
}

double PassOptions::number(std::string_view name) const {
  const std::string& s = text(name);
  double v = 0;
  std::string_view rest;
  if (!parse(s, v, rest) || !rest.empty())
    fail_usage("pass '{}': option '{}' wants a number, not '{}'", pass_, name, s);
  return v;
}

bool PassOptions::flag(std::string_view name) const {
  const std::string& s = text(name);
  if (s == "true" || s == "yes" || s == "1") return true;
  if (s == "false" || s == "no" || s == "0") return false;
  fail_usage("pass '{}': option '{}' wants true or false, not '{}'", pass_, name, s);
}

const std::string& PassOptions::choice(std::string_view name, const std::vector<std::string>& words) const {
  const std::string& s = text(name);
  if (std::find(words.begin(), words.end(), s) != words.end()) return s;
  fail_usage("pass '{}': option '{}' wants one of {}, not '{}'", pass_, name, fmt::join(words, ", "), s);
}

const PassDef* find_pass(std::string_view name) {
  for (const PassDef& p : all_passes())
    if (p.name == name) return &p;
  return nullptr;
}

const GroupDef* find_group(std::string_view name) {
  for (const GroupDef& g : all_groups())
    if (g.name == name) return &g;
  return nullptr;
}

}  // namespace lathe
