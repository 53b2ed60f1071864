#include "passes/analysis/cost.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "ir/core/walk.h"
#include "passes/analysis/op_cost.h"

namespace lathe {
namespace {

// Bytes of a tensor; packed types round up as a whole.
std::optional<Dim> bytes_of(const Type& t) {
  const int bits = bit_width(t.dtype);
  if (!t.is_tensor() || !t.shape || bits == 0) return std::nullopt;
  const Dim n = product(*t.shape) * Dim(bits);
  return bits % 8 == 0 ? product(*t.shape) * Dim(bits / 8) : Dim::ceil_div(n, Dim(8));
}

// First wins: where the bytes of v are.
ValueId storage(const Model& m, ValueId v) {
  for (;;) {
    const NodeId n = m[v].def;
    if (!n || m.is_hidden(n) || !is_view(m[n]) || m[v].slot != 0 || !m[n].input(0) || m[n].is("Size"))
      return v;
    v = m[n].in[0];
  }
}

class Counter {
 public:
  explicit Counter(const Model& m) : m_(m) {}

  ModelCost run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (NodeId n = m_[g].first; n; n = m_[n].next) node(n);
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const ValueId v : m_[g].initializers)
        if (m_[v].constant) weight(*m_[v].constant, nullptr);
    liveness();
    return std::move(c_);
  }

 private:
  void node(NodeId n) {
    NodeCost k;
    k.node = n;
    const auto op = op_cost(m_, n);
    k.known = op.has_value();
    if (op) {
      k.cost.macs = op->macs;
      k.cost.flops = op->flops;
    }
    for (const ValueId v : m_[n].in) {
      if (!v) continue;
      if (const TensorPtr t = m_.constant_ptr(v)) {
        weight(*t, &k.cost);
      } else if (!is_view(m_[n])) {
        if (const auto b = bytes_of(m_[v].type)) k.cost.read = k.cost.read + *b;
      }
    }
    for (const ValueId v : m_[n].out) {
      if (!v || is_view(m_[n]) || m_.constant(v) != nullptr) continue;
      const auto b = bytes_of(m_[v].type);
      if (b) k.cost.written = k.cost.written + *b;
      if (!b && m_[v].type.is_tensor() && m_[v].type.dtype != DType::String) k.known = false;
    }
    if (k.cost.macs.has_unknown() || k.cost.written.has_unknown()) k.known = false;
    c_.unknown_nodes += k.known ? 0 : 1;
    c_.total += k.cost;
    c_.nodes.push_back(k);
  }

  // Counted once, however many values and readers share the bytes.
  void weight(const Tensor& t, Cost* reader) {
    const void* key = t.bytes().empty() ? static_cast<const void*>(&t) : t.bytes().data();
    if (!seen_.insert(key).second) return;
    const int64_t bytes = byte_count(t.dtype, t.count());
    const std::string type(onnx_name(t.dtype));
    c_.bytes_by_type[type] += bytes;
    c_.elements_by_type[type] += t.count();
    Cost& to = reader != nullptr ? *reader : c_.total;
    to.parameters += t.count();
    to.weight_bytes += bytes;
  }

  // A body's activations live while its owner runs; they are not followed inside.
  void liveness() {
    std::unordered_map<ValueId, size_t> last;
    std::vector<NodeId> order = m_.nodes(m_.main());
    std::unordered_map<NodeId, size_t> place;
    for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    const auto note = [&](ValueId v) {
      if (!v || m_.constant(v) != nullptr) return;
      size_t end = m_[v].def && place.contains(m_[v].def) ? place[m_[v].def] : 0;
      for (const Use& u : m_[v].uses) end = std::max(end, step_of(u.node, place, order.size()));
      auto [it, fresh] = last.try_emplace(storage(m_, v), end);
      it->second = std::max(it->second, end);
    };
    for (const ValueId v : m_.inputs(m_.main())) note(v);
    for (const NodeId n : order)
      for (const ValueId v : m_[n].out) note(v);

    std::vector<std::vector<ValueId>> ends(order.size() + 1);
    for (const auto& [v, end] : last) ends[std::min(end, order.size())].push_back(v);
    Dim alive = 0;
    const auto bytes = [&](ValueId v) { return bytes_of(m_[v].type).value_or(Dim(0)); };
    for (const ValueId v : m_.inputs(m_.main()))
      if (last.contains(v)) alive = alive + bytes(v);
    for (size_t i = 0; i < order.size(); ++i) {
      for (const ValueId v : m_[order[i]].out)
        if (v && last.contains(v) && storage(m_, v) == v) alive = alive + bytes(v);
      c_.live.push_back({order[i], alive});
      for (const ValueId v : ends[i]) alive = alive - bytes(v);
    }
  }

  // The step of the main graph at which a use happens: a capture's is that of the node that owns the body.
  size_t step_of(NodeId n, const std::unordered_map<NodeId, size_t>& place, size_t end) const {
    for (int depth = 0; depth < 1000; ++depth) {
      if (const auto it = place.find(n); it != place.end()) return it->second;
      const GraphId g = m_[n].parent;
      if (m_.is_hidden(n) || !g || !m_[g].owner) break;
      n = m_[g].owner;
    }
    return end;
  }

  const Model& m_;
  ModelCost c_;
  std::set<const void*> seen_;
};

}  // namespace

Cost& Cost::operator+=(const Cost& o) {
  macs = macs + o.macs;
  flops = flops + o.flops;
  read = read + o.read;
  written = written + o.written;
  parameters += o.parameters;
  weight_bytes += o.weight_bytes;
  return *this;
}

ModelCost analyze_cost(const Model& m) { return Counter(m).run(); }

std::optional<int64_t> at(Dim d, const Sizes& sizes) { return d.eval(sizes); }

std::optional<size_t> peak(const ModelCost& c, const Sizes& sizes) {
  std::optional<size_t> best;
  int64_t most = -1;
  for (size_t i = 0; i < c.live.size(); ++i)
    if (const auto b = at(c.live[i].bytes, sizes); b && *b > most) {
      most = *b;
      best = i;
    }
  return best;
}

}  // namespace lathe
