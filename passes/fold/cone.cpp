#include "passes/fold/cone.h"

#include <algorithm>

#include "ir/core/walk.h"
#include "passes/core/facts.h"

namespace lathe {
namespace {

bool is_quantization(const Node& n) {
  return n.type == "QuantizeLinear" || n.type == "DequantizeLinear" || n.type == "DynamicQuantizeLinear";
}

int64_t bytes_of(const Datum& d) {
  if (const Tensor* t = d.tensor()) return stored_bytes(*t);
  int64_t sum = 0;
  if (const Sequence* s = d.sequence())
    for (const Datum& item : *s)
      if (const Tensor* t = item.tensor()) sum += stored_bytes(*t);
  return sum;
}

// A loop in a loop multiplies its limits.
bool has_inner_loop(const Model& m, NodeId n) {
  for (const GraphId s : m.subgraphs(n))
    for (const GraphId g : nested_graphs(m, s))
      for (NodeId inner = m[g].first; inner; inner = m[inner].next)
        if (m[inner].is("Loop") || m[inner].is("Scan") || m[inner].is("SequenceMap")) return true;
  return false;
}

ExecOptions exec_options(const FoldLimits& limits) {
  ExecOptions o;
  o.max_bytes = limits.memory;
  o.max_iterations = limits.iterations;
  return o;
}

}  // namespace

int64_t stored_bytes(const Tensor& t) {
  if (t.dtype != DType::String) return static_cast<int64_t>(t.byte_size());
  int64_t sum = 0;
  for (const std::string& s : t.strings()) sum += static_cast<int64_t>(s.size()) + 2;
  return sum;
}

std::vector<ValueId> reads(const Model& m, NodeId n) {
  std::vector<ValueId> out;
  for (const ValueId v : m[n].in)
    if (v) out.push_back(v);
  for (const GraphId g : m.subgraphs(n))
    for (const ValueId v : captures(m, g)) out.push_back(v);
  return out;
}

ConstantCone::ConstantCone(const Model& m, GraphId g, const FoldLimits& limits)
    : m_(m), limits_(limits), executor_(m, exec_options(limits)) {
  for (NodeId n = m[g].first; n; n = m[n].next)
    if (foldable(n)) {
      order_.push_back(n);
      member_.insert(n);
    }
}

bool ConstantCone::foldable(NodeId n) const {
  // An Identity that gives a constant an output's name: saving would have to write it again.
  if (m_[n].is("Identity") && m_.is_graph_output(m_[n].output(0))) return false;
  if (m_[n].is("Constant") || m_[n].out.empty() || (is_quantization(m_[n]) && !limits_.quantize))
    return false;
  for (const ValueId v : reads(m_, n))
    if (m_.constant(v) == nullptr && !contains(m_[v].def)) return false;
  // Refused by its inferred size, before anything is allocated. An op without inputs that inference cannot
  // size is not run to find out.
  for (const ValueId v : m_[n].out) {
    if (!v) continue;
    const auto bytes = static_bytes(m_[v].type);
    if (bytes && *bytes > limits_.value_bytes) return false;
    const Type& t = m_[v].type;
    if (!bytes && t.is_tensor() && t.shape && as_constants(*t.shape) && bit_width(t.dtype) != 0) return false;
  }
  if (!is_pure(m_, n) || has_inner_loop(m_, n)) return false;
  const NodeId alone[] = {n};
  return first_unsupported(m_, alone).empty();
}

std::optional<Tensor> ConstantCone::compute(ValueId v) {
  const NodeId def = m_[v].def;
  if (!contains(def)) return std::nullopt;
  // Depth-first with an explicit stack: a node runs after what it reads.
  std::vector<std::pair<NodeId, bool>> stack{{def, false}};
  while (!stack.empty()) {
    const auto [n, ready] = stack.back();
    stack.pop_back();
    if (failed_.contains(n)) return std::nullopt;
    const bool done =
        std::all_of(m_[n].out.begin(), m_[n].out.end(), [&](ValueId o) { return !o || known_.contains(o); });
    if (done) continue;
    if (ready) {
      if (!run(n)) return std::nullopt;
      continue;
    }
    stack.push_back({n, true});
    for (const ValueId in : reads(m_, n))
      if (m_.constant(in) == nullptr && !known_.contains(in)) stack.push_back({m_[in].def, false});
  }
  const auto it = known_.find(v);
  if (it == known_.end() || it->second.tensor() == nullptr) return std::nullopt;
  return *it->second.tensor();
}

bool ConstantCone::run(NodeId n) {
  std::unordered_map<ValueId, Datum> env;
  for (const ValueId v : reads(m_, n))
    if (const auto it = known_.find(v); it != known_.end()) env.emplace(v, it->second);
  try {
    const NodeId alone[] = {n};
    executor_.run_nodes(alone, env);
  } catch (const Error&) {  // the model's own mistake: it stays where it is, for the runtime to report
    failed_.insert(n);
    return false;
  }
  for (const ValueId v : m_[n].out) {
    if (!v) continue;
    const int64_t bytes = bytes_of(env[v]);
    if (bytes > limits_.value_bytes || held_ + bytes > limits_.memory || work_ + bytes > limits_.work) {
      failed_.insert(n);
      return false;
    }
    held_ += bytes;
    work_ += bytes;
    known_[v] = env[v];
  }
  return true;
}

}  // namespace lathe
