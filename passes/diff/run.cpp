#include "passes/diff/run.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ir/exec/compare.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/onnx/lift.h"
#include "ir/ops/convert.h"
#include "ir/ops/infer.h"
#include "passes/diff/scope.h"
#include "passes/diff/text.h"

namespace lathe::diff {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 28;  // of one input
constexpr double kDepth = 8;                        // roundings that a rewrite may move

using Values = std::unordered_map<ValueId, Datum>;

Model typed(const Model& m) {
  Model t = m;
  infer_types(t);
  if (lift_marked(t) > 0) infer_types(t);
  return t;
}

bool converts(DType from, DType to) {
  const auto plain = [](DType t) {
    return t == DType::F16 || t == DType::BF16 || t == DType::F32 || t == DType::F64;
  };
  return plain(from) && plain(to);
}

// The reference in the type that the other side has, where both are floats.
Datum as_type(const Datum& d, DType want) {
  const Tensor* t = d.tensor();
  return t != nullptr && t->dtype != want && converts(t->dtype, want) ? Datum(convert(*t, want)) : d;
}

template <class F>
auto naming(const char* model, F&& f) {
  try {
    return f();
  } catch (const Error& e) {
    throw Error(e.kind(), fmt::format("running model {}: {}", model, e.what()));
  }
}

class BothRun {
 public:
  BothRun(const Model& a, const Model& b, const Diff& d, const RunOptions& o)
      : a_(typed(a)), b_(typed(b)), d_(d), o_(o) {}

  RunReport run() {
    make_inputs();
    naming("a", [&] {
      Executor(a_, options([&](ValueId v, const Datum& x) {
                 if (a_[v].graph == a_.main() && (d_.changes.value_a_to_b[v.v] || a_.is_graph_output(v)))
                   reference_[v] = x;
               }))
          .run(inputs_a_);
    });
    naming("b", [&] { free_run(); });
    naming("b", [&] { fed_run(); });
    const auto far =
        std::find_if(out_.alone.begin(), out_.alone.end(), [](const auto& v) { return !v.same; });
    if (far != out_.alone.end()) out_.first = static_cast<size_t>(far - out_.alone.begin());
    return std::move(out_);
  }

 private:
  ExecOptions options(std::function<void(ValueId, const Datum&)> on_value) const {
    ExecOptions e;
    e.seed = o_.seed;
    e.max_bytes = o_.max_bytes;
    e.on_value = std::move(on_value);
    return e;
  }

  Datum seeded(const Model& m, ValueId v, const Port& port, Binding& binding) const {
    std::string why;
    Rng rng(o_.seed, port.name);
    auto x = seed_value(m, {}, v, binding, rng, FloatFill::normal, kMaxElements, &why);
    if (!x) fail("no value for input '{}': {}", port.name, why);
    return std::move(*x);
  }

  void make_inputs() {
    Binding binding(Binding::Fill::primes);
    for (const auto& [name, size] : o_.dims) binding.set(name, size);
    const auto in_a = a_.inputs(a_.main()), in_b = b_.inputs(b_.main());
    const auto &ports_a = a_[a_.main()].inputs, &ports_b = b_[b_.main()].inputs;
    inputs_a_.resize(in_a.size());
    inputs_b_.resize(in_b.size());
    for (size_t i = 0; i < in_a.size(); ++i) {
      if (a_[in_a[i]].constant) continue;
      inputs_a_[i] = seeded(a_, in_a[i], ports_a[i], binding);
      if (const Tensor* t = inputs_a_[i].tensor())
        out_.inputs.emplace_back(ports_a[i].name,
                                 type_text(Type::tensor(t->dtype, Shape(t->dims.begin(), t->dims.end()))));
    }
    for (const auto& [i, k] : d_.alignment.inputs)
      inputs_b_[k] = as_type(inputs_a_[i], ports_b[k].type.dtype);
    for (size_t k = 0; k < in_b.size(); ++k)
      if (inputs_b_[k].empty() && !b_[in_b[k]].constant)
        inputs_b_[k] = seeded(b_, in_b[k], ports_b[k], binding);
  }

  std::optional<ValueDifference> compared(ValueId vb, const Datum& got) const {
    return compared(d_.changes.value_b_to_a[vb.v], vb, got);
  }
  std::optional<ValueDifference> compared(ValueId va, ValueId vb, const Datum& got) const {
    if (!va) return std::nullopt;
    const auto it = reference_.find(va);
    if (it == reference_.end()) return std::nullopt;
    ValueDifference v{va, vb, b_[vb].def, true, 0, 0, ""};
    const Tensor *x = it->second.tensor(), *y = got.tensor();
    const DType type = x != nullptr ? x->dtype : DType::F32, other = y != nullptr ? y->dtype : DType::F32;
    double room =
        o_.tolerance.value_or(kDepth * std::max(rounding_tolerance(type), rounding_tolerance(other)));
    if (x != nullptr && !is_floating(type)) room = 0;
    const Difference d =
        compare(it->second, as_type(got, type), room, x != nullptr && is_floating(type) ? 1e-30 : 0);
    v.same = d.same;
    v.max_abs = d.max_abs;
    v.scale = d.scale;
    v.text = d.text;
    return v;
  }

  void free_run() {
    std::unordered_map<ValueId, ValueDifference> found;
    const std::vector<Datum> results = Executor(b_, options([&](ValueId v, const Datum& x) {
                                                  if (b_[v].graph != b_.main()) return;
                                                  if (auto c = compared(v, x)) found[v] = std::move(*c);
                                                }))
                                           .run(inputs_b_);
    for (NodeId n = b_[b_.main()].first; n; n = b_[n].next)
      for (const ValueId v : b_[n].out)
        if (const auto it = found.find(v); v && it != found.end()) out_.together.push_back(it->second);
    const auto &out_a = a_[a_[a_.main()].ret].in, &out_b = b_[b_[b_.main()].ret].in;
    for (const auto& [i, k] : d_.alignment.outputs) {
      if (auto c = compared(out_a[i], out_b[k], results[k])) out_.outputs.push_back(std::move(*c));
    }
  }

  void fed_run() {
    Values env;
    const auto in_b = b_.inputs(b_.main());
    for (size_t k = 0; k < in_b.size(); ++k)
      if (!inputs_b_[k].empty()) env[in_b[k]] = inputs_b_[k];
    Executor executor(b_, options({}));
    for (NodeId n = b_[b_.main()].first; n; n = b_[n].next) {
      if (is_constant_node(b_, n)) continue;
      executor.run_nodes(std::span(&n, 1), env);
      for (const ValueId v : b_[n].out) {
        const auto it = v ? env.find(v) : env.end();
        if (it == env.end()) continue;
        auto c = compared(v, it->second);
        if (!c) continue;
        // What follows is fed with the reference, if it is of the same shape.
        const Datum& reference = reference_.at(c->a);
        const Tensor *x = reference.tensor(), *y = it->second.tensor();
        if (x != nullptr && y != nullptr && x->dims == y->dims &&
            (x->dtype == y->dtype || converts(x->dtype, y->dtype)))
          it->second = as_type(reference, y->dtype);
        out_.alone.push_back(std::move(*c));
      }
      for (const ValueId v : b_[n].in)
        if (v && last_reader(v) == n) env.erase(v);
    }
  }

  // The last node of main that reads v; none where something else may (subgraphs, outputs).
  NodeId last_reader(ValueId v) {
    if (order_.empty()) {
      uint32_t i = 0;
      for (NodeId n = b_[b_.main()].first; n; n = b_[n].next) order_[n] = i++;
    }
    NodeId last;
    for (const Use& u : b_[v].uses) {
      const auto it = order_.find(u.node);
      if (it == order_.end()) return {};
      if (!last || it->second > order_.at(last)) last = u.node;
    }
    return last;
  }

  Model a_, b_;
  const Diff& d_;
  const RunOptions& o_;
  RunReport out_;
  std::vector<Datum> inputs_a_, inputs_b_;
  Values reference_;
  std::unordered_map<NodeId, uint32_t> order_;
};

}  // namespace

bool RunReport::same() const {
  return std::all_of(outputs.begin(), outputs.end(), [](const auto& v) { return v.same; });
}

RunReport run_both(const Model& a, const Model& b, const Diff& d, const RunOptions& options) {
  return BothRun(a, b, d, options).run();
}

}  // namespace lathe::diff
