// onnx-inspect: tells what a model is, without reading its weights.
#include <algorithm>
#include <array>
#include <iostream>

#include "ir/base/output_file.h"
#include "ir/onnx/load.h"
#include "passes/analysis/axes.h"
#include "passes/analysis/cost.h"
#include "passes/analysis/ranges.h"
#include "passes/analysis/roles.h"
#include "passes/analysis/shapes.h"
#include "tools/cli.h"
#include "tools/inspect/digest_command.h"
#include "tools/inspect/draw.h"
#include "tools/inspect/lint_command.h"
#include "tools/inspect/provenance_command.h"
#include "tools/inspect/self_check.h"
#include "tools/view/axes_view.h"
#include "tools/view/cost_view.h"
#include "tools/view/lint_view.h"
#include "tools/view/model_summary.h"
#include "tools/view/roles_view.h"
#include "tools/view/shapes_view.h"

namespace {

using namespace lathe;

const cli::Program kProgram = {"onnx-inspect",
                               "tells what an ONNX model is: format, inputs, outputs, ops, weights",
                               "onnx-inspect [options] MODEL.onnx...   (- is standard input)",
                               R"(  onnx-inspect model.onnx
  onnx-inspect --ops model.onnx                  # every op with its count
  onnx-inspect --json model.onnx | jq .inputs    # for scripts
  onnx-inspect *.onnx                            # several, one after the other
  curl -sL https://host/model.onnx | onnx-inspect -
  onnx-inspect --axes model.onnx                 # which dims are free; may batch and sequence exceed one?
  onnx-inspect --roles model.onnx                # attention, feed-forward, ... and the layers that repeat
  onnx-inspect --cost --dim batch=1,sequence=128 model.onnx
  onnx-inspect --html -o model.html model.onnx   # a page to look around in
  onnx-inspect --svg -o model.svg model.onnx     # a picture of one page; --depth=3 shows the nodes
  onnx-inspect --svg --color=change --base old.onnx -o new.svg new.onnx
  onnx-inspect --axes --json model.onnx | jq -e .batch.may_exceed_one
  onnx-inspect --lint model.onnx                 # what is wrong, slow or dangerous (docs/lints.md)
  onnx-inspect --lint=security,no-kernel --target=ort-web --fail-on=warning model.onnx
  onnx-inspect --lint --sarif *.onnx > lint.sarif   # for code review tools
  onnx-inspect --verify-sha=$EXPECTED --self-check model.onnx   # refuse another file; run once
  onnx-inspect --provenance model.opt.onnx       # what onnx-opt --provenance did to it
  onnx-inspect --why '/layer.0/Gelu' model.opt.onnx
)"};

void warn(const std::string& text) { cli::warn(kProgram.name, text); }

// As the rules see it: lifted, with the external data where it is there (small constants steer shapes).
Model load_lifted(const std::string& path) {
  try {
    return load_model(path, {.warn = warn});
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input || path == "-") throw;
    Model m = load_model(path, {.external_data = false});
    warn(fmt::format("{}; shapes that depend on it stay unknown", e.what()));
    return m;
  }
}

std::string describe(const std::string& path, const cli::po::variables_map& v) {
  const bool json = v.count("json") > 0;
  const std::string title = std::filesystem::path(path).filename().string();
  if (inspect::draws(v)) return inspect::drawn(load_lifted(path), title, v, load_lifted);
  if (v.count("provenance") > 0) return inspect::provenance_report(path, json);
  if (v.count("why") > 0) return inspect::why_report(path, v["why"].as<std::string>(), json);
  if (v.count("self-check") > 0) return inspect::self_check(path, json);
  if (v.count("axes") > 0) {
    Model m = load_lifted(path);
    const Axes a = analyze_axes(m);
    return json ? view::axes_json(a, path) + "\n" : view::axes_text(a, title);
  }
  if (v.count("roles") > 0) {
    Model m = load_lifted(path);
    analyze_shapes(m);
    const Roles r = analyze_roles(m);
    return json ? view::roles_json(m, r, path) + "\n" : view::roles_text(m, r, title);
  }
  if (v.count("shapes") > 0) {
    Model m = load_lifted(path);
    const Shapes s = analyze_shapes(m);
    const Ranges r = analyze_ranges(m, s.values, true);
    return json ? view::shapes_json(m, s, r, path) + "\n" : view::shapes_text(m, s, r, title);
  }
  if (v.count("cost") > 0) {
    Model m = load_lifted(path);
    analyze_shapes(m);
    const Roles r = analyze_roles(m);
    const ModelCost c = analyze_cost(m);
    std::string assumed;
    const Sizes sizes = view::choose_sizes(m, v.count("dim") > 0 ? v["dim"].as<std::string>() : "", assumed);
    return json ? view::cost_json(m, c, r, sizes, path) + "\n"
                : view::cost_text(m, c, r, sizes, assumed, title);
  }
  // As the file spells it: no lifting. External data is not opened, so a model without its data can be
  // inspected.
  const Model m = load_model(path, {.lift = false, .external_data = false, .warn = warn});
  return json ? view::summary_json(m, path) + "\n"
              : view::summary_text(m, path, {.all_ops = v.count("ops") > 0});
}

int run(int argc, char** argv) {
  cli::po::options_description options, hidden;
  options.add_options()("json", "as JSON (several models: one after the other)")("ops", "list every op")(
      "axes", "which dims are free, and which node freezes the others")(
      "shapes", "the symbolic shape of every value, contents and ranges")(
      "roles", "what the parts are for, layer by layer")(
      "cost", "parameters, MACs, FLOPs, memory: by op, role and layer")(
      "dim", cli::po::value<std::string>()->value_name("NAME=SIZE,..."),
      "sizes of symbolic dims for --cost and pictures");
  inspect::add_draw_options(options);
  options.add_options()("provenance", "which rewrites of lathe are recorded in the file")(
      "why", cli::po::value<std::string>()->value_name("NODE"),
      "which rewrites made the node, and from what")(
      "self-check", "load, infer, run once on seeded inputs; shapes and engine")(
      "sha256", "hashes of the file and of its external data")(
      "verify-sha", cli::po::value<std::string>()->value_name("HEX"),
      "first of all: exit code 1 unless this is the file's SHA-256");
  inspect::add_lint_options(options);
  hidden.add_options()("model", cli::po::value<std::vector<std::string>>());
  cli::po::positional_options_description positional;
  positional.add("model", -1);
  const auto v = cli::parse(kProgram, argc, argv, options, hidden, positional);
  if (v.count("list-lints") > 0) {
    std::cout << view::lints_text();
    return 0;
  }
  if (v.count("model") == 0) fail_usage("no model given (try onnx-inspect --help)");
  const auto paths = v["model"].as<std::vector<std::string>>();
  if (v.count("verify-sha") > 0) {
    if (paths.size() > 1) fail_usage("--verify-sha is for one model");
    inspect::verify_sha(paths[0], v["verify-sha"].as<std::string>());
    static constexpr std::array kMore = {"axes", "shapes", "roles", "cost",       "ops",       "json",
                                         "lint", "sha256", "why",   "provenance", "self-check"};
    const auto asked = [&](const char* name) { return v.count(name) > 0; };
    if (!inspect::draws(v) && std::none_of(kMore.begin(), kMore.end(), asked)) {
      std::cout << paths[0] << ": its SHA-256 is the expected one\n";
      return 0;
    }
  }
  if (v.count("sha256") > 0) return inspect::digest_command(paths, v.count("json") > 0);
  if (v.count("lint") > 0) return inspect::lint_command(paths, v);
  if (paths.size() > 1 && (inspect::draws(v) || v.count("output") > 0))
    fail_usage("a picture or -o is of one model, {} given", paths.size());
  bool first = true;
  int code = 0;
  for (const std::string& path : paths) {
    code = std::max(code, cli::guarded(kProgram.name, [&] {
                      const std::string text = describe(path, v);
                      if (v.count("output") > 0) {
                        OutputFile file(v["output"].as<std::string>());
                        file.write(text);
                        file.commit();
                        return 0;
                      }
                      std::cout << (first || v.count("json") > 0 ? "" : "\n") << text;
                      first = false;
                      return 0;
                    }));
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return lathe::cli::guarded(kProgram.name, [&] { return run(argc, argv); });
}
