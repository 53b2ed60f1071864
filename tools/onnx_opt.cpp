// onnx-opt: runs passes over a model, checking every rewrite, and writes the result.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "ir/base/output_file.h"
#include "ir/base/parallel.h"
#include "ir/core/spill.h"
#include "ir/core/walk.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "ir/ops/infer.h"
#include "passes/core/pipeline.h"
#include "passes/quant/forecast.h"
#include "passes/quant/policy.h"
#include "tools/cli.h"
#include "tools/view/front_view.h"
#include "tools/view/opt_report.h"
#include "tools/view/pass_list.h"
#include "tools/view/precision_view.h"

namespace {

using namespace lathe;
namespace fs = std::filesystem;

const cli::Program kProgram = {
    "onnx-opt",
    "makes an ONNX model smaller and faster, and checks every rewrite by running both sides of it",
    "onnx-opt [options] MODEL.onnx...   (- is standard input or output)",
    R"(  onnx-opt model.onnx                                    # -O2: writes model.opt.onnx beside it
  onnx-opt --passes=fuse,quant4 model.onnx               # fused kernels, 4-bit weights
  onnx-opt --passes='fuse,quant4{block=64}' m.onnx -o small.onnx
  onnx-opt --forecast m.onnx                             # how large would each precision be?
  onnx-opt --policy=samples/policies/mixed.xml --explain m.onnx    # a precision for each role, and what became of it
  onnx-opt --passes='fuse,auto{min-cosine=0.99}' --front=front.svg m.onnx   # as small as that promise allows
  onnx-opt m.onnx -o out.onnx --passes=fold,cse,dce --verify --report=report.json
  onnx-opt m.onnx --passes=fuse --remarks=missed         # why did something not fuse?
  onnx-opt --passes= m.onnx --external-data=all -o big.onnx   # no pass: move weights to big.onnx.data
  onnx-opt --passes= m.onnx --opset=17 -o m17.onnx       # another opset
  onnx-opt -O1 --out-dir=small *.onnx                    # many models
  onnx-opt m.onnx --json -q | jq .rules                  # what was done, for scripts
  cat m.onnx | onnx-opt - -o - > out.onnx
)",
    R"(Every rewrite is run on both sides, on seeded inputs, before it is made; one whose sides differ is left out with a
warning (exit code 1 with --strict). A model is never overwritten by a result that is not whole. Batch, sequence and
other symbolic dims stay symbolic. NO_COLOR turns colours off; progress is shown on a terminal only.
)"};

struct Options {
  std::vector<std::string> inputs;
  fs::path output, out_dir, report, front, write_policy;
  std::string passes, policy, calibrate, data;
  PassSettings settings;
  SaveOptions save;
  int64_t opset = 0;
  bool quiet = false, json = false, time = false, stats = false, print_changed = false, strict = false,
       verify_checksums = false;
  bool applied = false, missed = false, explain = false, forecast = false;

  // JSON is for scripts and for any pipeline: it takes the time to run both models only where data is named.
  bool measures() const {
    return !report.empty() && (report.extension() == ".md" || report.extension() == ".html" || !data.empty());
  }
};

cli::po::options_description describe() {
  using cli::po::value;
  constexpr unsigned kWidth = 100;
  cli::po::options_description what("What to do", kWidth), where("Where to write", kWidth),
      check("Checks", kWidth), tell("What to tell", kWidth), all;
  what.add_options()("passes,p", value<std::string>(),
                     "pipeline: pass,pass{option=value},group; empty: no pass")(
      ",O", value<std::string>(),
      "preset: -O1 clean-up in standard ops, -O2 (default) also fusions, -O3 all")(
      "policy", value<std::string>(),
      "precision by rules (docs/policy.xsd): after the passes, or after fusions if no passes are named")(
      "calibrate", value<std::string>(),
      "what the policy's calibration feeds: a .npz (arrays by input name), a folder of them, or seeded")(
      "forecast", "print how large each precision would make the model, and make none")(
      "list-passes", value<std::string>()->implicit_value("text"),
      "list passes, their options, groups and presets: text, json, markdown")(
      "target", value<std::string>()->default_value("ort-cpu"),
      "runtime to emit for: ort-cpu, ort-web, standard")("opset", value<int64_t>(),
                                                         "write with this opset of the main domain")(
      "max-growth", value<int64_t>()->default_value(0), "bytes that folding may add to the model")(
      "fuel", value<uint64_t>(), "stop after this many rewrites (to find the one at fault)")(
      "threads,j", value<int>()->default_value(0),
      "threads; 0: all cores (the output does not depend on it)");
  where.add_options()("output,o", value<std::string>(),
                      "the result; - is standard output (default: MODEL.opt.onnx beside the input)")(
      "out-dir", value<std::string>(), "write each result under its own name into this folder")(
      "external-data", value<std::string>()->default_value("keep"),
      "weights beside the model: keep, none, all")("external-name", value<std::string>(),
                                                   "file name of external data (default: OUTPUT.data)")(
      "shard-size", value<int64_t>(), "split external data into files of at most this many bytes")(
      "front", value<std::string>(), "the Pareto front that pass auto finds: a .svg plot or a .json file")(
      "write-policy", value<std::string>(),
      "the choice of pass auto as a policy (default: OUTPUT.policy.xml; none: not written)")(
      "provenance", "record rewrites and the input's SHA-256 in metadata_props");
  check.add_options()(
      "verify", value<std::string>()->default_value("patch")->implicit_value("model"),
      "off; patch: run both sides of every rewrite; model: also the whole model before and after")(
      "strict", "exit 1 if a rewrite failed its check (it is never applied)")(
      "failure-dir", value<std::string>(), "keep both sides of a rewrite that failed its check here")(
      "seed", value<uint64_t>()->default_value(0x1a7e), "seed of the check's inputs")(
      "verify-checksums", "compare external data files with the checksums that the model names");
  tell.add_options()("remarks", value<std::string>()->implicit_value("applied"),
                     "print rewrites: applied, missed (and why), all")(
      "explain", "print what precision each weight got, its bytes before and after, and its error")(
      "print-changed", "print a line after each pass that changed something")(
      "time", "print the time of each pass")("stats", "print how often each rule was applied")(
      "report", value<std::string>(),
      "write a report: .md and .html (sizes, accuracy, latency, hashes: runs both models), otherwise JSON")(
      "data", value<std::string>(),
      "what the report compares both models on: a .npz (arrays by input name), a folder of them, or seeded "
      "(default); JSON too then tells accuracy and latency")(
      "json", "print the report as JSON on standard output")("quiet,q",
                                                             "print nothing but errors and warnings");
  return all.add(what).add(where).add(check).add(tell);
}

void list_passes(const std::string& form) {
  if (form != "text" && form != "json" && form != "markdown")
    fail_usage("--list-passes wants text, json or markdown, not '{}'", form);
  std::cout << (form == "text"   ? view::passes_text()
                : form == "json" ? view::passes_json() + "\n"
                                 : view::passes_markdown());
}

Options read_options(int argc, char** argv) {
  Options o;
  cli::po::options_description hidden;
  hidden.add_options()("model", cli::po::value<std::vector<std::string>>());
  cli::po::positional_options_description positional;
  positional.add("model", -1);
  const auto v = cli::parse(kProgram, argc, argv, describe(), hidden, positional);
  if (v.count("list-passes") > 0) {
    list_passes(v["list-passes"].as<std::string>());
    throw cli::Answered();
  }
  if (v.count("model") == 0) fail_usage("no model given (try onnx-opt --help)");
  o.inputs = v["model"].as<std::vector<std::string>>();
  const auto text = [&](const char* name) {
    return v.count(name) > 0 ? v[name].as<std::string>() : std::string();
  };
  o.output = text("output");
  o.out_dir = text("out-dir");
  o.report = text("report");
  o.front = text("front");
  if (!o.front.empty() && o.front.extension() != ".svg" && o.front.extension() != ".json")
    fail_usage("--front wants a name that ends in .svg or .json, not '{}'", o.front.string());
  o.write_policy = text("write-policy");
  if (!o.output.empty() && !o.out_dir.empty()) fail_usage("--output and --out-dir exclude each other");
  if (o.inputs.size() > 1 && !o.output.empty()) fail_usage("several models: use --out-dir, not --output");
  if (v.count("passes") > 0 && v.count("-O") > 0) fail_usage("--passes and -O exclude each other");
  o.passes = v.count("passes") > 0 ? text("passes") : "O" + (v.count("-O") > 0 ? text("-O") : "2");
  o.policy = text("policy");
  o.calibrate = text("calibrate");
  o.data = text("data");
  if (!o.calibrate.empty() && o.policy.empty())
    fail_usage("--calibrate goes with --policy (passes have data=, as in quant4{{data=FOLDER}})");
  const std::string verify = text("verify");
  if (verify != "off" && verify != "patch" && verify != "model")
    fail_usage("--verify wants off, patch or model, not '{}'", verify);
  o.settings.verify = verify == "off" ? Verify::off : verify == "patch" ? Verify::patch : Verify::model;
  o.settings.target = Target::named(text("target"));
  if (v.count("fuel") > 0) o.settings.fuel = v["fuel"].as<uint64_t>();
  o.settings.max_growth = v["max-growth"].as<int64_t>();
  o.settings.seed = v["seed"].as<uint64_t>();
  o.settings.failure_dir = text("failure-dir");
  const std::string remarks = text("remarks");
  if (!remarks.empty() && remarks != "applied" && remarks != "missed" && remarks != "all")
    fail_usage("--remarks wants applied, missed or all, not '{}'", remarks);
  o.applied = remarks == "applied" || remarks == "all";
  o.missed = remarks == "missed" || remarks == "all";
  o.settings.explain_missed = o.missed || !o.report.empty() || v.count("json") > 0;
  const std::string external = text("external-data");
  if (external != "keep" && external != "none" && external != "all")
    fail_usage("--external-data wants keep, none or all, not '{}'", external);
  o.save.external = external == "keep"   ? SaveOptions::External::keep
                    : external == "none" ? SaveOptions::External::none
                                         : SaveOptions::External::all;
  o.save.external_name = text("external-name");
  if (v.count("shard-size") > 0) o.save.shard_bytes = v["shard-size"].as<int64_t>();
  if (o.save.shard_bytes < 0) fail_usage("--shard-size wants a positive number of bytes");
  o.verify_checksums = v.count("verify-checksums") > 0;
  o.save.provenance = v.count("provenance") > 0;
  if (v.count("opset") > 0) o.opset = v["opset"].as<int64_t>();
  o.quiet = v.count("quiet") > 0;
  o.json = v.count("json") > 0;
  o.time = v.count("time") > 0;
  o.stats = v.count("stats") > 0;
  o.explain = v.count("explain") > 0;
  o.forecast = v.count("forecast") > 0;
  o.print_changed = v.count("print-changed") > 0;
  o.strict = v.count("strict") > 0;
  set_thread_count(v["threads"].as<int>());
  return o;
}

fs::path output_path(const Options& o, const fs::path& input) {
  if (!o.output.empty()) return o.output;
  if (!o.out_dir.empty()) return o.out_dir / input.filename();
  if (input == "-") return "-";
  fs::path p = input;
  return p.replace_extension(".opt" + input.extension().string());
}

// The choice of a search, to be edited and run again. Where it went; empty if there is none.
fs::path write_policy(const Options& o, const fs::path& output, const Findings& findings) {
  if (findings.policy.empty() || o.write_policy == "none") return {};
  fs::path path = o.write_policy;
  if (path.empty()) {
    if (output == "-") return {};
    path = output;
    path.replace_extension(".policy.xml");
  }
  OutputFile file(path);
  file.write(findings.policy);
  file.commit();
  return path;
}

// Returns the number of rewrites that failed their check.
uint64_t optimize(const Options& o, const std::vector<PipelineStep>& steps, const fs::path& input) {
  const auto start = std::chrono::steady_clock::now();
  const auto warn = [&](const std::string& text) { cli::warn(kProgram.name, text); };
  const fs::path output = output_path(o, input);
  if (output == "-" && cli::is_terminal(STDOUT_FILENO))
    fail_usage("standard output is a terminal, and a model is binary: name a file with -o");
  view::OptReport report;
  report.input = view::describe_file(input, !o.report.empty() || o.json || o.save.provenance);
  set_spill_folder(output == "-" ? fs::temp_directory_path() : fs::absolute(output).parent_path());
  Model m = load_model(input, {.verify_checksums = o.verify_checksums, .warn = warn});
  report.before = view::measure(m);
  std::optional<Model> before;  // to compare with: shares its tensors
  if (o.measures()) before = m;

  cli::Progress progress;
  PipelineHooks hooks;
  hooks.starting = [&](const std::string& pass) { progress.show(pass); };
  std::vector<std::string> lines;
  hooks.changed = [&](const PassReport& r, const Model&) {
    if (o.print_changed)
      lines.push_back(
          fmt::format("{}: {} rewrites, {} -> {} nodes", r.pass, r.commits, r.nodes_before, r.nodes_after));
  };
  cli::about(input, [&] { report.pipeline = run_pipeline(m, steps, o.settings, hooks); });
  progress.clear();
  if (o.opset > 0) {
    for (OpsetImport& import : m.info.opsets)
      if (import.domain.empty()) import.version = o.opset;
  }
  SaveOptions save = o.save;
  save.input_sha256 = report.input.sha256;
  report.after = view::measure(m);
  const std::optional<Model> result = before ? std::optional<Model>(m) : std::nullopt;
  save_model(std::move(m), output, save);
  report.output = view::describe_file(output, !o.report.empty() || o.json);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  for (const Remark& r : report.pipeline.remarks)
    if (r.kind == Remark::Kind::rejected)
      warn(fmt::format("{} at '{}' failed its check and was not applied: {}", r.rule, r.node, r.text));
  if (before) {
    report.measured = report::measure_both(*before, input, *result, output, o.data, o.settings.seed);
    report.machine = report::this_machine();
  }
  if (!o.report.empty()) view::write_report(report, o.report);
  const Findings& findings = report.pipeline.findings;
  if (!o.front.empty()) view::write_front(findings, o.front, input.filename().string());
  const fs::path policy = write_policy(o, output, findings);
  std::ostream& out = output == "-" ? std::cerr : std::cout;
  if (o.json) {
    out << view::to_json(report) << "\n";
  } else if (!o.quiet) {
    for (const auto& line : lines) out << line << "\n";
    out << view::remarks_text(report, o.applied, o.missed);
    if (o.explain) out << view::explain_text(findings);
    out << view::front_text(findings);
    if (o.time) out << view::time_table(report);
    if (o.stats) out << view::stats_table(report);
    out << view::summary(report);
    if (!policy.empty()) out << fmt::format("  policy: {}\n", cli::printable(policy.string()));
  }
  return report.pipeline.rejected;
}

// What each precision would make of the model, from shapes alone.
void tell_sizes(const fs::path& input) {
  Model m = load_model(input, {.warn = [](const std::string& text) { cli::warn(kProgram.name, text); }});
  cli::about(input, [&] { infer_types(m); });
  int64_t bytes = view::describe_file(input, false).bytes;
  for (const GraphId g : all_graphs(m))
    for (const ValueId v : m[g].initializers)
      if (const Tensor* t = m.constant(v);
          t != nullptr && t->spelling && t->spelling->form == TensorSpelling::Form::external)
        bytes += static_cast<int64_t>(t->byte_size());
  std::cout << view::forecast_text(forecast(m, bytes), bytes);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) fail("{}: cannot create: {}", folder.string(), error.message());
}

int run(int argc, char** argv) {
  const Options o = read_options(argc, argv);
  auto steps = parse_pipeline(o.passes);
  if (!o.policy.empty()) {
    (void)read_policy(o.policy);  // what is wrong with it is told before any model is loaded
    steps.push_back({"policy", {{"file", o.policy}, {"data", o.calibrate}}});
  }
  make_folder(o.out_dir);
  uint64_t rejected = 0;
  int code = 0;
  for (const auto& input : o.inputs)  // one that fails does not keep the others back
    code = std::max(code, cli::guarded(kProgram.name, [&] {
                      if (o.forecast)
                        tell_sizes(input);
                      else
                        rejected += optimize(o, steps, input);
                      return 0;
                    }));
  return code == 0 && o.strict && rejected > 0 ? static_cast<int>(ErrorKind::check) : code;
}

}  // namespace

int main(int argc, char** argv) {
  return lathe::cli::guarded(kProgram.name, [&] { return run(argc, argv); });
}
