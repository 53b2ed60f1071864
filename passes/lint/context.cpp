#include "passes/lint/context.h"

#include <algorithm>

#include "ir/base/error.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/load.h"
#include "ir/ops/infer.h"
#include "passes/core/pipeline.h"
#include "passes/core/remark.h"

namespace lathe::lint {
namespace {

// "file.onnx: the graph has no name" without the file.
std::string without(const std::string& label, const std::string& text) {
  return text.starts_with(label + ": ") ? text.substr(label.size() + 2) : text;
}

}  // namespace

Context::Context(std::shared_ptr<const MappedFile> file, std::string label, std::filesystem::path folder,
                 Target target)
    : file_(std::move(file)),
      label_(std::move(label)),
      folder_(std::move(folder)),
      target_(std::move(target)) {
  tensors_ = scan_tensors(file_->bytes());
  load();
}

void Context::load() {
  const auto load = [&](bool external) {
    warnings_.clear();
    const auto warn = [&](const std::string& text) { warnings_.push_back(without(label_, text)); };
    return load_model(file_, label_, folder_, {.lift = false, .external_data = external, .warn = warn});
  };
  try {
    spelled_ = load(true);
    return;
  } catch (const Error& e) {
    refused_ = without(label_, e.what());
  }
  // Without external data it may do.
  const bool external = std::any_of(tensors_.begin(), tensors_.end(),
                                    [](const TensorRecord& t) { return !t.external.empty(); });
  if (!external) return;
  try {
    spelled_ = load(false);
    data_error_ = std::move(refused_);
    refused_.reset();
  } catch (const Error& e) {
    refused_ = without(label_, e.what());
  }
}

size_t Context::data_bytes() const {
  size_t bytes = 0;
  for (uint32_t i = 0; spelled_ && i < spelled_->value_capacity(); ++i)
    if (const TensorPtr& t = (*spelled_)[ValueId{i}].constant;
        t && t->spelling && t->spelling->form == TensorSpelling::Form::external)
      bytes += t->byte_size();
  return bytes;
}

const Model& Context::model() {
  if (model_) return *model_;
  model_ = *spelled_;
  lift(*model_);
  try {
    shapes_ = analyze_shapes(*model_);
    if (lift_marked(*model_) > 0) shapes_ = analyze_shapes(*model_);
  } catch (const Error& e) {
    contradiction_ = e.what();
    shapes_.emplace();
  }
  return *model_;
}

const Shapes& Context::shapes() {
  model();
  return *shapes_;
}

const Ranges& Context::ranges() {
  if (!ranges_) ranges_ = analyze_ranges(model(), shapes().values);
  return *ranges_;
}

const std::optional<std::string>& Context::contradiction() {
  model();
  return contradiction_;
}

const Axes* Context::axes() {
  if (!axes_tried_) {
    axes_tried_ = true;
    Model m = *spelled_;
    lift(m);
    try {
      axes_ = analyze_axes(m);
    } catch (const Error& e) {
      if (!contradiction()) contradiction_ = e.what();
    }
  }
  return axes_ ? &*axes_ : nullptr;
}

const std::vector<Rewrite>& Context::rewrites() {
  if (rewrites_) return *rewrites_;
  rewrites_.emplace();
  if (contradiction() || data_error_) return *rewrites_;
  Model m = *spelled_;
  lift(m);
  try {
    PassSettings settings;
    settings.target = target_.only_faster();
    settings.verify = Verify::off;  // nothing of it is kept: the model is looked at, not written
    const PipelineReport report = run_pipeline(m, parse_pipeline("fuse"), settings);
    for (const Remark& r : report.remarks) {
      if (r.kind != Remark::Kind::applied) continue;
      const PassDef* pass = find_pass(r.pass);
      rewrites_->push_back({r.pass, pass != nullptr ? pass->group : "", r.rule, r.node, r.text});
    }
  } catch (const Error& e) {
    warnings_.push_back(e.what());
  }
  return *rewrites_;
}

bool Context::alive(NodeId n) {
  const Model& m = model();
  if (!alive_) {
    alive_.emplace(m.node_capacity(), false);
    std::vector<NodeId> stack;
    const auto wake = [&](NodeId k) {
      if (!k || (*alive_)[k.v]) return;
      (*alive_)[k.v] = true;
      stack.push_back(k);
    };
    // A body's outputs count once the node that owns it is alive.
    wake(m[m.main()].ret);
    for (const Function& f : m.functions) wake(m[f.body].ret);
    while (!stack.empty()) {
      const NodeId k = stack.back();
      stack.pop_back();
      for (const ValueId v : m[k].in)
        if (v) wake(m[v].def);
      for (const GraphId g : m.subgraphs(k)) wake(m[g].ret);
      if (const GraphId g = m[k].parent; g) wake(m[g].owner);
    }
  }
  return n.v < alive_->size() && (*alive_)[n.v];
}

bool Context::is_shape_math(ValueId v) {
  const Type& t = model()[v].type;
  if (!t.is_tensor() || !t.shape) return false;
  if (t.shape->empty()) return true;
  constexpr int64_t kFew = 64;
  return t.shape->size() == 1 && (*t.shape)[0].is_const() && (*t.shape)[0].value() <= kFew;
}

void Context::for_each_weight(const std::function<void(ValueId, const Tensor&, const WeightStats&)>& body) {
  const Model& m = *spelled_;
  if (!weights_) {
    weights_.emplace();
    for (uint32_t i = 0; i < m.value_capacity(); ++i) {
      const Value& v = m[ValueId{i}];
      if (v.erased || !v.constant) continue;
      if (const WeightStats s = weight_stats(*v.constant); s.count > 0) weights_->emplace_back(ValueId{i}, s);
    }
  }
  for (const auto& [v, s] : *weights_) body(v, *m[v].constant, s);
}

std::optional<std::string> Context::checksum_error() const {
  try {
    load_model(file_, label_, folder_, {.lift = false, .verify_checksums = true});
  } catch (const Error& e) {
    return without(label_, e.what());
  }
  return std::nullopt;
}

void Context::report(Place place, std::string text, std::optional<Severity> severity) {
  findings_.push_back({running_, severity.value_or(running_->severity), std::move(place), std::move(text)});
}

void Context::at_node(NodeId n, std::string text, std::optional<Severity> severity) {
  report({Place::Kind::node, node_label(*spelled_, n)}, std::move(text), severity);
}

void Context::at_constant(ValueId v, std::string text, std::optional<Severity> severity) {
  report({Place::Kind::initializer, (*spelled_)[v].name}, std::move(text), severity);
}

std::vector<Finding> run_lints(Context& context, const std::vector<const LintDef*>& lints,
                               bool skip_weights) {
  for (const LintDef* lint : lints) {
    if (skip_weights && lint->reads_weights) continue;
    if (context.refused() && !lint->reads_file) continue;
    context.running_ = lint;
    lint->run(context);
  }
  return std::move(context.findings_);
}

}  // namespace lathe::lint
