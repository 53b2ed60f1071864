#include "passes/core/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>

#include "ir/core/check.h"
#include "ir/core/structural_hash.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/ops/infer.h"
#include "passes/core/gradient_names.h"
#include "passes/core/model_test.h"

namespace lathe {
namespace {

// Levenshtein distance, for "did you mean".
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j)
      diagonal =
          std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row[b.size()];
}

[[noreturn]] void unknown_name(const std::string& name) {
  std::string best;
  size_t least = 4;
  const auto consider = [&](const std::string& known) {
    if (const size_t d = distance(name, known); d < least) {
      least = d;
      best = known;
    }
  };
  for (const PassDef& p : all_passes()) consider(p.name);
  for (const GroupDef& g : all_groups()) consider(g.name);
  if (!best.empty())
    fail_usage("unknown pass '{}': did you mean '{}'? (--list-passes lists all)", name, best);
  fail_usage("unknown pass '{}' (--list-passes lists all)", name);
}

std::string trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return std::string(s);
}

// Splits at commas that are not inside braces.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '{') ++depth;
    if (i < text.size() && text[i] == '}' && --depth < 0)
      fail_usage("pipeline: '}}' without '{{' in '{}'", text);
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      out.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  if (depth != 0) fail_usage("pipeline: '{{' without '}}' in '{}'", text);
  return out;
}

class Runner {
 public:
  Runner(Model& m, PassSettings& settings, const PipelineHooks& hooks)
      : m_(m), context_(m, settings), hooks_(hooks) {
    context_.values = infer_types(m_);
    if (lift_marked(m_) > 0) context_.values = infer_types(m_);
    hold_gradient_names(m_);
  }

  // True if something changed.
  bool run(const std::vector<PipelineStep>& steps) {
    bool changed = false;
    for (const PipelineStep& s : steps) {
      if (const PassDef* p = find_pass(s.name)) {
        changed |= run_pass(*p, s.options);
      } else {
        const GroupDef& g = *find_group(s.name);
        constexpr int kMaxRounds = 8;
        for (int round = 0; round < (g.repeat ? kMaxRounds : 1); ++round) {
          if (!run(parse_pipeline(g.pipeline))) break;
          changed = true;
        }
      }
    }
    return changed;
  }

  PipelineReport report() {
    report_.remarks = std::move(context_.remarks);
    report_.findings = std::move(context_.findings);
    drop_stale_remarks();
    report_.stats = std::move(context_.stats);
    report_.rejected = context_.rejected;
    return std::move(report_);
  }

 private:
  bool run_pass(const PassDef& pass, const std::map<std::string, std::string>& given) {
    const PassOptions options(pass.name, pass.options, given);
    if (hooks_.starting) hooks_.starting(pass.name);
    const uint64_t hash = structural_hash(m_);
    PassReport r;
    r.pass = pass.name;
    r.nodes_before = node_count(m_);
    context_.pass = pass.name;
    context_.commits = 0;
    context_.explain_near_misses = pass.group == "fusion";
    const auto start = std::chrono::steady_clock::now();
    if (pass.run) pass.run(context_, options);
    context_.apply(pass.rules);
    r.commits = context_.commits;
    r.changed = structural_hash(m_) != hash;
    if (r.changed != (r.commits > 0))
      fail_check("pass '{}' says that it changed {}, and the model says otherwise: please report this",
                 pass.name, r.commits > 0 ? "something" : "nothing");
    if (r.changed) context_.values = infer_types(m_);
    r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    r.nodes_after = node_count(m_);
#ifndef NDEBUG
    if (const auto broken = check_invariants(m_); !broken.empty())
      fail_check("pass '{}' broke the model: {}", pass.name, broken.front());
#endif
    if (r.changed && hooks_.changed) hooks_.changed(r, m_);
    report_.passes.push_back(r);
    return r.changed;
  }

  // What was missed in one round and made in a later one, or at a node that something else has taken, is no
  // longer missed; and each reason is told once, however often the pass ran.
  void drop_stale_remarks() {
    std::set<std::tuple<std::string, std::string, std::string>> told;
    std::erase_if(report_.remarks, [&](const Remark& r) {
      if (r.kind != Remark::Kind::missed) return false;
      return (r.at && m_[r.at].erased) || !told.emplace(r.rule, r.node, r.text).second;
    });
  }

  Model& m_;
  PassContext context_;
  const PipelineHooks& hooks_;
  PipelineReport report_;
};

}  // namespace

std::vector<PipelineStep> parse_pipeline(std::string_view text) {
  std::vector<PipelineStep> steps;
  if (trim(text).empty()) return steps;
  for (const std::string_view item : split(text)) {
    PipelineStep step;
    const size_t brace = item.find('{');
    step.name = trim(item.substr(0, brace));
    if (step.name.empty()) fail_usage("pipeline: an empty pass name in '{}'", text);
    const PassDef* pass = find_pass(step.name);
    if (pass == nullptr && find_group(step.name) == nullptr) unknown_name(step.name);
    if (brace != std::string_view::npos) {
      const std::string inside = trim(item.substr(brace));
      if (inside.back() != '}') fail_usage("pipeline: text after '}}' in '{}'", std::string(item));
      if (pass == nullptr) fail_usage("'{}' is a group of passes and takes no options", step.name);
      const std::string_view body = std::string_view(inside).substr(1, inside.size() - 2);
      if (!trim(body).empty())
        for (const std::string_view option : split(body)) {
          const size_t equals = option.find('=');
          const std::string key = trim(option.substr(0, equals));
          step.options[key] = equals == std::string_view::npos ? "true" : trim(option.substr(equals + 1));
        }
      (void)PassOptions(step.name, pass->options, step.options);  // unknown options are told before any work
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

PipelineReport run_pipeline(Model& m, const std::vector<PipelineStep>& steps, PassSettings settings,
                            const PipelineHooks& hooks) {
  if (steps.empty()) return {};
  std::optional<Model> before;
  if (settings.verify == Verify::model) before = m;
  Runner runner(m, settings, hooks);
  runner.run(steps);
  release_gradient_names(m);
  if (before) test_model(*before, m, settings.seed);
  return runner.report();
}

}  // namespace lathe
