// A pass: name, summary, options, and rules or a function. Help, docs, presets and fuzz lists derive from
// this one declaration. Adding one: its file, and its line in all_passes.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "passes/core/context.h"

namespace lathe {

struct OptionDef {
  std::string name, summary, otherwise;  // otherwise: the default, as text
};

// Options of one pass in a pipeline, "quant4{block=64,symmetric=false}". Values that do not parse are usage
// errors that name pass and option. A flag alone ("fast") means true.
class PassOptions {
 public:
  PassOptions(std::string pass, const std::vector<OptionDef>& defs, std::map<std::string, std::string> given);
  const std::string& text(std::string_view name) const;
  int64_t integer(std::string_view name) const;  // "64", sizes too: "20MB", "4k"
  double number(std::string_view name) const;
  bool flag(std::string_view name) const;
  // One of the words, or a usage error that lists them.
  const std::string& choice(std::string_view name, const std::vector<std::string>& words) const;

 private:
  std::string pass_;
  std::map<std::string, std::string, std::less<>> values_;
};

struct PassDef {
  std::string name, group, summary;  // group: heading in help and docs ("cleanup", "fold", "fusion", ...)
  std::vector<OptionDef> options = {};
  std::function<void(PassContext&, const PassOptions&)> run = {};
  std::vector<Rule> rules = {};  // instead of run: applied to a fixed point
};

// A named list of passes and groups, optionally repeated until nothing changes.
struct GroupDef {
  std::string name, summary;
  std::string pipeline;
  bool repeat = false;
};

const std::vector<PassDef>& all_passes();
const std::vector<GroupDef>& all_groups();
const PassDef* find_pass(std::string_view name);
const GroupDef* find_group(std::string_view name);

}  // namespace lathe
