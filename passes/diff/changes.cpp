#include "passes/diff/changes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "ir/core/walk.h"
#include "ir/onnx/schema.h"
#include "passes/diff/scope.h"
#include "passes/diff/text.h"

namespace lathe::diff {
namespace {

constexpr uint32_t kNoHunk = ~0u;
constexpr int64_t kSmallElements = 32;
// A value that more removed nodes than this read joins no hunk: masks and shapes are read everywhere.
constexpr size_t kMaxJoined = 3;

class UnionFind {
 public:
  explicit UnionFind(size_t n) : up_(n) { std::iota(up_.begin(), up_.end(), 0u); }
  uint32_t find(uint32_t x) {
    while (up_[x] != x) x = up_[x] = up_[up_[x]];
    return x;
  }
  void join(uint32_t x, uint32_t y) {
    x = find(x);
    y = find(y);
    if (x != y) up_[std::max(x, y)] = std::min(x, y);
  }

 private:
  std::vector<uint32_t> up_;
};

// The text of an attribute's value, the schema's default where it is not written; empty if there is none.
struct Written {
  const AttrValue* value = nullptr;
  bool by_default = false;
};

Written written(const Node& n, const std::string& name, int64_t opset) {
  if (const AttrValue* v = n.attrs.find(name)) return {v, false};
  const std::string domain = n.domain == "ai.onnx" ? "" : n.domain;
  const Schema* schema = find_schema(domain, n.type, opset > 0 ? opset : newest_opset(domain));
  if (schema == nullptr) return {};
  const auto it = schema->attrs.find(name);
  if (it == schema->attrs.end() || it->second.otherwise.index() == 0) return {};
  return {&it->second.otherwise, true};
}

bool is_graph_attr(const AttrValue& v) {
  return std::holds_alternative<GraphId>(v) || std::holds_alternative<std::vector<GraphId>>(v);
}

class Finder {
 public:
  Finder(const Model& a, const Model& b, const Alignment& al) : a_(a), b_(b), al_(al) {
    out_.value_a_to_b = al.value_a_to_b;
    out_.value_b_to_a = al.value_b_to_a;
    out_.hunk_of_a.assign(a.node_capacity(), kNoHunk);
    out_.hunk_of_b.assign(b.node_capacity(), kNoHunk);
  }

  Changes run() {
    for (const auto& [ga, gb] : al_.graphs) {
      collect(a_, ga, al_.a_to_b, removed_, number_a_);
      collect(b_, gb, al_.b_to_a, added_, number_b_);
    }
    for (const auto& [ga, gb] : al_.graphs) operands_of(ga, gb);
    stand_ins_by_name();
    make_hunks();
    for (auto& r : readers_) {
      const uint32_t h = hunk_of(r.input.before, r.input.after);
      out_.hunks[h].readers.push_back(std::move(r));
    }
    count_nested();
    group_hunks(a_, b_, out_);
    return std::move(out_);
  }

 private:
  using Numbers = std::unordered_map<NodeId, uint32_t>;

  static void collect(const Model& m, GraphId g, const std::vector<NodeId>& partner, std::vector<NodeId>& out,
                      Numbers& numbers) {
    for (NodeId n = m[g].first; n; n = m[n].next)
      if (!partner[n.v] && !is_constant_node(m, n)) {
        numbers[n] = static_cast<uint32_t>(out.size());
        out.push_back(n);
      }
  }

  void count_nested() {
    const auto count = [](const Model& m, const std::vector<NodeId>& nodes) {
      size_t total = nodes.size();
      for (const NodeId n : nodes)
        for (const GraphId s : m.subgraphs(n))
          for (const GraphId g : nested_graphs(m, s))
            for (NodeId i = m[g].first; i; i = m[i].next) total += is_constant_node(m, i) ? 0 : 1;
      return total;
    };
    out_.removed = count(a_, removed_);
    out_.added = count(b_, added_);
  }

  // The node that only one side has and that makes the value; none otherwise.
  NodeId removed_source(ValueId v) const { return v && number_a_.contains(a_[v].def) ? a_[v].def : NodeId{}; }
  NodeId added_source(ValueId v) const { return v && number_b_.contains(b_[v].def) ? b_[v].def : NodeId{}; }
  bool is_lost_port(const Model& m, ValueId v, const std::vector<ValueId>& partner) const {
    return v && m[v].def && m.is_hidden(m[v].def) && !partner[v.v];
  }

  bool same_operand(ValueId va, ValueId vb) const {
    if (!va || !vb) return !va && !vb;
    const Tensor *ta = a_.constant(va), *tb = b_.constant(vb);
    if (ta != nullptr && tb != nullptr) return false;  // by content, elsewhere
    if (a_[va].sparse && b_[vb].sparse)
      return same_content(a_[va].sparse->values, b_[vb].sparse->values) &&
             same_content(a_[va].sparse->indices, b_[vb].sparse->indices);
    return al_.value_a_to_b[va.v] == vb;
  }

  void operands_of(GraphId ga, GraphId gb) {
    for (NodeId x = a_[ga].first; x; x = a_[x].next)
      if (const NodeId y = al_.a_to_b[x.v]) compare_nodes(x, y);
    compare_results(ga, gb);
  }

  void compare_nodes(NodeId x, NodeId y) {
    NodeChange change{x, y, {}, {}, {}};
    compare_attrs(x, y, change);
    const auto &in_x = a_[x].in, &in_y = b_[y].in;
    const bool swapped = is_commutative(a_[x]) && in_y.size() == 2 && swap_fits(in_x, in_y);
    for (size_t i = 0; i < std::max(in_x.size(), in_y.size()); ++i) {
      const size_t k = swapped ? 1 - i : i;
      compare_operand(x, y, static_cast<uint32_t>(i), i < in_x.size() ? in_x[i] : ValueId{},
                      k < in_y.size() ? in_y[k] : ValueId{}, change);
    }
    if (change.changed() || !change.rewired.empty()) out_.nodes.push_back(std::move(change));
    if (!a_[x].name.empty() && a_[x].name != b_[y].name) ++out_.renamed_nodes;
    for (size_t i = 0; i < std::min(a_[x].out.size(), b_[y].out.size()); ++i)
      if (a_[x].out[i] && b_[y].out[i] && a_[a_[x].out[i]].name != b_[b_[y].out[i]].name)
        ++out_.renamed_values;
  }

  bool matches(ValueId va, ValueId vb) const {
    if (va && vb)
      if (const Tensor *ta = a_.constant(va), *tb = b_.constant(vb); ta != nullptr && tb != nullptr)
        return ta->dtype == tb->dtype && ta->dims == tb->dims &&
               (!is_small_constant(*ta) || same_content(*ta, *tb));
    return same_operand(va, vb);
  }
  bool swap_fits(const std::vector<ValueId>& x, const std::vector<ValueId>& y) const {
    const int straight = matches(x[0], y[0]) + matches(x[1], y[1]);
    return straight < 2 && straight < matches(x[0], y[1]) + matches(x[1], y[0]);
  }

  // Outputs of a graph belong together by the alignment of ports (main) or by position.
  void compare_results(GraphId ga, GraphId gb) {
    const NodeId x = a_[ga].ret, y = b_[gb].ret;
    NodeChange change{x, y, {}, {}, {}};
    const auto &out_x = a_[x].in, &out_y = b_[y].in;
    const auto take = [&](size_t i, size_t k) {
      compare_operand(x, y, static_cast<uint32_t>(i), out_x[i], out_y[k], change);
    };
    if (ga == a_.main()) {
      for (const auto& [i, k] : al_.outputs) take(i, k);
    } else {
      for (size_t i = 0; i < std::min(out_x.size(), out_y.size()); ++i) take(i, i);
    }
    if (change.changed() || !change.rewired.empty()) out_.nodes.push_back(std::move(change));
  }

  void compare_operand(NodeId x, NodeId y, uint32_t slot, ValueId va, ValueId vb, NodeChange& change) {
    if (same_operand(va, vb)) return;
    const Tensor* ta = va ? a_.constant(va) : nullptr;
    const Tensor* tb = vb ? b_.constant(vb) : nullptr;
    if (ta != nullptr && tb != nullptr) {
      if (!is_small_constant(*ta) || !is_small_constant(*tb))
        constant_pair(va, vb, x, slot);
      else if (!same_content(*ta, *tb))
        change.values.push_back({slot, input_label(a_, x, slot), va, vb});
      return;
    }
    InputChange input{
        slot, a_.is_hidden(x) || slot < a_[x].in.size() ? input_label(a_, x, slot) : input_label(b_, y, slot),
        va, vb};
    const NodeId old_source = removed_source(va), new_source = added_source(vb);
    if (old_source && new_source) stand_in(va, vb);
    if (old_source || new_source)
      readers_.push_back({x, y, std::move(input)});
    else if (!is_lost_port(a_, va, al_.value_a_to_b) && !is_lost_port(b_, vb, al_.value_b_to_a))
      change.rewired.push_back(std::move(input));
  }

  void constant_pair(ValueId va, ValueId vb, NodeId x, uint32_t slot) {
    const auto [it, fresh] = pair_at_.try_emplace({va.v, vb.v}, out_.constants.size());
    if (fresh) out_.constants.push_back({va, vb, {}});
    out_.constants[it->second].uses.emplace_back(x, slot);
  }

  void compare_attrs(NodeId x, NodeId y, NodeChange& change) {
    const Node &nx = a_[x], &ny = b_[y];
    std::vector<std::string> names;
    for (const Attr& attr : nx.attrs.items()) names.push_back(attr.name);
    for (const Attr& attr : ny.attrs.items())
      if (!nx.attrs.has(attr.name)) names.push_back(attr.name);
    for (const std::string& name : names) {
      const Written wx = written(nx, name, a_.opset(nx.domain)), wy = written(ny, name, b_.opset(ny.domain));
      if (wx.value != nullptr && wy.value != nullptr &&
          ((is_graph_attr(*wx.value) && is_graph_attr(*wy.value)) || same_value(*wx.value, *wy.value)))
        continue;
      const auto text = [](const Model& m, const Written& w) {
        return w.value == nullptr ? std::string()
                                  : attr_text(m, *w.value) + (w.by_default ? " (default)" : "");
      };
      change.attrs.push_back({name, text(a_, wx), text(b_, wy)});
    }
    if (nx.out.size() != ny.out.size())
      change.attrs.push_back({"outputs", std::to_string(nx.out.size()), std::to_string(ny.out.size())});
  }

  bool stand_in(ValueId va, ValueId vb) {
    if (out_.value_a_to_b[va.v] || out_.value_b_to_a[vb.v]) return false;
    out_.value_a_to_b[va.v] = vb;
    out_.value_b_to_a[vb.v] = va;
    stand_ins_.emplace_back(va, vb);
    return true;
  }

  // A rewrite that keeps a value usually keeps its name.
  void stand_ins_by_name() {
    std::map<std::pair<uint32_t, std::string_view>, ValueId> named;
    std::unordered_map<uint32_t, uint32_t> graph_of;  // graph of b -> of a
    for (const auto& [ga, gb] : al_.graphs) graph_of[gb.v] = ga.v;
    for (const NodeId n : added_)
      for (const ValueId v : b_[n].out)
        if (v && !b_[v].name.empty()) named[{graph_of[b_[n].parent.v], b_[v].name}] = v;
    for (const NodeId n : removed_)
      for (const ValueId v : a_[n].out)
        if (v)
          if (const auto it = named.find({a_[n].parent.v, a_[v].name}); it != named.end())
            stand_in(v, it->second);
  }

  void join_sources(const Model& m, const std::vector<NodeId>& nodes, const Numbers& numbers, uint32_t offset,
                    const std::vector<ValueId>& partner, UnionFind& sets) const {
    const auto join = [&](NodeId n, ValueId v) {
      if (!v || partner[v.v]) return;
      const auto it = numbers.find(m[v].def);
      if (it == numbers.end()) return;
      size_t readers = 0;
      for (const Use& u : m[v].uses) readers += numbers.contains(u.node) ? 1 : 0;
      if (readers <= kMaxJoined) sets.join(offset + numbers.at(n), offset + it->second);
    };
    for (const NodeId n : nodes) {
      for (const ValueId v : m[n].in) join(n, v);
      for (const GraphId s : m.subgraphs(n))
        for (const ValueId v : captures(m, s)) join(n, v);
    }
  }

  void make_hunks() {
    const auto first_added = static_cast<uint32_t>(removed_.size());
    UnionFind sets(removed_.size() + added_.size());
    join_sources(a_, removed_, number_a_, 0, out_.value_a_to_b, sets);
    join_sources(b_, added_, number_b_, first_added, out_.value_b_to_a, sets);
    for (const auto& [va, vb] : stand_ins_)
      sets.join(number_a_.at(a_[va].def), first_added + number_b_.at(b_[vb].def));
    // An operand that moved from what a removed node made to anything an added node makes ties the two, even
    // where each stands for something else as well.
    for (const Hunk::Reader& r : readers_)
      if (removed_source(r.input.before) && added_source(r.input.after))
        sets.join(number_a_.at(a_[r.input.before].def), first_added + number_b_.at(b_[r.input.after].def));

    std::unordered_map<uint32_t, uint32_t> hunk_at;
    const auto hunk_of_set = [&](uint32_t i) {
      const auto [it, fresh] = hunk_at.try_emplace(sets.find(i), static_cast<uint32_t>(out_.hunks.size()));
      if (fresh) out_.hunks.emplace_back();
      return it->second;
    };
    for (uint32_t i = 0; i < removed_.size(); ++i) {
      const uint32_t h = hunk_of_set(i);
      out_.hunks[h].removed.push_back(removed_[i]);
      out_.hunk_of_a[removed_[i].v] = h;
    }
    for (uint32_t i = 0; i < added_.size(); ++i) {
      const uint32_t h = hunk_of_set(first_added + i);
      out_.hunks[h].added.push_back(added_[i]);
      out_.hunk_of_b[added_[i].v] = h;
    }
  }

  uint32_t hunk_of(ValueId before, ValueId after) const {
    if (const NodeId n = removed_source(before)) return out_.hunk_of_a[n.v];
    return out_.hunk_of_b[added_source(after).v];
  }

  const Model &a_, &b_;
  const Alignment& al_;
  Changes out_;
  std::vector<NodeId> removed_, added_;
  Numbers number_a_, number_b_;
  std::vector<Hunk::Reader> readers_;
  std::vector<std::pair<ValueId, ValueId>> stand_ins_;
  std::map<std::pair<uint32_t, uint32_t>, size_t> pair_at_;
};

}  // namespace

bool is_small_constant(const Tensor& t) {
  const bool known = t.dtype == DType::String || !t.bytes().empty() || t.count() == 0;
  return known && t.count() <= kSmallElements && (!is_floating(t.dtype) || t.count() <= 1);
}

void group_hunks(const Model& a, const Model& b, Changes& c) {
  using Ops = std::vector<std::string>;  // sorted
  const auto ops = [](const Model& m, const std::vector<NodeId>& nodes) {
    Ops out;
    for (const NodeId n : nodes) out.push_back(op_name(m[n]));
    std::sort(out.begin(), out.end());
    return out;
  };
  std::map<std::tuple<Ops, Ops, std::vector<std::string>>, size_t> at;
  c.groups.clear();
  for (size_t i = 0; i < c.hunks.size(); ++i) {
    Hunk& h = c.hunks[i];
    h.old_ops = ops_text(a, h.removed);
    h.new_ops = ops_text(b, h.added);
    const auto [it, fresh] = at.try_emplace({ops(a, h.removed), ops(b, h.added), h.rules}, c.groups.size());
    if (fresh) c.groups.push_back({{}, h.rules, h.old_ops, h.new_ops});
    c.groups[it->second].hunks.push_back(i);
  }
  std::stable_sort(c.groups.begin(), c.groups.end(),
                   [](const HunkGroup& x, const HunkGroup& y) { return x.hunks.size() > y.hunks.size(); });
}

Changes find_changes(const Model& a, const Model& b, const Alignment& al) { return Finder(a, b, al).run(); }

}  // namespace lathe::diff
