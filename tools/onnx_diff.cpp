// onnx-diff: what differs between two models, whatever their nodes are called and in whatever order they
// stand.
#include <fmt/format.h>

#include <charconv>
#include <iostream>

#include "ir/base/parallel.h"
#include "ir/onnx/load.h"
#include "passes/diff/diff.h"
#include "tools/cli.h"
#include "tools/diff/fail_on.h"
#include "tools/diff/text.h"

namespace {

using namespace lathe;

const cli::Program kProgram = {
    "onnx-diff", "tells what differs between two ONNX models, whatever their nodes are called",
    "onnx-diff [options] A.onnx B.onnx",
    R"(  onnx-diff old.onnx new.onnx                        # short: what changed, grouped; exit 0 same, 1 different
  onnx-diff -v old.onnx new.onnx                     # every node, and why it has no partner
  onnx-diff --no-weights a.onnx b.onnx               # structure only: types and shapes of weights
  onnx-diff --fail-on=interface,weights>1e-3 a.onnx b.onnx    # exit 1 only for these
  onnx-diff --json a.onnx b.onnx | jq .nodes
)"};

Model load(const std::string& path, const cli::po::variables_map& v) {
  return load_model(path, {.lift = v.count("as-written") == 0,
                           .external_data = v.count("no-external-data") == 0,
                           .warn = [](const std::string& text) { cli::warn(kProgram.name, text); }});
}

int run(int argc, char** argv) {
  cli::po::options_description options, hidden;
  options.add_options()("verbose,v", "all of it: every place, every node, and why it has no partner")(
      "json", "as JSON")("no-weights", "do not read large weights: compare their types and shapes")(
      "no-external-data", "do not open external data files")(
      "as-written", "compare old op spellings as they stand, not what they mean")(
      "fail-on", cli::po::value<std::string>(),
      "what makes the exit code 1: interface, ops, weights, weights>X (relative difference); default: all")(
      "quiet,q", "print nothing; the exit code tells")("threads,j", cli::po::value<int>()->default_value(0),
                                                       "0: all cores (the report does not depend on it)");
  hidden.add_options()("model", cli::po::value<std::vector<std::string>>());
  cli::po::positional_options_description positional;
  positional.add("model", -1);
  const auto v = cli::parse(kProgram, argc, argv, options, hidden, positional);
  const auto models =
      v.count("model") > 0 ? v["model"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (models.size() != 2) fail_usage("two models are needed, {} given (try onnx-diff --help)", models.size());
  if (models[0] == "-" && models[1] == "-") fail_usage("only one of the models can be standard input");
  const cli::FailOn fail_on =
      cli::FailOn::parse(v.count("fail-on") > 0 ? v["fail-on"].as<std::string>() : "");
  set_thread_count(v["threads"].as<int>());

  const Model a = load(models[0], v), b = load(models[1], v);
  const diff::Diff d = diff::diff_models(a, b, {.read = v.count("no-weights") == 0});
  const cli::DiffInput in{models[0], models[1], a, b, d};
  if (v.count("json") > 0)
    std::cout << cli::diff_json(in);
  else if (v.count("quiet") == 0)
    std::cout << cli::diff_text(in, v.count("verbose") > 0);
  return fail_on.trips(d) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return lathe::cli::guarded(kProgram.name, [&] { return run(argc, argv); });
}
