#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "passes/diff/text.h"
#include "tools/diff/picture.h"
#include "tools/view/graph_layout.h"

namespace lathe::cli {
namespace {

using view::Box;
using view::Point;

constexpr size_t kMaxNodes = 60;  // of one side; more are listed by op
constexpr double kGap = 36, kTitle = 22, kBoxHeight = 34, kPillHeight = 20;

struct Item {
  enum class Kind : uint8_t { node, input, output } kind = Kind::node;
  std::string title, detail;
};

struct Side {
  std::vector<Item> items;
  std::vector<std::pair<size_t, size_t>> edges;
  bool whole = true;  // false: too many nodes
};

double text_width(std::string_view s, double size) {
  return 0.6 * size * static_cast<double>(std::min<size_t>(s.size(), 40));
}

// What tells one node of an op from another: its large constants, else its first attribute.
std::string detail_of(const Model& m, NodeId n) {
  for (const ValueId v : m[n].in)
    if (const Tensor* t = v ? m.constant(v) : nullptr; t != nullptr && !diff::is_small_constant(*t)) {
      std::string dims;
      for (const int64_t d : t->dims) dims += (dims.empty() ? "" : "x") + std::to_string(d);
      return dims + " " + std::string(onnx_name(t->dtype));
    }
  for (const ValueId v : m[n].in)
    if (const Tensor* t = v ? m.constant(v) : nullptr; t != nullptr) return tail(diff::tensor_text(*t), 22);
  for (const Attr& a : m[n].attrs.items())
    if (!a.name.starts_with('$')) return tail(a.name + "=" + diff::attr_text(m, a.value), 22);
  return "";
}

Side build(const Model& m, const std::vector<NodeId>& nodes, const std::vector<ValueId>& twin,
           const Model& other) {
  Side s;
  if (nodes.size() > kMaxNodes) {
    s.whole = false;
    return s;
  }
  std::unordered_map<uint32_t, size_t> at;
  for (const NodeId n : nodes) {
    at[n.v] = s.items.size();
    s.items.push_back({Item::Kind::node, shown(m[n].type, 40), detail_of(m, n)});
  }
  std::unordered_map<uint32_t, size_t> from;  // values of other nodes
  for (const NodeId n : nodes) {
    for (const ValueId v : m[n].in) {
      if (!v || m.constant(v) != nullptr) continue;
      const NodeId def = m[v].def;
      if (def && at.contains(def.v)) {
        s.edges.emplace_back(at[def.v], at[n.v]);
        continue;
      }
      const auto [it, fresh] = from.try_emplace(v.v, s.items.size());
      if (fresh) {
        const bool port = !def || m.is_hidden(def);
        // What both models have goes by one name.
        const std::string_view name =
            twin[v.v] ? std::string_view(other[twin[v.v]].name) : std::string_view(m[v].name);
        s.items.push_back({Item::Kind::input,
                           tail(port || m[def].type.empty() ? name : std::string_view(m[def].type), 26), ""});
      }
      s.edges.emplace_back(it->second, at[n.v]);
    }
  }
  for (const NodeId n : nodes)
    for (const ValueId v : m[n].out) {
      if (!v) continue;
      std::string to;
      size_t more = 0;
      for (const Use& u : m[v].uses) {
        if (at.contains(u.node.v)) continue;
        const std::string reader = m.is_hidden(u.node) ? "output" : shown(m[u.node].type, 26);
        if (to.empty())
          to = reader;
        else
          ++more;
      }
      if (to.empty()) continue;
      s.edges.emplace_back(at[n.v], s.items.size());
      s.items.push_back({Item::Kind::output, more > 0 ? fmt::format("{} +{}", to, more) : to, ""});
    }
  return s;
}

std::string curve(const std::vector<Point>& p) {
  std::string d = fmt::format("M{:.1f},{:.1f}", p[0].x, p[0].y);
  for (size_t i = 1; i + 2 < p.size(); i += 3)
    d += fmt::format("C{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}", p[i].x, p[i].y, p[i + 1].x, p[i + 1].y,
                     p[i + 2].x, p[i + 2].y);
  return d;
}

struct Drawing {
  double width = 0, height = 0;
  std::string svg;
};

Drawing draw_list(const std::string& ops, const char* css) {
  Drawing d;
  double y = 0;
  for (size_t at = 0; at < ops.size();) {
    const size_t end = std::min(ops.find(", ", at), ops.size());
    const std::string op = ops.substr(at, end - at);
    d.svg += fmt::format(R"x(<rect class="box {}" x="0" y="{:.0f}" width="170" height="20" rx="4"/>)x"
                         R"x(<text class="op" x="85" y="{:.0f}">{}</text>)x",
                         css, y, y + 14, xml(shown(op, 30)));
    y += 24;
    at = end + 2;
  }
  d.width = 170;
  d.height = y;
  return d;
}

Drawing draw(const Side& s, const char* css) {
  Drawing d;
  std::vector<Box> boxes;
  for (const Item& i : s.items) {
    const bool node = i.kind == Item::Kind::node;
    const double w =
        std::max(text_width(i.title, node ? 12 : 10), text_width(i.detail, 9.5)) + (node ? 18 : 16);
    boxes.push_back(
        {std::max(w, node ? 64.0 : 36.0), node ? (i.detail.empty() ? 24 : kBoxHeight) : kPillHeight});
  }
  const view::GraphLayout layout = view::layout_graph(boxes, s.edges);
  d.width = layout.width;
  d.height = layout.height;
  for (const auto& line : layout.splines)
    if (line.size() >= 4) d.svg += fmt::format(R"x(<path class="edge" d="{}"/>)x", curve(line));
  for (size_t i = 0; i < s.items.size(); ++i) {
    const Item& item = s.items[i];
    const Point c = layout.centers[i];
    const Box b = boxes[i];
    const bool node = item.kind == Item::Kind::node;
    d.svg +=
        fmt::format(R"x(<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}"/>)x",
                    node ? fmt::format("box {}", css) : "pill", c.x - b.width / 2, c.y - b.height / 2,
                    b.width, b.height, node ? 5 : 10);
    if (item.detail.empty()) {
      d.svg += fmt::format(R"x(<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>)x", node ? "op" : "outside",
                           c.x, c.y + 4, xml(item.title));
    } else {
      d.svg += fmt::format(
          R"x(<text class="op" x="{0:.1f}" y="{1:.1f}">{2}</text><text class="detail" x="{0:.1f}" y="{3:.1f}">{4}</text>)x",
          c.x, c.y - 2, xml(item.title), c.y + 11, xml(item.detail));
    }
  }
  return d;
}

}  // namespace

Panel draw_panel(const DiffInput& in, size_t group, double width) {
  const diff::HunkGroup& g = in.d.changes.groups[group];
  const diff::Hunk& h = in.d.changes.hunks[g.hunks[0]];
  const auto side = [&](const Model& m, const std::vector<NodeId>& nodes, const std::string& ops,
                        const char* css, const std::vector<ValueId>& twin, const Model& other) {
    if (nodes.empty()) return Drawing{};
    const Side s = build(m, nodes, twin, other);
    return s.whole ? draw(s, css) : draw_list(ops, css);
  };
  // Both sides name what they share as a does.
  const std::vector<ValueId> none(in.a.value_capacity());
  const Drawing left = side(in.a, h.removed, h.old_ops, "old", none, in.a);
  const Drawing right = side(in.b, h.added, h.new_ops, "new", in.d.changes.value_b_to_a, in.a);
  Panel p;
  p.group = group;
  // Halves, unless one side needs more and the other leaves it.
  constexpr double kLeast = 130;
  const double room = width - kGap;
  double left_room = room / 2;
  if (left.width > left_room)
    left_room = std::max(left_room, std::min(left.width, room - std::max(right.width, kLeast)));
  if (right.width > room - left_room)
    left_room =
        std::min(left_room, std::max(room - right.width, std::max(std::min(left.width, room / 2), kLeast)));
  const double right_room = room - left_room, right_at = left_room + kGap;
  const auto scale_of = [](const Drawing& d, double column) {
    return d.width > column ? column / d.width : 1.0;
  };
  const double ls = scale_of(left, left_room), rs = scale_of(right, right_room);
  const double body = std::max(left.height * ls, right.height * rs);
  const auto put = [&](const Drawing& d, double scale, double x, double column, const char* nothing) {
    if (d.svg.empty()) {
      p.svg += fmt::format(R"x(<text class="nothing" x="{:.1f}" y="{:.1f}">{}</text>)x", x + column / 2,
                           kTitle + body / 2 + 4, nothing);
      return;
    }
    p.svg +=
        fmt::format(R"x(<g transform="translate({:.1f},{:.1f}) scale({:.3f})">{}</g>)x",
                    x + (column - d.width * scale) / 2, kTitle + (body - d.height * scale) / 2, scale, d.svg);
  };
  p.svg = "<g>";
  p.svg += fmt::format(
      R"x(<text class="side" x="{:.1f}" y="12">before</text><text class="side" x="{:.1f}" y="12">after</text>)x",
      left_room / 2, right_at + right_room / 2);
  put(left, ls, 0, left_room, "nothing");
  put(right, rs, right_at, right_room, "removed");
  p.svg += fmt::format(R"x(<path class="arrow" d="M{0:.1f},{2:.1f}H{1:.1f}m-5,-4l5,4l-5,4"/>)x",
                       left_room + 8, right_at - 8, kTitle + body / 2);
  p.svg += "</g>";
  p.width = width;
  p.height = kTitle + body + 4;
  return p;
}

}  // namespace lathe::cli
