#include "tools/diff/fail_on.h"

#include <charconv>

#include "ir/base/error.h"
#include "ir/base/quote.h"

namespace lathe::cli {

FailOn FailOn::parse(const std::string& text) {
  FailOn f;
  if (text.empty()) return f;
  f.interface = f.ops = false;
  f.weights.reset();
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    const size_t more = word.find('>');
    const std::string name = word.substr(0, more);
    double limit = 0;
    if (more != std::string::npos) {
      const char* last = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data() + more + 1, last, limit);
      if (error != std::errc() || stop != last || !(limit >= 0) || name != "weights")
        fail_usage("--fail-on does not know {} (weights>NUMBER can have a limit)", quote(word));
    }
    if (name == "interface")
      f.interface = true;
    else if (name == "ops")
      f.ops = true;
    else if (name == "weights")
      f.weights = limit;
    else
      fail_usage("--fail-on does not know {} (known: interface, ops, weights, weights>X)", quote(word));
    at = end + 1;
  }
  return f;
}

bool FailOn::trips(const diff::Diff& d) const {
  if (interface && !d.same_interface()) return true;
  if (ops && !d.same_ops()) return true;
  if (!weights) return false;
  for (const auto& c : d.weights.changes)
    if (!c.compared || c.stats.relative > *weights || (*weights == 0)) return true;
  return *weights == 0 && d.weights.only_a + d.weights.only_b > 0;
}

}  // namespace lathe::cli
