// onnx-inspect: tells what a model is, without reading its weights.
#include <algorithm>
#include <iostream>

#include "ir/onnx/load.h"
#include "tools/cli.h"
#include "tools/view/model_summary.h"

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
)"};

int run(int argc, char** argv) {
  cli::po::options_description options, hidden;
  options.add_options()("json", "as JSON (several models: one after the other)")("ops", "list every op");
  hidden.add_options()("model", cli::po::value<std::vector<std::string>>());
  cli::po::positional_options_description positional;
  positional.add("model", -1);
  const auto v = cli::parse(kProgram, argc, argv, options, hidden, positional);
  if (v.count("model") == 0) fail_usage("no model given (try onnx-inspect --help)");
  bool first = true;
  int code = 0;
  for (const std::string& path : v["model"].as<std::vector<std::string>>()) {
    code = std::max(code, cli::guarded(kProgram.name, [&] {
                      // As the file spells it: no lifting. External data is not opened, so a model without
                      // its data can be inspected.
                      const auto warn = [](const std::string& text) { cli::warn(kProgram.name, text); };
                      const Model m = load_model(path, {.lift = false, .external_data = false, .warn = warn});
                      if (v.count("json") > 0)
                        std::cout << view::summary_json(m, path) << "\n";
                      else
                        std::cout << (first ? "" : "\n")
                                  << view::summary_text(m, path, {.all_ops = v.count("ops") > 0});
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
