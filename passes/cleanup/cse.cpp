// Common subexpressions: a node that computes what an earlier one in scope has computed reads it instead.
// The key is written out in full (op, domain, overload, attributes in name order, subgraphs by structure,
// inputs, output count), so equal keys are equal computations: there is no new side to run.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/all_passes.h"
#include "passes/cleanup/interner.h"
#include "passes/core/facts.h"

namespace lathe {
namespace {

class KeyWriter {
 public:
  explicit KeyWriter(const Model& m) : m_(m) {}

  // Empty: the node has no key (a subgraph that is too deep to compare).
  std::string key(NodeId n) {
    out_.clear();
    local_.clear();
    return node(n, 0) ? std::move(out_) : std::string();
  }

 private:
  // Bodies nested deeper than this do not occur in exported models and are not compared.
  static constexpr int kMaxDepth = 4;
  static constexpr size_t kSmall = 1024;  // bytes of a constant that is compared by content

  void number(uint64_t x) { out_.append(reinterpret_cast<const char*>(&x), sizeof x); }
  void text(const std::string& s) {
    number(s.size());
    out_ += s;
  }

  void operand(ValueId v) {
    const auto it = v ? local_.find(v) : local_.end();
    if (it != local_.end()) {
      out_ += 'l';
      number(it->second);
    } else if (const Tensor* t = v && !m_[v].def ? m_.constant(v) : nullptr;
               t != nullptr && t->byte_size() <= kSmall) {
      out_ += 't';  // by content: dedup may not have run
      number(tensors_.id(*t));
    } else {
      out_ += 'v';
      number(v.v);
    }
  }

  bool node(NodeId id, int depth) {
    const Node& n = m_[id];
    text(n.domain);
    text(n.type);
    text(n.overload);
    number(n.in.size());
    for (const ValueId v : n.in) operand(v);
    number(n.out.size());
    for (const ValueId v : n.out) out_ += v ? 'y' : 'n';
    std::map<std::string_view, const AttrValue*> sorted;
    for (const Attr& a : n.attrs.items()) sorted.emplace(a.name, &a.value);
    number(sorted.size());
    for (const auto& [name, value] : sorted) {
      text(std::string(name));
      if (!attribute(*value, depth)) return false;
    }
    return true;
  }

  bool attribute(const AttrValue& value, int depth) {
    number(static_cast<uint64_t>(kind_of(value)));
    const auto numbers = [&](const auto& list) {
      number(list.size());
      for (const auto x : list) out_.append(reinterpret_cast<const char*>(&x), sizeof x);
    };
    if (const auto* f = std::get_if<float>(&value)) {
      numbers(std::vector<float>{*f});
    } else if (const auto* i = std::get_if<int64_t>(&value)) {
      number(static_cast<uint64_t>(*i));
    } else if (const auto* s = std::get_if<std::string>(&value)) {
      text(*s);
    } else if (const auto* fs = std::get_if<std::vector<float>>(&value)) {
      numbers(*fs);
    } else if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) {
      numbers(*is);
    } else if (const auto* ss = std::get_if<std::vector<std::string>>(&value)) {
      number(ss->size());
      for (const auto& s : *ss) text(s);
    } else if (const auto* t = std::get_if<TensorPtr>(&value)) {
      number(*t ? tensors_.id(**t) : ~0u);
    } else if (const auto* g = std::get_if<GraphId>(&value)) {
      return graph(*g, depth + 1);
    } else {
      return false;  // graphs, types, sparse tensors, references to a function's attribute: rare
    }
    return true;
  }

  bool graph(GraphId g, int depth) {
    if (depth > kMaxDepth) return false;
    const auto define = [&](ValueId v) {
      if (v) local_.emplace(v, local_.size());
    };
    number(m_.inputs(g).size());
    for (const ValueId v : m_.inputs(g)) define(v);
    for (NodeId n = m_[g].first; n; n = m_[n].next) {
      out_ += 'n';
      if (!node(n, depth)) return false;
      for (const ValueId v : m_[n].out) define(v);
    }
    out_ += 'r';
    number(m_.outputs(g).size());
    for (const ValueId v : m_.outputs(g)) operand(v);
    return true;
  }

  const Model& m_;
  TensorInterner tensors_;
  std::string out_;
  std::unordered_map<ValueId, uint64_t> local_;  // values of the subgraphs inside the key
};

class Eliminator {
 public:
  explicit Eliminator(PassContext& ctx) : ctx_(ctx), m_(ctx.model), keys_(ctx.model) {}

  // A subgraph sees what the outer graphs computed before its owner, so nodes are visited in execution order
  // with an explicit stack of open graphs; what a graph added is forgotten when it closes.
  void run(GraphId root) {
    stack_.push_back({root, m_[root].first, {}, {}});
    while (!stack_.empty()) {
      Frame& f = stack_.back();
      if (!f.inner.empty()) {
        const GraphId g = f.inner.back();
        f.inner.pop_back();
        stack_.push_back({g, m_[g].first, {}, {}});
        continue;
      }
      if (!f.next) {
        for (const auto& key : f.added) seen_.erase(key);
        stack_.pop_back();
        continue;
      }
      const NodeId n = f.next;
      f.next = m_[n].next;
      if (!visit(n, f)) return;
    }
  }

 private:
  struct Frame {
    GraphId graph;
    NodeId next;
    std::vector<GraphId> inner;      // subgraphs of the node just visited, still to be entered
    std::vector<std::string> added;  // keys first seen in this graph
  };

  // False when fuel is out.
  bool visit(NodeId n, Frame& f) {
    const auto descend = [&] {
      f.inner = m_.subgraphs(n);
      std::reverse(f.inner.begin(), f.inner.end());
      return true;
    };
    if (m_[n].out.empty() || !is_pure(m_, n)) return descend();
    std::string key = keys_.key(n);
    if (key.empty()) return descend();
    const auto [it, fresh] = seen_.try_emplace(std::move(key), n);
    if (fresh) {
      f.added.push_back(it->first);
      return descend();
    }
    const NodeId first = it->second;
    if (keeps_outputs_apart(n, first)) return descend();
    if (!ctx_.spend("cse", node_label(m_, n),
                    fmt::format("computes the same as '{}'", node_label(m_, first))))
      return false;
    for (size_t i = 0; i < m_[n].out.size(); ++i) {
      const ValueId from = m_[n].out[i], to = m_[first].out[i];
      if (!from) continue;
      if (!m_[to].type.known()) m_.set_type(to, m_[from].type);
      m_.replace_uses(from, to);
    }
    m_.erase(n);
    return true;
  }

  // Two outputs of one graph, or an output of a body that an outer graph computes: each needs its own node.
  bool keeps_outputs_apart(NodeId n, NodeId first) const {
    for (size_t i = 0; i < m_[n].out.size(); ++i)
      if (m_[n].out[i] && m_.is_graph_output(m_[n].out[i]) &&
          (m_.is_graph_output(m_[first].out[i]) || m_[first].parent != m_[n].parent))
        return true;
    return false;
  }

  PassContext& ctx_;
  Model& m_;
  KeyWriter keys_;
  std::unordered_map<std::string, NodeId> seen_;
  std::vector<Frame> stack_;
};

}  // namespace

PassDef cse() {
  return {.name = "cse",
          .group = "cleanup",
          .summary = "Compute equal subexpressions once",
          .run = [](PassContext& ctx, const PassOptions&) { Eliminator(ctx).run(ctx.model.main()); }};
}

}  // namespace lathe
