// A lint: one declaration, and a function that looks at a model and reports what it finds. Help,
// docs/lints.md, SARIF rules and the tests' lists derive from the declaration. Adding one: its file, its line
// in all_lints.h and all_lints.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::lint {

class Context;

enum class Severity : uint8_t {
  note,     // worth knowing; nothing need be done
  warning,  // costs time, space or safety somewhere
  error,    // wrong, dangerous, or does not run
};
std::string_view word(Severity s);

struct Place {
  enum class Kind : uint8_t { model, node, value, initializer, input, output, function, file };
  Kind kind = Kind::model;
  std::string name;  // node_label() of a node; "" for the model
  bool operator==(const Place&) const = default;
};
std::string_view word(Place::Kind kind);

struct LintDef {
  std::string id, group;  // kebab-case; group: heading in help and docs
  Severity severity = Severity::warning;
  std::string summary;         // one line, lower case: what a finding is
  std::string help;            // why it matters, when it does not; sentences
  std::string fix;             // what to do, one line
  bool reads_weights = false;  // reads all of the weights: skipped by Settings::skip_weights
  bool reads_file = false;     // works on the file itself: runs even where the loader refuses it
  std::function<void(Context&)> run = {};
};

struct Finding {
  const LintDef* lint = nullptr;
  Severity severity = Severity::warning;
  Place place;
  std::string text;  // what is wrong there; equal texts are told once, with their places
};

const std::vector<LintDef>& all_lints();  // in the order of help and docs
const LintDef* find_lint(std::string_view id);
// Lints by ids and groups, "security,no-kernel"; "" and "all" are all. Unknown words are usage errors.
std::vector<const LintDef*> choose_lints(std::string_view text);

}  // namespace lathe::lint
