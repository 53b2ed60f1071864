// onnx-run: runs a model with the reference kernels.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>

#include "ir/base/output_file.h"
#include "ir/base/parallel.h"
#include "ir/base/parse.h"
#include "ir/exec/case_data.h"
#include "ir/exec/compare.h"
#include "ir/exec/executor.h"
#include "ir/exec/npy.h"
#include "ir/exec/seed_inputs.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/load.h"
#include "ir/ops/infer.h"
#include "tools/cli.h"
#include "tools/run/bench.h"
#include "tools/run/profile.h"
#include "tools/run/values.h"

namespace {

using namespace lathe;

const cli::Program kProgram = {
    "onnx-run", "runs an ONNX model with the reference kernels",
    "onnx-run [options] MODEL.onnx\n       onnx-run [options] --data DIR",
    R"(  onnx-run model.onnx --dim batch=2 --dim seq=16     # seeded inputs; prints what came out
  onnx-run model.onnx -i inputs.npz -o outputs.npz
  onnx-run model.onnx -i ids=101,2054,102 -i mask=mask.npy
  onnx-run model.onnx -i inputs.npz --expect outputs.npz --rtol 1e-4   # exit 1 where they differ
  onnx-run model.onnx --data test_data_set_0         # ONNX's test data; exit 1 where outputs differ
  onnx-run --data test_add --data test_sub           # folders with model.onnx and test_data_set_N
  onnx-run model.onnx --bench 20 --profile           # times, by op and by node
  onnx-run model.onnx --trace --json                 # every value's shape, range and NaN count
)"};

// "1,2.5,-3" in the input's own type; its declared shape where that has the right size, else one dim.
Tensor from_text(const std::string& name, const std::string& text, const Type& type) {
  std::vector<double> values;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string one = text.substr(at, end - at);
    const auto v = parse_number<double>(one);
    if (!v) fail_usage("'{}' of input '{}' is no number", one, name);
    values.push_back(*v);
    at = end + 1;
  }
  const auto n = static_cast<int64_t>(values.size());
  std::vector<int64_t> dims{n};
  if (type.shape) {
    std::vector<int64_t> declared;
    int64_t open = -1, rest = 1;
    for (size_t i = 0; i < type.shape->size(); ++i) {
      const Dim d = (*type.shape)[i];
      if (!d.is_const() && open < 0) open = static_cast<int64_t>(i);
      declared.push_back(d.is_const() ? d.value() : 1);
      rest = checked_mul(rest, declared.back());
    }
    // The last symbolic dim takes what the others leave.
    for (size_t i = type.shape->size(); i-- > 0;) {
      if ((*type.shape)[i].is_const()) continue;
      if (rest > 0 && n % rest == 0) declared[i] = n / rest;
      break;
    }
    if (element_count(declared) == n) dims = declared;
  }
  Tensor t = Tensor::make(type.dtype, dims);
  for (int64_t i = 0; i < n; ++i)
    store_double(type.dtype, t.mutable_bytes().data(), i, values[static_cast<size_t>(i)]);
  return t;
}

std::map<std::string, Datum> given_inputs(const Model& m, const std::vector<std::string>& specs) {
  std::map<std::string, Type> types;
  for (const Port& p : m[m.main()].inputs) types[p.name] = p.type;
  const auto type_of = [&](const std::string& name) -> const Type& {
    const auto it = types.find(name);
    if (it == types.end()) fail_usage("the model has no input '{}'", name);
    return it->second;
  };
  std::map<std::string, Datum> out;
  for (const std::string& spec : specs) {
    if (spec.ends_with(".npz") && spec.find('=') == std::string::npos) {
      for (auto& [name, t] : read_npz(spec))
        if (types.contains(name)) out[name] = std::move(t);
      continue;
    }
    const size_t at = spec.find('=');
    if (at == std::string::npos || at == 0) fail_usage("--input needs NAME=VALUE, not '{}'", spec);
    const std::string name = spec.substr(0, at), value = spec.substr(at + 1);
    const Type& type = type_of(name);
    out[name] = value.ends_with(".npy") ? read_npy(value) : from_text(name, value, type);
  }
  return out;
}

// Every input without a value gets a seeded one.
void seed_inputs(Model& m, std::map<std::string, Datum>& inputs, const std::vector<std::string>& sizes,
                 uint64_t seed) {
  Binding binding(Binding::Fill::primes);
  for (const std::string& s : sizes) {
    const auto [name, n] = cli::dim_size(s);
    binding.set(name, n);
  }
  const std::vector<ValueId> ids = m.inputs(m.main());
  const auto& ports = m[m.main()].inputs;
  for (size_t i = 0; i < ids.size(); ++i) {  // sizes that given inputs fix
    const auto it = inputs.find(ports[i].name);
    const Tensor* t = it != inputs.end() ? it->second.tensor() : nullptr;
    if (t == nullptr || !ports[i].type.shape || ports[i].type.shape->size() != t->dims.size()) continue;
    for (size_t d = 0; d < t->dims.size(); ++d)
      if (const Dim want = (*ports[i].type.shape)[d]; want.is_symbol())
        binding.set(want.symbol_name(), t->dims[d]);
  }
  constexpr int64_t kMaxElements = int64_t{1} << 32;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (inputs.contains(ports[i].name) || m[ids[i]].constant) continue;
    std::string why;
    Rng rng(seed, ports[i].name);
    auto d = seed_value(m, {}, ids[i], binding, rng, FloatFill::normal, kMaxElements, &why);
    if (!d) fail("no value for input '{}': {}", ports[i].name, why);
    inputs[ports[i].name] = std::move(*d);
  }
}

// How the outputs differ from what was expected; every output named in the file is compared.
bool compare_outputs(const Graph& g, const std::vector<Datum>& out, const std::string& path, double rtol,
                     double atol) {
  bool same = true;
  size_t compared = 0;
  for (const auto& [name, want] : read_npz(path)) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (g.outputs[i].name != name) continue;
      ++compared;
      const Difference d = compare(Datum(want), out[i], rtol, atol);
      same = same && d.same;
      std::cout << fmt::format("{}: {} (largest difference {:.3g}, scale {:.3g})\n", name,
                               d.same ? "agrees" : d.text, d.max_abs, d.scale);
    }
  }
  if (compared == 0) fail("{} holds none of the model's outputs", path);
  return same;
}

// Runs every test data set below `folder`; numpy's rule of closeness, element by element.
bool run_data(Executor& executor, const Model& m, const std::filesystem::path& folder, double rtol,
              double atol) {
  const Graph& g = m[m.main()];
  bool same = true;
  for (const auto& set : data_set_folders(folder)) {
    const CaseData data = read_case_data(m, set);
    const std::vector<Datum> out = executor.run(data.inputs);
    for (size_t i = 0; i < data.outputs.size(); ++i) {
      const Difference d = compare_case(data.outputs[i], out[i], rtol, atol);
      same = same && d.same;
      std::cout << fmt::format(
          "{}: {}: {}\n", set.string(), g.outputs[i].name,
          d.same ? fmt::format("agrees (largest difference {:.3g})", d.max_abs) : d.text);
    }
  }
  return same;
}

void write_text(const std::string& path, const nlohmann::ordered_json& json) {
  OutputFile file(path);
  file.write(json.dump() + "\n");
  file.commit();
}

int64_t most_of_the_memory() {
  return static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) / 4 * 3 *
         static_cast<int64_t>(::sysconf(_SC_PAGE_SIZE));
}

Model load(const std::string& path) {
  return load_model(path, {.warn = [](const std::string& text) { cli::warn(kProgram.name, text); }});
}

cli::po::options_description describe() {
  using cli::po::value;
  using Strings = std::vector<std::string>;
  constexpr unsigned kWidth = 100;
  cli::po::options_description give("What goes in", kWidth), take("What comes out", kWidth),
      compare("Comparing", kWidth), measure("Measuring", kWidth), limits("How it runs", kWidth), all;
  give.add_options()("input,i", value<Strings>()->default_value({}, ""),
                     "inputs: FILE.npz, NAME=FILE.npy or NAME=1,2,3")(
      "dim", value<Strings>()->default_value({}, ""), "NAME=SIZE of a symbolic dim, for seeded inputs")(
      "seed", value<uint64_t>()->default_value(0), "of inputs that are not given, and of random ops")(
      "data", value<Strings>()->default_value({}, ""),
      "a test_data_set_N folder, or one that holds them (and the model.onnx, if none is named); repeatable");
  take.add_options()("output,o", value<std::string>(), "write the outputs to this .npz or .json")(
      "output-dir", value<std::string>(), "write each output to NAME.npy in this folder")(
      "json", "what is printed, as one JSON object")("trace", "print every value as it is made");
  compare.add_options()("expect", value<std::string>(), "compare the outputs with this .npz")(
      "rtol", value<double>()->default_value(NAN, ""),
      "allowed difference: with --expect as a part of the output's largest magnitude (1e-4), with --data as "
      "a part of each element (1e-3)")("atol", value<double>()->default_value(NAN, ""),
                                       "allowed difference (0; with --data 1e-7)");
  measure.add_options()("bench", value<int>()->default_value(0), "time N runs")(
      "warm-up", value<int>()->default_value(2), "runs before --bench counts")(
      "profile", "time and bytes by op and by node")("chrome-trace", value<std::string>(),
                                                     "write the nodes' times to this Chrome trace (.json)");
  limits.add_options()("precise", "compute floats in double")("threads", value<int>()->default_value(0),
                                                              "0: all cores")(
      "max-memory", value<int64_t>()->default_value(0),
      "bytes that values may take; 0: three quarters of the machine's memory");
  return all.add(give).add(take).add(compare).add(measure).add(limits);
}

int run(int argc, char** argv) {
  using Strings = std::vector<std::string>;
  const cli::po::options_description options = describe();
  cli::po::options_description hidden;
  hidden.add_options()("model", cli::po::value<std::string>());
  cli::po::positional_options_description positional;
  positional.add("model", 1);
  const auto v = cli::parse(kProgram, argc, argv, options, hidden, positional);
  set_thread_count(v["threads"].as<int>());
  const auto data = v["data"].as<Strings>();
  if (v.count("model") == 0 && data.empty()) fail_usage("no model given (try onnx-run --help)");
  const auto asked = [&](const char* name, double otherwise) {
    const double given = v[name].as<double>();
    return std::isnan(given) ? otherwise : given;
  };
  ExecOptions exec;
  exec.precise = v.count("precise") > 0;
  exec.seed = v["seed"].as<uint64_t>();
  exec.max_bytes = v["max-memory"].as<int64_t>() > 0 ? v["max-memory"].as<int64_t>() : most_of_the_memory();
  if (!data.empty()) {
    bool same = true;
    for (const std::string& folder : data) {
      const bool own = v.count("model") == 0;
      const Model m =
          load(own ? (std::filesystem::path(folder) / "model.onnx").string() : v["model"].as<std::string>());
      Executor executor(m, exec);
      same = run_data(executor, m, folder, asked("rtol", 1e-3), asked("atol", 1e-7)) && same;
    }
    return same ? 0 : 1;
  }
  Model m = load(v["model"].as<std::string>());
  std::map<std::string, Datum> inputs = given_inputs(m, v["input"].as<Strings>());
  const std::string& path = v["model"].as<std::string>();
  cli::about(path, [&] {
    infer_types(m);
    if (lift_marked(m) > 0) infer_types(m);  // seeded indices stay inside the tables that they index
  });
  seed_inputs(m, inputs, v["dim"].as<Strings>(), v["seed"].as<uint64_t>());

  cli::RunProfile profile(m);
  const bool json = v.count("json") > 0;
  nlohmann::ordered_json report = {{"model", v["model"].as<std::string>()}};
  bool tracing = false;
  if (v.count("trace") > 0) {
    exec.on_value = [&](ValueId id, const Datum& d) {
      if (!tracing) return;
      if (json)
        report["trace"].push_back({{"value", m[id].name}, {"is", cli::value_summary_json(d)}});
      else
        std::cout << m[id].name << ": " << cli::value_summary(d) << "\n";
    };
  }
  const bool profiling = v.count("profile") + v.count("chrome-trace") > 0;
  if (profiling)
    exec.on_node = [&](const NodeRun& run) {
      if (!tracing || v["bench"].as<int>() == 0) profile.add(run);
    };
  Executor executor(m, exec);
  const int runs = v["bench"].as<int>(), warm_up = v["warm-up"].as<int>();
  if (runs < 0 || warm_up < 0) fail_usage("--bench and --warm-up cannot be negative");
  std::vector<Datum> out;
  const auto run_once = [&] { cli::about(path, [&] { out = executor.run(inputs); }); };
  if (runs > 0) {
    const auto times = cli::bench(warm_up, runs, [&] { profile.clear(); }, run_once);
    if (json)
      report["bench"] = times.json();
    else
      std::cout << times.text();
  }
  if (runs == 0 || exec.on_value) {
    tracing = true;
    run_once();
  }
  if (v.count("profile") > 0) {
    const int counted = std::max(runs, 1);
    if (json)
      report["profile"] = profile.json(counted);
    else
      std::cout << profile.text(counted);
  }
  if (v.count("chrome-trace") > 0) write_text(v["chrome-trace"].as<std::string>(), profile.chrome_trace());
  const Graph& g = m[m.main()];
  NamedTensors named;
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i].tensor() != nullptr) named.emplace_back(g.outputs[i].name, *out[i].tensor());
  if (v.count("output") > 0) {
    const std::string path = v["output"].as<std::string>();
    if (path.ends_with(".json")) {
      nlohmann::ordered_json values = nlohmann::ordered_json::object();
      for (size_t i = 0; i < out.size(); ++i) values[g.outputs[i].name] = cli::value_json(out[i]);
      write_text(path, values);
    } else {
      write_npz(path, named);
    }
  }
  if (v.count("output-dir") > 0) {
    const std::filesystem::path folder = v["output-dir"].as<std::string>();
    for (const auto& [name, t] : named) {
      std::string file = name;
      std::replace(file.begin(), file.end(), '/', '_');
      write_npy(folder / (file + ".npy"), t);
    }
  }
  if (v.count("expect") > 0)
    return compare_outputs(g, out, v["expect"].as<std::string>(), asked("rtol", 1e-4), asked("atol", 0)) ? 0
                                                                                                         : 1;
  if (json) {
    for (size_t i = 0; i < out.size(); ++i)
      report["outputs"][g.outputs[i].name] = cli::value_summary_json(out[i]);
    std::cout << report.dump(1) << "\n";
  } else if (v.count("output") == 0 && v.count("output-dir") == 0) {
    for (size_t i = 0; i < out.size(); ++i)
      std::cout << g.outputs[i].name << ": " << cli::value_summary(out[i]) << "\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return lathe::cli::guarded(kProgram.name, [&] { return run(argc, argv); });
}
