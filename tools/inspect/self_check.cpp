#include "tools/inspect/self_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ir/base/parallel.h"
#include "ir/core/walk.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/load.h"
#include "passes/analysis/shapes.h"
#include "passes/core/scratch.h"
#include "tools/cli.h"
#include "tools/run/values.h"

namespace lathe::inspect {
namespace {

using Json = nlohmann::ordered_json;

std::string shape_text(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr) return "no tensor";
  std::string s = std::string(onnx_name(t->dtype)) + "[";
  for (size_t i = 0; i < t->dims.size(); ++i) s += (i > 0 ? ", " : "") + std::to_string(t->dims[i]);
  return s + "]";
}

// Positions of masks and ids are what seeding knows to choose; sizes are small primes, different for each
// symbol, so that two axes that are mixed up do not fit by chance.
std::vector<Datum> seed(const Model& m, const ShapeValues& values) {
  Binding binding(Binding::Fill::primes);
  constexpr int64_t kMost = int64_t{1} << 28;
  std::vector<Datum> inputs;
  const auto& ports = m[m.main()].inputs;
  for (size_t i = 0; const ValueId v : m.inputs(m.main())) {
    const std::string& name = ports[i++].name;
    if (m[v].constant) {
      inputs.emplace_back();
      continue;
    }
    std::string why;
    Rng rng(0, name);
    auto d = seed_value(m, values, v, binding, rng, FloatFill::normal, kMost, &why);
    if (!d) fail_check("no value for input '{}': {}", name, why);
    inputs.push_back(std::move(*d));
  }
  return inputs;
}

}  // namespace

std::string self_check(const std::string& path, bool json) {
  Model m = load_model(path, {.warn = [](const std::string& text) { cli::warn("onnx-inspect", text); }});
  Shapes shapes;
  cli::about(path, [&] {
    shapes = analyze_shapes(m);
    if (lift_marked(m) > 0) shapes = analyze_shapes(m);
  });
  size_t values = 0, known = 0;
  for_each_node(m, [&](NodeId n) {
    for (const ValueId v : m[n].out)
      if (v) {
        ++values;
        known += fully_known(m[v].type) ? 1 : 0;
      }
  });
  const std::string engine = fmt::format("lathe {} reference executor, CPU, {} thread{}", cli::version(),
                                         thread_count(), thread_count() == 1 ? "" : "s");
  Json inputs = Json::array(), outputs = Json::array();
  std::vector<Datum> out;
  double seconds = 0;
  try {
    std::vector<Datum> in = seed(m, shapes.values);
    const auto& ports = m[m.main()].inputs;
    const std::vector<ValueId> ids = m.inputs(m.main());
    for (size_t i = 0; i < in.size(); ++i)
      if (!m[ids[i]].constant)
        inputs.push_back(
            {{"name", ports[i].name}, {"declared", ports[i].type.str()}, {"ran", shape_text(in[i])}});
    const auto start = std::chrono::steady_clock::now();
    out = Executor(m, {.max_bytes = int64_t{4} << 30}).run(std::move(in));
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  } catch (const Error& e) {
    fail_check("{}: loads, and does not run on made-up inputs: {}", path, e.what());
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const Port& p = m[m.main()].outputs[i];
    outputs.push_back(
        {{"name", p.name}, {"declared", p.type.str()}, {"is", cli::value_summary_json(out[i])}});
  }
  if (json) {
    const Json j = {{"path", path},     {"nodes", node_count(m)}, {"values", values}, {"shapes_known", known},
                    {"engine", engine}, {"seconds", seconds},     {"inputs", inputs}, {"outputs", outputs}};
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  const cli::Paint p(STDOUT_FILENO);
  std::string text = fmt::format("{}{}{}\n", p.bold, path, p.reset);
  const auto line = [&](const char* what, const std::string& is) {
    text += fmt::format("{}{:<8}{} {}\n", p.dim, what, p.reset, is);
  };
  line("loads", fmt::format("{} nodes", node_count(m)));
  line("infers", fmt::format("{} of {} values have a full shape", known, values));
  line("engine", engine);
  for (const Json& i : inputs)
    line("input", fmt::format("{}  {}  ran as {}", cli::printable(i["name"].get<std::string>()),
                              cli::printable(i["declared"].get<std::string>()), i["ran"].get<std::string>()));
  for (size_t i = 0; i < out.size(); ++i)
    line("output",
         fmt::format("{}  {}", cli::printable(m[m.main()].outputs[i].name), cli::value_summary(out[i])));
  line("runs", cli::human_seconds(seconds));
  return text;
}

}  // namespace lathe::inspect
