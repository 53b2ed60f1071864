#include "tools/view/precision_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tools/cli.h"

namespace lathe::view {
namespace {

// As many characters as fit, the end of a name rather than its beginning: that is where names differ.
std::string tail(const std::string& text, size_t width) {
  const std::string s = cli::printable(text);
  return s.size() <= width ? s : "..." + s.substr(s.size() - width + 3);
}

std::string bytes(int64_t n) { return cli::human_bytes(static_cast<double>(n)); }

}  // namespace

std::map<std::string, RoleBytes> bytes_by_role(const Findings& f) {
  std::map<std::string, RoleBytes> out;
  for (const WeightRecord& r : f.weights) {
    RoleBytes& b = out[r.role];
    b.before += r.before;
    b.after += r.after;
    b.weights += r.before > 0;
  }
  return out;
}

std::string explain_text(const Findings& f) {
  if (f.weights.empty()) return "no pass decided about weights (try --passes=fuse,quant4 or --policy=FILE)\n";
  constexpr size_t kName = 44;
  std::string out = fmt::format("{:>5} {:<22} {:<{}} {:<24} {:>9} {:>9} {:>7}  {}\n", "layer", "role",
                                "weight", kName, "scheme", "before", "after", "error", "why");
  std::map<std::string, RoleBytes> rest;
  for (const WeightRecord& r : f.weights) {
    if (r.scheme == "float" && (r.why == "no matrix" || r.why == "norms stay")) {
      RoleBytes& b = rest[r.role];
      b.before += r.before;
      ++b.weights;
      continue;
    }
    out += fmt::format("{:>5} {:<22} {:<{}} {:<24} {:>9} {:>9} {:>7}  {}\n",
                       r.layer >= 0 ? std::to_string(r.layer) : "-",
                       r.part.empty() ? r.role : r.role + " " + r.part, tail(r.weight, kName), kName,
                       r.scheme, bytes(r.before), bytes(r.after),
                       r.scheme == "float" ? "-" : fmt::format("{:.4f}", r.error), cli::printable(r.why));
  }
  for (const auto& [role, b] : rest)
    out += fmt::format("{:>5} {:<22} {:<{}} {:<24} {:>9} {:>9} {:>7}  {}\n", "-", role,
                       fmt::format("{} vectors and small tensors", b.weights), kName, "float",
                       bytes(b.before), bytes(b.before), "-", role == "norm" ? "norms stay" : "no matrix");
  out += fmt::format("\n{:<24} {:>8} {:>10} {:>10} {:>7}\n", "role", "tensors", "before", "after", "ratio");
  RoleBytes sum;
  const auto line = [&](const std::string& role, const RoleBytes& b) {
    out +=
        fmt::format("{:<24} {:>8} {:>10} {:>10} {:>7.3f}\n", role, b.weights, bytes(b.before), bytes(b.after),
                    b.before > 0 ? static_cast<double>(b.after) / static_cast<double>(b.before) : 1.0);
  };
  for (const auto& [role, b] : bytes_by_role(f)) {
    line(role, b);
    sum.before += b.before;
    sum.after += b.after;
    sum.weights += b.weights;
  }
  line("all", sum);
  return out;
}

std::string forecast_text(const std::vector<Forecast>& f, int64_t bytes) {
  std::string out = fmt::format("{:>9} {:>7}  {:<34} {}\n", "size", "ratio", "--passes", "what");
  for (const Forecast& v : f)
    out += fmt::format("{:>9} {:>7.3f}  {:<34} {}\n", cli::human_bytes(static_cast<double>(v.bytes)),
                       bytes > 0 ? static_cast<double>(v.bytes) / static_cast<double>(bytes) : 0.0, v.passes,
                       v.what);
  return out;
}

}  // namespace lathe::view
