#include "tools/diff/fail_on.h"

#include "ir/base/error.h"
#include "ir/base/parse.h"
#include "ir/base/quote.h"

namespace lathe::cli {

FailOn FailOn::parse(const std::string& text) {
  FailOn f;
  if (text.empty()) return f;
  f.interface = f.ops = f.values = false;
  f.weights.reset();
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    const size_t more = word.find('>');
    const std::string name = word.substr(0, more);
    std::optional<double> limit;
    if (more != std::string::npos) {
      limit = parse_number<double>(std::string_view(word).substr(more + 1));
      if (!limit || !(*limit >= 0) || (name != "weights" && name != "values"))
        fail_usage("--fail-on does not know {} (weights>NUMBER and values>NUMBER can have a limit)",
                   quote(word));
    }
    if (name == "interface") {
      f.interface = true;
    } else if (name == "ops") {
      f.ops = true;
    } else if (name == "weights") {
      f.weights = limit.value_or(0);
    } else if (name == "values") {
      f.values = true;
      f.values_above = limit;
    } else {
      fail_usage("--fail-on does not know {} (known: interface, ops, weights, weights>X, values, values>X)",
                 quote(word));
    }
    at = end + 1;
  }
  return f;
}

bool FailOn::trips(const diff::Diff& d, const diff::RunReport* run) const {
  if (interface && !d.same_interface()) return true;
  if (ops && !d.same_ops()) return true;
  if (values && run != nullptr)
    for (const auto& v : run->outputs)
      if (values_above ? !(v.relative() <= *values_above) : !v.same) return true;
  if (!weights) return false;
  // What could not be compared counts as different.
  for (const auto& c : d.weights.changes)
    if (!c.compared || *weights == 0 || !(c.stats.relative <= *weights)) return true;
  return *weights == 0 && d.weights.only_a + d.weights.only_b > 0;
}

}  // namespace lathe::cli
