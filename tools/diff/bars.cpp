#include <fmt/format.h>

#include <algorithm>

#include "ir/core/walk.h"
#include "passes/diff/scope.h"
#include "tools/diff/picture.h"

namespace lathe::cli {
namespace {

constexpr uint32_t kNobody = ~0u;

// Where every node stands in its model's bar.
struct Order {
  std::vector<NodeId> nodes;
  std::vector<uint32_t> at;  // by NodeId::v
};

Order order_of(const Model& m) {
  Order o;
  o.at.assign(m.node_capacity(), kNobody);
  for (const GraphId g : all_graphs(m))
    for (NodeId n = m[g].first; n; n = m[n].next)
      if (!diff::is_constant_node(m, n)) {
        o.at[n.v] = static_cast<uint32_t>(o.nodes.size());
        o.nodes.push_back(n);
      }
  return o;
}

class Bars {
 public:
  Bars(const DiffInput& in, double width, double height)
      : in_(in), width_(width), height_(height), a_(order_of(in.a)), b_(order_of(in.b)) {
    group_of_.resize(in.d.changes.hunks.size());
    for (size_t g = 0; g < in.d.changes.groups.size(); ++g)
      for (const size_t h : in.d.changes.groups[g].hunks) group_of_[h] = g;
    changed_.assign(in.a.node_capacity(), false);
    for (const auto& c : in.d.changes.nodes) changed_[c.a.v] = true;
  }

  std::string run() {
    // One scale: a shorter bar is a smaller model.
    unit_ = height_ / static_cast<double>(std::max<size_t>({a_.nodes.size(), b_.nodes.size(), 1}));
    agreements();
    rewrites();
    bar(a_, 0, in_.d.changes.hunk_of_a, true);
    bar(b_, width_ - kBar, in_.d.changes.hunk_of_b, false);
    return std::move(out_);
  }

 private:
  static constexpr double kBar = 26;

  void band(double a0, double a1, double b0, double b1, const std::string& attributes) {
    const double x0 = kBar, x1 = width_ - kBar, third = (x1 - x0) / 3;
    out_ += fmt::format(
        R"(<path {} d="M{:.1f},{:.2f}C{:.1f},{:.2f} {:.1f},{:.2f} {:.1f},{:.2f}V{:.2f}C{:.1f},{:.2f} {:.1f},{:.2f} {:.1f},{:.2f}Z"/>)",
        attributes, x0, a0, x0 + third, a0, x1 - third, b0, x1, b0, b1, x1 - third, b1, x0 + third, a1, x0,
        a1);
  }

  // Runs of nodes that follow one another in both.
  void agreements() {
    const auto& to_b = in_.d.alignment.a_to_b;
    const auto partner = [&](size_t i) {
      const NodeId y = to_b[a_.nodes[i].v];
      return y ? b_.at[y.v] : kNobody;
    };
    for (size_t i = 0; i < a_.nodes.size();) {
      const uint32_t k = partner(i);
      if (k == kNobody) {
        ++i;
        continue;
      }
      size_t n = 1;
      while (i + n < a_.nodes.size() && partner(i + n) == k + n) ++n;
      band(y(i), y(i + n), y(k), y(k + n), R"(class="agree")");
      i += n;
    }
  }

  double y(size_t i) const { return unit_ * static_cast<double>(i); }

  // The middle of what a hunk has on one side; the other side's neighbourhood where it has nothing.
  static double middle(const Order& o, const std::vector<NodeId>& nodes) {
    std::vector<uint32_t> at;
    for (const NodeId n : nodes) at.push_back(o.at[n.v]);
    std::nth_element(at.begin(), at.begin() + static_cast<ptrdiff_t>(at.size() / 2), at.end());
    return at[at.size() / 2];
  }
  double beside(const Order& own, const std::vector<NodeId>& nodes, const std::vector<NodeId>& partner,
                const Order& other) const {
    for (uint32_t i = own.at[nodes[0].v]; i-- > 0;)
      if (const NodeId p = partner[own.nodes[i].v]) return other.at[p.v] + 1;
    return 0;
  }

  void rewrites() {
    const auto& hunks = in_.d.changes.hunks;
    for (size_t i = 0; i < hunks.size(); ++i) {
      const diff::Hunk& h = hunks[i];
      const double na = static_cast<double>(h.removed.size()), nb = static_cast<double>(h.added.size());
      const double ca =
          h.removed.empty() ? beside(b_, h.added, in_.d.alignment.b_to_a, a_) : middle(a_, h.removed) + 0.5;
      const double cb =
          h.added.empty() ? beside(a_, h.removed, in_.d.alignment.a_to_b, b_) : middle(b_, h.added) + 0.5;
      const double a0 = std::clamp((ca - na / 2) * unit_, 0.0, height_),
                   a1 = std::clamp((ca + na / 2) * unit_, 0.0, height_);
      const double b0 = std::clamp((cb - nb / 2) * unit_, 0.0, height_),
                   b1 = std::clamp((cb + nb / 2) * unit_, 0.0, height_);
      band(a0, a1, b0, b1,
           fmt::format(R"(class="band" data-group="{}" style="fill:{}")", group_of_[i],
                       group_color(group_of_[i])));
    }
  }

  void bar(const Order& o, double x, const std::vector<uint32_t>& hunk_of, bool is_a) {
    out_ += fmt::format(R"(<rect class="track" x="{:.1f}" y="0" width="{}" height="{:.2f}"/>)", x, kBar,
                        y(o.nodes.size()));
    const auto look = [&](size_t i) -> std::pair<int, size_t> {
      const uint32_t h = hunk_of[o.nodes[i].v];
      if (h != kNobody) return {2, group_of_[h]};
      const NodeId in_a = is_a ? o.nodes[i] : in_.d.alignment.b_to_a[o.nodes[i].v];
      return {in_a && changed_[in_a.v] ? 1 : 0, 0};
    };
    for (size_t i = 0; i < o.nodes.size();) {
      const auto what = look(i);
      size_t n = 1;
      while (i + n < o.nodes.size() && look(i + n) == what) ++n;
      // A single node of thousands stays visible.
      const double tall = std::max(unit_ * static_cast<double>(n), what.first > 0 ? 1.5 : 0);
      if (what.first == 1)
        out_ += fmt::format(R"(<rect class="changed" x="{:.1f}" y="{:.2f}" width="{}" height="{:.2f}"/>)", x,
                            y(i), kBar, tall);
      if (what.first == 2)
        out_ += fmt::format(
            R"(<rect class="tick" data-group="{}" x="{:.1f}" y="{:.2f}" width="{}" height="{:.2f}" style="fill:{}"/>)",
            what.second, x, y(i), kBar, tall, group_color(what.second));
      i += n;
    }
  }

  const DiffInput& in_;
  double width_, height_, unit_ = 1;
  Order a_, b_;
  std::vector<size_t> group_of_;
  std::vector<bool> changed_;
  std::string out_;
};

}  // namespace

std::string draw_bars(const DiffInput& in, double width, double height) {
  return Bars(in, width, height).run();
}

}  // namespace lathe::cli
