// The outline of a model and the pictures drawn from it, on a model of equal layers; isomorphism of parts.
#include "passes/analysis/outline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ir/onnx/text.h"
#include "passes/analysis/isomorphic.h"
#include "passes/analysis/shapes.h"
#include "tools/view/picture.h"

namespace lathe {
namespace {

using testing::HasSubstr;
using Kind = OutlineGroup::Kind;

std::string zeros(const std::string& name, int rows, int cols) {
  std::string s = cols > 0 ? fmt::format("float[{},{}] {} = {{", rows, cols, name)
                           : fmt::format("float[{}] {} = {{", rows, name);
  for (int i = 0; i < rows * std::max(cols, 1); ++i) s += i > 0 ? ",0.5" : "0.5";
  return s + "}";
}

// x + f(norm(x)), `layers` times; shape arithmetic that one Reshape reads; a tail that is no layer.
std::string layered(int layers) {
  std::string init, body;
  std::string x = "x";
  for (int i = 0; i < layers; ++i) {
    init += fmt::format("{}{}, {}, {}, {}", i > 0 ? ", " : "", zeros(fmt::format("g{}", i), 4, 0),
                        zeros(fmt::format("b{}", i), 4, 0), zeros(fmt::format("u{}", i), 4, 8),
                        zeros(fmt::format("d{}", i), 8, 4));
    body += fmt::format(
        "n{0} = LayerNormalization ({1}, g{0}, b{0})\nh{0} = MatMul (n{0}, u{0})\nr{0} = Relu (h{0})\n"
        "m{0} = MatMul (r{0}, d{0})\ny{0} = Add ({1}, m{0})\n",
        i, x);
    x = fmt::format("y{}", i);
  }
  return fmt::format(
      "<ir_version: 8, opset_import: [\"\": 17]>\ng (float[b, s, 4] x) => (float[b, s, 4] last)\n<{}>\n{{\n{}"
      "last = Softmax <axis = -1> ({})\n}}",
      init, body, x);
}

struct Made {
  Model m;
  Roles roles;
  Outline outline;
};

Made outline_of(const std::string& text) {
  Made x{parse_model(text), {}, {}};
  analyze_shapes(x.m);
  x.roles = analyze_roles(x.m);
  x.outline = make_outline(x.m, x.roles);
  return x;
}

// Each node of the main graph stands in one group, groups follow their parents, counts add up.
void expect_whole(const Made& x) {
  std::multiset<uint32_t> seen;
  size_t sum = 0;
  for (uint32_t g = 0; g < x.outline.groups.size(); ++g) {
    const OutlineGroup& group = x.outline.groups[g];
    EXPECT_TRUE(g == 0 || group.parent < g);
    for (const auto& item : group.items) {
      if (item.is_group()) {
        EXPECT_EQ(x.outline.groups[item.group].parent, g);
        continue;
      }
      seen.insert(item.node.v);
      EXPECT_EQ(x.outline.home[item.node.v], g);
      ++sum;
    }
  }
  for (const NodeId n : x.m.nodes(x.m.main())) EXPECT_EQ(seen.count(n.v), holds_constant(x.m, n) ? 0u : 1u);
  EXPECT_EQ(x.outline.groups[0].nodes, sum);
}

TEST(Outline, LayersAreOneBlock) {
  const Made x = outline_of(layered(5));
  expect_whole(x);
  size_t repeats = 0, layers = 0, units = 0;
  for (const OutlineGroup& g : x.outline.groups) {
    repeats += g.kind == Kind::repeat ? 1 : 0;
    layers += g.kind == Kind::layer ? 1 : 0;
    units += g.kind == Kind::unit ? 1 : 0;
  }
  EXPECT_EQ(repeats, 1u);
  EXPECT_EQ(layers, 5u);
  EXPECT_EQ(units, 10u);
}

TEST(Outline, BodiesAndFunctionsHaveGroups) {
  const Made x = outline_of(R"(<ir_version: 8, opset_import: ["": 17, "f": 1]>
  g (bool c, float[4] x) => (float[4] y) {
    h = f.twice (x)
    y = If (c) <then_branch = t () => (float[4] p) { p = Neg (h) }, else_branch = e () => (float[4] q) { q = Abs (h) }>
  }
  <domain: "f", opset_import: ["": 17]> twice (a) => (b) { b = Add (a, a) })");
  expect_whole(x);
  std::vector<Kind> kinds;
  for (const OutlineGroup& g : x.outline.groups) kinds.push_back(g.kind);
  EXPECT_THAT(kinds, testing::UnorderedElementsAre(Kind::graph, Kind::body, Kind::body, Kind::function));
  // A body stands right behind its owner.
  const auto& items = x.outline.groups[0].items;
  const auto owner = std::find_if(items.begin(), items.end(),
                                  [&](const auto& i) { return !i.is_group() && x.m[i.node].type == "If"; });
  ASSERT_NE(owner, items.end());
  EXPECT_TRUE((owner + 1)->is_group() && (owner + 2)->is_group());
}

view::Picture picture(const std::string& text, int depth, view::ColorBy by = view::ColorBy::role) {
  return view::make_picture(view::make_scene(parse_model(text), "model", ""), depth, by);
}

TEST(Picture, DepthOpensMoreAndMore) {
  const std::string text = layered(30);
  const view::Picture blocks = picture(text, view::kDepthBlocks), units = picture(text, view::kDepthUnits),
                      nodes = picture(text, view::kDepthNodes), all = picture(text, view::kDepthAll);
  // Input, 30 layers, Softmax, output.
  EXPECT_EQ(blocks.boxes.size(), 4u);
  EXPECT_EQ(blocks.edges.size(), 3u);
  EXPECT_EQ(blocks.boxes[0].title, "30 layers");
  EXPECT_TRUE(blocks.frames.empty());
  // In place of the block: norm, feed-forward, Add.
  EXPECT_EQ(units.boxes.size(), 6u);
  EXPECT_EQ(units.frames.size(), 1u);
  EXPECT_THAT(units.frames[0].title, HasSubstr("30 layers"));
  EXPECT_EQ(nodes.boxes.size(), 8u);
  EXPECT_EQ(all.boxes.size(), 30 * 5 + 3u);
  // What leaves the last layer is drawn from the only one that is.
  const auto box = [&](const view::Picture& p, const std::string& title) {
    for (uint32_t i = 0; i < p.boxes.size(); ++i)
      if (p.boxes[i].title == title) return i;
    return ~0u;
  };
  const view::PictureEdge out{box(units, "Add"), box(units, "Softmax"), false};
  EXPECT_EQ(std::count(units.edges.begin(), units.edges.end(), out), 1);
}

TEST(Picture, CostColorsByShare) {
  const view::Picture p = picture(layered(4), view::kDepthNodes, view::ColorBy::cost);
  size_t product = 0, sum = 0;
  for (const auto& b : p.boxes) {
    if (b.title == "MatMul") product = std::max(product, b.color);
    if (b.title == "Add") sum = b.color;
  }
  EXPECT_GT(product, sum);
}

TEST(Picture, TooManyBoxesAreRefused) {
  const std::string text = layered(400);
  EXPECT_NO_THROW(picture(text, view::kDepthNodes));
  try {
    picture(text, view::kDepthAll);
    FAIL() << "drawn";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_THAT(e.what(), HasSubstr("--html"));
  }
}

TEST(Picture, DrawsAsTextAndSvg) {
  const view::Picture p = picture(layered(3), view::kDepthUnits);
  EXPECT_THAT(view::draw(p, view::PictureForm::dot), HasSubstr("digraph"));
  const std::string svg = view::draw(p, view::PictureForm::svg);
  EXPECT_TRUE(svg.starts_with("<svg"));
  EXPECT_THAT(svg, HasSubstr("feed&#45;forward"));
}

std::vector<NodeId> main_nodes(const Model& m) { return m.nodes(m.main()); }

// Both halves of one graph.
bool halves_alike(const std::string& first, const std::string& second, size_t size) {
  const Model m = parse_model(fmt::format(R"(<ir_version: 8, opset_import: ["": 17]>
  g (float[4] x, float[4] z) => (float[4] o) <float[4] w = {{1,2,3,4}}, float[4] v = {{4,3,2,1}}> {{
    {} {}
    o = Sub (p, q) }})",
                                          first, second));
  const std::vector<NodeId> all = main_nodes(m);
  return roles::isomorphic(m, std::span(all).first(size), std::span(all).subspan(size, size));
}

TEST(Isomorphic, SeesWiringAndAttributes) {
  // Names, contents of weights, and the order of independent nodes do not matter.
  EXPECT_TRUE(halves_alike("a = Mul (x, w) b = Neg (a) c = Abs (a) p = Sub (b, c)",
                           "d = Mul (z, v) f = Abs (d) e = Neg (d) q = Sub (e, f)", 4));
  // Operands in the other order.
  EXPECT_FALSE(halves_alike("a = Mul (x, w) b = Neg (a) c = Abs (a) p = Sub (b, c)",
                            "d = Mul (z, v) e = Neg (d) f = Abs (d) q = Sub (f, e)", 4));
  // A weight in place of a value.
  EXPECT_FALSE(halves_alike("a = Neg (x) p = Mul (a, w)", "b = Neg (z) q = Mul (b, x)", 2));
  EXPECT_FALSE(
      halves_alike("a = Softmax <axis = 0> (x) p = Neg (a)", "b = Softmax <axis = -1> (z) q = Neg (b)", 2));
}

TEST(Isomorphic, TellsApartWhatLocalViewsCannot) {
  // Two rings of three steps against one of six: every node sees the same neighbours, only the whole differs.
  // In a graph without cycles: six producers, six readers, joined in a ring.
  const auto ring = [](const std::string& tag, const std::vector<std::pair<int, int>>& pairs) {
    std::string s;
    for (int i = 0; i < 6; ++i) s += fmt::format("{}{} = Neg (x) ", tag, i);
    for (size_t i = 0; i < pairs.size(); ++i)
      s += fmt::format("{}s{} = Max ({}{}, {}{}) ", tag, i, tag, pairs[i].first, tag, pairs[i].second);
    return s;
  };
  const std::vector<std::pair<int, int>> six = {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 0}},
                                         threes = {{0, 1}, {1, 2}, {2, 0}, {3, 4}, {4, 5}, {5, 3}};
  const auto alike = [&](const auto& left, const auto& right) {
    const Model m =
        parse_model("<ir_version: 8, opset_import: [\"\": 17]> g (float[4] x) => (float[4] o) { " +
                    ring("a", left) + ring("b", right) + "o = Sub (as0, bs0) }");
    const std::vector<NodeId> all = main_nodes(m);
    EXPECT_EQ(roles::structure_hash(m, std::span(all).first(12)),
              roles::structure_hash(m, std::span(all).subspan(12, 12)));
    return roles::isomorphic(m, std::span(all).first(12), std::span(all).subspan(12, 12));
  };
  EXPECT_TRUE(alike(six, six));
  EXPECT_TRUE(alike(threes, threes));
  EXPECT_FALSE(alike(six, threes));
}

}  // namespace
}  // namespace lathe
