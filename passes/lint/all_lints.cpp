// The list of lints, in the order of help and docs. A lint: its file, its line here.
#include "passes/lint/all_lints.h"

#include <algorithm>

#include "ir/base/error.h"

namespace lathe::lint {

const std::vector<LintDef>& all_lints() {
  static const std::vector<LintDef> lints = {
      refused_file(),
      external_path(),
      external_link(),
      two_payloads(),
      size_bomb(),
      call_bomb(),
      endless_loop(),
      integer_trap(),
      unreachable_data(),

      external_range(),
      external_checksum(),

      sloppy_file(),
      dead_node(),
      unused_initializer(),
      unused_input(),
      unused_output(),
      overridable_weights(),
      training_mode(),
      unseeded_random(),
      missing_names(),
      duplicate_names(),

      contradiction(),
      false_dynamic_axis(),
      wrong_shape(),
      anonymous_axis(),
      undeclared_shape(),

      newer_than_runtime(),
      no_kernel(),

      weight_nan(),
      weight_infinite(),
      weight_denormal(),
      constant_weight(),
      duplicate_weights(),
      beyond_float16(),

      float64_island(),
      cast_round_trip(),
      int64_arithmetic(),

      bad_scale(),
      u8s8_saturation(),

      unfused(),
      redundant_nodes(),
      slow_kernel(),
  };
  return lints;
}

const LintDef* find_lint(std::string_view id) {
  const auto& all = all_lints();
  const auto it = std::find_if(all.begin(), all.end(), [&](const LintDef& l) { return l.id == id; });
  return it == all.end() ? nullptr : &*it;
}

std::vector<const LintDef*> choose_lints(std::string_view text) {
  const auto& all = all_lints();
  std::vector<bool> chosen(all.size(), text.empty());
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    bool known = word == "all";
    for (size_t i = 0; i < all.size(); ++i)
      if (word == "all" || all[i].id == word || all[i].group == word) chosen[i] = known = true;
    if (!known) fail_usage("unknown lint or group '{}' (--list-lints lists all)", word);
  }
  std::vector<const LintDef*> out;
  for (size_t i = 0; i < all.size(); ++i)
    if (chosen[i]) out.push_back(&all[i]);
  return out;
}

std::string_view word(Severity s) {
  static constexpr std::string_view kWords[] = {"note", "warning", "error"};
  return kWords[static_cast<size_t>(s)];
}

std::string_view word(Place::Kind kind) {
  static constexpr std::string_view kWords[] = {"model", "node",   "value",    "initializer",
                                                "input", "output", "function", "file"};
  return kWords[static_cast<size_t>(kind)];
}

}  // namespace lathe::lint
