#include "tools/inspect/lint_command.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <iterator>

#include "ir/base/mapped_file.h"
#include "passes/lint/context.h"
#include "tools/view/lint_view.h"

namespace lathe::inspect {
namespace {

using lint::Severity;
using view::LintReport;

Severity fail_on(const std::string& word) {
  if (word == "error") return Severity::error;
  if (word == "warning") return Severity::warning;
  if (word == "note") return Severity::note;
  fail_usage("--fail-on: '{}' is none of error, warning, note", word);
}

LintReport look(const std::string& path, const Target& target, const std::vector<const lint::LintDef*>& lints,
                bool skip_weights) {
  const bool standard_input = path == "-";
  const auto file = standard_input
                        ? MappedFile::from_bytes(std::string(std::istreambuf_iterator<char>(std::cin), {}))
                        : MappedFile::open(path);
  std::filesystem::path folder = standard_input ? "" : std::filesystem::path(path).parent_path();
  if (!standard_input && folder.empty()) folder = ".";
  lint::Context context(file, path, folder, target);
  LintReport r{standard_input ? "stdin" : path, target.name(), context.refused(), 0, {}};
  r.lints = static_cast<size_t>(std::count_if(lints.begin(), lints.end(), [&](const lint::LintDef* l) {
    return !(skip_weights && l->reads_weights) && (!r.refused || l->reads_file);
  }));
  r.findings = run_lints(context, lints, skip_weights);
  return r;
}

}  // namespace

void add_lint_options(cli::po::options_description& options) {
  using cli::po::value;
  options.add_options()("lint", value<std::string>()->value_name("LINTS")->implicit_value("all"),
                        "what is wrong, slow or dangerous: all, or groups and ids (a,b)")(
      "list-lints", "every lint with its severity, and exit")(
      "target", value<std::string>()->value_name("RUNTIME")->default_value("ort-cpu"),
      "for --lint: ort-cpu, ort-web, ort-cuda, coreml, tensorrt or standard")(
      "fail-on", value<std::string>()->value_name("SEVERITY")->default_value("error"),
      "for --lint: exit code 1 from error, warning or note on")(
      "skip-weights", "for --lint: leave out what reads the weights")(
      "full", "for --lint: every finding, equal ones too")("sarif", "for --lint: as SARIF 2.1.0, one log");
}

int lint_command(const std::vector<std::string>& paths, const cli::po::variables_map& v) {
  const auto lints = lint::choose_lints(v["lint"].as<std::string>());
  const Target target = Target::named(v["target"].as<std::string>());
  const Severity limit = fail_on(v["fail-on"].as<std::string>());
  const bool json = v.count("json") > 0, sarif = v.count("sarif") > 0;
  if (json && sarif) fail_usage("--json and --sarif: choose one");
  int code = 0;
  std::vector<LintReport> reports;
  for (const std::string& path : paths) {
    const int one = cli::guarded("onnx-inspect", [&] {
      LintReport r = look(path, target, lints, v.count("skip-weights") > 0);
      if (json)
        std::cout << view::lint_json(r) << "\n";
      else if (!sarif)
        std::cout << (reports.empty() ? "" : "\n") << view::lint_text(r, v.count("full") > 0);
      const int found = r.refused ? 3 : r.count(limit) > 0 ? 1 : 0;
      reports.push_back(std::move(r));
      return found;
    });
    code = std::max(code, one);
  }
  if (sarif) std::cout << view::lint_sarif(reports) << "\n";
  return code;
}

}  // namespace lathe::inspect
