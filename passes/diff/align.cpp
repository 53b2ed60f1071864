#include "passes/diff/align.h"

#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "passes/diff/matcher.h"

namespace lathe::diff {
namespace {

// Rank and element type: what two ports of different names must share to be taken for one another.
std::string kind_of_port(const Port& p) {
  if (!p.type.is_tensor()) return p.type.str();
  return std::string(onnx_name(p.type.dtype)) + "/" + std::to_string(p.type.rank());
}

std::vector<uint32_t> pair_ports(const std::vector<Port>& a, const std::vector<Port>& b, bool by_name) {
  std::vector<uint32_t> out(a.size(), kNone);
  std::vector<bool> taken(b.size(), false);
  const auto take = [&](size_t i, size_t k) {
    out[i] = static_cast<uint32_t>(k);
    taken[k] = true;
  };
  if (by_name) {
    std::unordered_map<std::string_view, size_t> at;
    for (size_t k = 0; k < b.size(); ++k) at.emplace(b[k].name, k);
    for (size_t i = 0; i < a.size(); ++i)
      if (const auto it = at.find(a[i].name); it != at.end() && !taken[it->second]) take(i, it->second);
  }
  // What is left: in order, among those of one kind (a body's ports have no public names).
  size_t next = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (out[i] != kNone) continue;
    if (!by_name) {
      if (i < b.size()) take(i, i);
      continue;
    }
    for (size_t k = next; k < b.size(); ++k)
      if (!taken[k] && kind_of_port(a[i]) == kind_of_port(b[k])) {
        take(i, k);
        next = k + 1;
        break;
      }
  }
  return out;
}

class Aligner {
 public:
  Aligner(const Model& a, const Model& b) : a_(a), b_(b), pa_(a), pb_(b) {
    out_.a_to_b.resize(a.node_capacity());
    out_.b_to_a.resize(b.node_capacity());
    out_.value_a_to_b.resize(a.value_capacity());
    out_.value_b_to_a.resize(b.value_capacity());
  }

  Alignment run() {
    out_.graphs.emplace_back(a_.main(), b_.main());
    pair_functions();
    for (size_t i = 0; i < out_.graphs.size(); ++i)
      pair_graphs(out_.graphs[i].first, out_.graphs[i].second, i == 0);
    return std::move(out_);
  }

 private:
  void pair_values(ValueId va, ValueId vb) {
    if (!va || !vb) return;
    out_.value_a_to_b[va.v] = vb;
    out_.value_b_to_a[vb.v] = va;
  }

  void pair_functions() {
    using Key = std::tuple<std::string, std::string, std::string>;
    std::map<Key, size_t> named;
    std::set<size_t> taken;
    std::vector<size_t> left;
    for (size_t k = 0; k < b_.functions.size(); ++k)
      named[{b_.functions[k].domain, b_.functions[k].name, b_.functions[k].overload}] = k;
    const auto take = [&](size_t i, size_t k) {
      out_.functions.emplace_back(i, k);
      out_.graphs.emplace_back(a_.functions[i].body, b_.functions[k].body);
      taken.insert(k);
    };
    for (size_t i = 0; i < a_.functions.size(); ++i) {
      const Function& f = a_.functions[i];
      const auto it = named.find({f.domain, f.name, f.overload});
      if (it != named.end())
        take(i, it->second);
      else
        left.push_back(i);
    }
    for (const size_t i : left)
      for (size_t k = 0; k < b_.functions.size(); ++k)
        if (!taken.contains(k) && pa_.body(a_.functions[i].body) == pb_.body(b_.functions[k].body)) {
          take(i, k);
          break;
        }
  }

  void pair_graphs(GraphId ga, GraphId gb, bool main) {
    const Scope sa(a_, ga), sb(b_, gb);
    const auto inputs = pair_ports(a_[ga].inputs, b_[gb].inputs, main);
    const auto outputs = pair_ports(a_[ga].outputs, b_[gb].outputs, main);
    const auto in_a = a_.inputs(ga), in_b = b_.inputs(gb);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == kNone) continue;
      pair_values(in_a[i], in_b[inputs[i]]);
      if (main) out_.inputs.emplace_back(i, inputs[i]);
    }
    for (size_t i = 0; i < outputs.size() && main; ++i)
      if (outputs[i] != kNone) out_.outputs.emplace_back(i, outputs[i]);

    Matcher matcher(sa, sb, pa_, pb_, out_, inputs, outputs);
    matcher.run();
    for (uint32_t x = 0; x < sa.size(); ++x) {
      const uint32_t y = matcher.partners()[x];
      if (y != kNone) pair_nodes(sa.id(x), sb.id(y));
    }
  }

  void pair_nodes(NodeId x, NodeId y) {
    out_.a_to_b[x.v] = y;
    out_.b_to_a[y.v] = x;
    ++out_.aligned;
    for (size_t i = 0; i < std::min(a_[x].out.size(), b_[y].out.size()); ++i)
      pair_values(a_[x].out[i], b_[y].out[i]);
    for (const Attr& attr : a_[x].attrs.items()) {
      const AttrValue* other = b_[y].attrs.find(attr.name);
      if (other == nullptr) continue;
      if (const auto *ga = std::get_if<GraphId>(&attr.value), *gb = std::get_if<GraphId>(other); ga && gb)
        out_.graphs.emplace_back(*ga, *gb);
      using List = std::vector<GraphId>;
      if (const auto *ga = std::get_if<List>(&attr.value), *gb = std::get_if<List>(other); ga && gb)
        for (size_t i = 0; i < std::min(ga->size(), gb->size()); ++i)
          out_.graphs.emplace_back((*ga)[i], (*gb)[i]);
    }
  }

  const Model &a_, &b_;
  Palette pa_, pb_;
  Alignment out_;
};

}  // namespace

Alignment align(const Model& a, const Model& b) { return Aligner(a, b).run(); }

}  // namespace lathe::diff
