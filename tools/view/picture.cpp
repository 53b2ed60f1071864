#include "tools/view/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "ir/core/walk.h"
#include "passes/diff/text.h"
#include "tools/cli.h"
#include "tools/markup.h"

namespace lathe::view {
namespace {

using Kind = OutlineGroup::Kind;

constexpr uint32_t kNone = ~0u;
constexpr int64_t kManyParameters = 64;  // fewer are constants of formulas
constexpr size_t kPortsApart = 4;        // inputs that read the same and go the same way; more are one box

class Maker {
 public:
  Maker(const Scene& s, int depth, ColorBy by) : s_(s), m_(s.m), groups_(s.outline.groups), depth_(depth) {
    p_.by = by;
  }

  Picture run() {
    p_.title = s_.title;
    const auto number = [](int64_t n) { return static_cast<double>(n); };
    p_.subtitle = fmt::format("{} nodes, {} parameters, {} of weights", node_count(m_),
                              cli::human_count(number(s_.total.parameters)),
                              cli::human_bytes(number(s_.total.weight_bytes)));
    if (s_.total.flops > 0) {
      p_.subtitle += fmt::format(", {}FLOPs", cli::human_count(s_.total.flops));
      std::string sizes;
      for (const auto& [name, n] : s_.sizes)
        sizes += fmt::format("{}{}={}", sizes.empty() ? "" : ", ", name, n);
      if (!sizes.empty()) p_.subtitle += " at " + cli::shown(sizes, 120);
    }
    box_of_.assign(m_.node_capacity(), kNone);
    lay_out();
    edges();
    ports();
    std::sort(p_.edges.begin(), p_.edges.end());
    p_.edges.erase(std::unique(p_.edges.begin(), p_.edges.end()), p_.edges.end());
    return std::move(p_);
  }

 private:
  struct Open {
    uint32_t group, frame;
  };

  bool opens(uint32_t g) const {
    switch (groups_[g].kind) {
      case Kind::graph:
        return true;
      case Kind::repeat:
        return depth_ >= kDepthUnits;
      case Kind::layer:
        return true;  // seen only where its block is open
      default:
        return depth_ >= kDepthNodes;
    }
  }

  void lay_out() {
    std::vector<Open> open{{0, kNone}};
    for (size_t at = 0; at < open.size(); ++at) {  // outer before inner
      const auto [g, frame] = open[at];
      for (const auto& item : groups_[g].items) {
        if (!item.is_group()) {
          box_of_[item.node.v] = add(node_box(item.node, frame));
          continue;
        }
        const uint32_t inner = item.group;
        if (groups_[inner].items.empty()) continue;
        if (!opens(inner)) {
          const uint32_t box = add(group_box(inner, frame));
          cover(inner, box);
        } else if (groups_[inner].kind == Kind::repeat && depth_ < kDepthAll) {
          open.push_back({groups_[inner].items.front().group, add_frame(inner, frame)});
          blocks_.push_back(inner);
        } else {
          open.push_back({inner, add_frame(inner, frame)});
        }
      }
    }
    for (const uint32_t block : blocks_) mirror(block);
  }

  uint32_t add(PictureBox box) {
    if (p_.boxes.size() == kMostBoxes)
      fail_usage(
          "--depth={} would draw more than {} boxes of '{}': choose a smaller depth, or --html, which draws "
          "any number",
          depth_, kMostBoxes, s_.title);
    p_.boxes.push_back(std::move(box));
    return static_cast<uint32_t>(p_.boxes.size() - 1);
  }

  uint32_t add_frame(uint32_t g, uint32_t parent) {
    const bool repeat = groups_[g].kind == Kind::repeat;
    PictureFrame f{group_title(s_, g), group_detail(s_, g), color_of(s_, p_.by, g), parent, repeat};
    if (repeat && depth_ < kDepthAll) {
      f.title += ", each:";
      f.detail = cost_line(s_.of_group[g], groups_[g].nodes) + " in all";
    }
    p_.frames.push_back(std::move(f));
    return static_cast<uint32_t>(p_.frames.size() - 1);
  }

  // "37 nodes, 1.8 M parameters, 12% of FLOPs"
  std::string cost_line(const Numbers& n, size_t nodes) const {
    std::string s = nodes == 1 ? "" : fmt::format("{} nodes", nodes);
    const auto add = [&](const std::string& text) { s += (s.empty() ? "" : ", ") + text; };
    if (n.parameters >= kManyParameters)
      add(cli::human_count(static_cast<double>(n.parameters)) + " parameters");
    if (s_.total.flops > 0 && n.flops >= 0.001 * s_.total.flops)
      add(fmt::format("{:.1f}% of FLOPs", 100 * n.flops / s_.total.flops));
    return s;
  }

  PictureBox group_box(uint32_t g, uint32_t frame) {
    PictureBox b;
    b.title = group_title(s_, g);
    if (const std::string detail = group_detail(s_, g); !detail.empty()) b.lines.push_back(detail);
    if (groups_[g].nodes > 1 || s_.of_group[g].parameters > 0)
      b.lines.push_back(cost_line(s_.of_group[g], groups_[g].nodes));
    b.color = color_of(s_, p_.by, g);
    b.frame = frame;
    b.tip = change_text(g);
    return b;
  }

  // What changed inside.
  std::string change_text(uint32_t g) const {
    std::map<std::string, size_t> counts;
    for (const auto& item : groups_[g].items)
      if (!item.is_group() && !s_.change[item.node.v].text.empty()) ++counts[s_.change[item.node.v].text];
    std::string out;
    for (const auto& [text, n] : counts) {
      if (out.size() > 300) return out + "; ...";
      out += fmt::format("{}{}{}", out.empty() ? "" : "; ", n > 1 ? fmt::format("{} x ", n) : "",
                         cli::shown(text, 100));
    }
    return out;
  }

  PictureBox node_box(NodeId n, uint32_t frame) {
    PictureBox b;
    b.title = cli::shown(diff::op_name(m_[n]), 60);
    if (b.title.starts_with("com.microsoft.")) b.title.erase(0, 14);
    for (const ValueId v : m_[n].out)
      if (v && m_[v].type.known()) {
        b.lines.push_back(short_type(m_[v].type));
        break;
      }
    if (const std::string cost = cost_line(s_.of_node[n.v], 1); !cost.empty()) b.lines.push_back(cost);
    b.color = color_of(s_, p_.by, n);
    b.frame = frame;
    b.tip = m_[n].name + (s_.change[n.v].text.empty() ? "" : ": " + s_.change[n.v].text);
    return b;
  }

  // All nodes inside of a closed group are drawn as its box.
  void cover(uint32_t g, uint32_t box) {
    std::vector<uint32_t> todo{g};
    while (!todo.empty()) {
      const uint32_t at = todo.back();
      todo.pop_back();
      for (const auto& item : groups_[at].items)
        if (item.is_group())
          todo.push_back(item.group);
        else
          box_of_[item.node.v] = box;
    }
  }

  // Nodes of the other layers are drawn as what stands at their place in the first.
  void mirror(uint32_t block) {
    const auto& layers = groups_[block].items;
    const std::vector<Slot> first = slots(layers.front().group);
    for (size_t i = 1; i < layers.size(); ++i) {
      const std::vector<Slot> other = slots(layers[i].group);
      for (size_t k = 0; k < other.size(); ++k) {
        // Units of layers with one structure come in the same order; of what else is there the first layer,
        // which others may feed in another way, may have less: counted from the end.
        const size_t from_end = other.size() - k, at = k < first.size() && other[k].item.is_group() ? k
                                                       : from_end <= first.size() ? first.size() - from_end
                                                                                  : first.size();
        const Slot* twin = at < first.size() && first[at].key == other[k].key ? &first[at] : nullptr;
        for (size_t j = 0; twin == nullptr && j < first.size(); ++j)
          if (first[j].key == other[k].key) twin = &first[j];
        if (twin == nullptr) continue;
        if (other[k].item.is_group())
          copy(twin->item.group, other[k].item.group);
        else
          box_of_[other[k].item.node.v] = box_of_[twin->item.node.v];
      }
    }
  }

  struct Slot {
    std::string key;
    OutlineGroup::Item item;
  };
  // Items of a group: units as the analysis numbers them (layers of one structure agree there), other groups,
  // nodes.
  std::vector<Slot> slots(uint32_t g) const {
    std::vector<Slot> out;
    for (const auto& item : groups_[g].items)
      if (item.is_group())
        out.push_back({fmt::format("{} {}", static_cast<int>(groups_[item.group].kind),
                                   static_cast<int>(groups_[item.group].role)),
                       item});
    std::stable_sort(out.begin(), out.end(), [&](const Slot& a, const Slot& b) {
      const auto unit = [&](const Slot& s) { return static_cast<uint32_t>(groups_[s.item.group].unit); };
      return unit(a) < unit(b);
    });
    for (const auto& item : groups_[g].items)
      if (!item.is_group()) out.push_back({m_[item.node].type, item});
    return out;
  }

  void copy(uint32_t from, uint32_t to) {
    if (!opens(from)) {
      uint32_t box = kNone;
      for (uint32_t g = from; box == kNone && g != kNone;) {  // any node inside tells the box
        uint32_t next = kNone;
        for (const auto& item : groups_[g].items)
          if (!item.is_group())
            box = box_of_[item.node.v];
          else
            next = item.group;
        g = next;
      }
      if (box != kNone) cover(to, box);
      return;
    }
    const std::vector<Slot> a = slots(from), b = slots(to);
    for (size_t i = 0; i < a.size() && i < b.size(); ++i)
      if (!a[i].item.is_group() && !b[i].item.is_group() && a[i].key == b[i].key)
        box_of_[b[i].item.node.v] = box_of_[a[i].item.node.v];
  }

  // The block that n stands in and of which only the first layer is drawn; the layer, ~0u: none.
  uint32_t drawn_layer(NodeId n) const {
    for (uint32_t g = s_.outline.home[n.v]; g != kNone; g = groups_[g].parent)
      if (groups_[g].kind == Kind::layer) return g;
    return kNone;
  }

  void edges() {
    for (const OutlineGroup& g : groups_)
      for (const auto& item : g.items) {
        if (item.is_group()) continue;
        const NodeId n = item.node;
        for (const ValueId v : m_[n].in) {
          const NodeId d = v ? m_[v].def : NodeId{};
          if (!d) continue;
          // What enters a body comes from its owner.
          const NodeId from = m_.is_hidden(d) ? m_[m_[d].parent].owner : d;
          if (from) connect(from, n);
        }
      }
  }

  void connect(NodeId from, NodeId to) {
    const uint32_t a = box_of_[from.v], b = box_of_[to.v];
    if (a == kNone || b == kNone || a == b) return;
    if (depth_ < kDepthAll && depth_ >= kDepthUnits) {
      const uint32_t x = drawn_layer(from), y = drawn_layer(to);
      // From one layer to the next of the same block: the frame says so. Within a layer: the first tells.
      if (x != kNone && y != kNone && groups_[x].parent == groups_[y].parent &&
          (x != y || groups_[groups_[x].parent].items.front().group != x))
        return;
    }
    p_.edges.push_back({a, b, false});
  }

  struct Port {
    std::string name, type;
    std::set<uint32_t> boxes;
  };

  void add_ports(const std::vector<Port>& all, bool inputs) {
    std::map<std::pair<std::set<uint32_t>, std::string>, std::vector<const Port*>> alike;
    for (const Port& p : all) alike[{p.boxes, p.type}].push_back(&p);
    std::set<const Port*> drawn;
    for (const Port& p : all) {
      if (p.boxes.empty() && all.size() > kPortsApart) continue;
      const auto& same = alike[{p.boxes, p.type}];
      const bool merge = same.size() > kPortsApart;
      if (merge && same.front() != &p) continue;
      PictureBox b;
      b.title = cli::shown(p.name, 40) + (merge ? fmt::format(" and {} more", same.size() - 1) : "");
      if (!p.type.empty()) b.lines.push_back(p.type);
      b.port = true;
      const uint32_t at = add(std::move(b));
      for (const uint32_t box : p.boxes)
        p_.edges.push_back(inputs ? PictureEdge{at, box, true} : PictureEdge{box, at, true});
    }
  }

  void ports() {
    std::vector<Port> in, out;
    const Graph& main = m_[m_.main()];
    const std::vector<ValueId> inputs = m_.inputs(m_.main()), outputs = m_.outputs(m_.main());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (m_[inputs[i]].constant != nullptr) continue;  // a weight with a name
      Port p{main.inputs[i].name, short_type(m_[inputs[i]].type), {}};
      for (const Use& u : m_[inputs[i]].uses)
        if (!m_.is_hidden(u.node) && box_of_[u.node.v] != kNone) p.boxes.insert(box_of_[u.node.v]);
      in.push_back(std::move(p));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueId v = outputs[i];
      Port p{main.outputs[i].name, v ? short_type(m_[v].type) : "", {}};
      if (v && m_[v].def && !m_.is_hidden(m_[v].def) && box_of_[m_[v].def.v] != kNone)
        p.boxes.insert(box_of_[m_[v].def.v]);
      out.push_back(std::move(p));
    }
    add_ports(in, true);
    add_ports(out, false);
  }

  const Scene& s_;
  const Model& m_;
  const std::vector<OutlineGroup>& groups_;
  int depth_;
  Picture p_;
  std::vector<uint32_t> box_of_;  // by NodeId::v
  std::vector<uint32_t> blocks_;  // open, with one layer drawn
};

}  // namespace

Picture make_picture(const Scene& s, int depth, ColorBy by) { return Maker(s, depth, by).run(); }

}  // namespace lathe::view
