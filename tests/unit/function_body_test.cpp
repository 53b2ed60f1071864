// Function bodies from the schemas, and bodies for marked nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/core/check.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

Type floats(std::vector<int64_t> dims) { return Type::tensor(DType::F32, Shape(dims.begin(), dims.end())); }

struct OneNode {
  Model m;
  NodeId n;
  OneNode(std::string type, std::vector<Type> types, Attrs attrs = {}, size_t outputs = 1,
          std::string domain = "") {
    m.info.ir_version = 10;
    std::vector<ValueId> in;
    for (size_t i = 0; i < types.size(); ++i)
      in.push_back(types[i].known() ? m.add_input(m.main(), {"x" + std::to_string(i), types[i], {}})
                                    : ValueId{});
    n = m.create(std::move(domain), std::move(type), in, std::move(attrs), outputs, "node");
    m.place(n, m.main());
  }
  std::vector<std::string> types(GraphId g) const {
    std::vector<std::string> out;
    for (const NodeId i : m.nodes(g)) out.push_back(m[i].type);
    return out;
  }
};

// The invariants hold for graphs that the model reaches.
std::vector<std::string> check(Model m, GraphId body) {
  Function f;
  f.name = "body";
  f.body = body;
  m.functions.push_back(std::move(f));
  return check_invariants(m);
}

Attrs attrs(std::initializer_list<std::pair<const char*, AttrValue>> list) {
  Attrs out;
  for (const auto& [name, value] : list) out.set(name, value);
  return out;
}

TEST(FunctionBody, Plain) {
  OneNode o("Shrink", {floats({2})}, attrs({{"lambd", 2.0f}}));
  const auto body = expand_function(o.m, o.n);
  ASSERT_TRUE(body);
  EXPECT_EQ(o.m[*body].inputs.size(), 1u);
  EXPECT_EQ(o.m[*body].outputs.size(), 1u);
  // Parameters are bound: the given one, and the default of the other.
  std::vector<double> constants;
  for (const NodeId n : o.m.nodes(*body)) {
    for (const Attr& a : o.m[n].attrs.items()) EXPECT_FALSE(std::holds_alternative<AttrRef>(a.value));
    if (const Tensor* t = o.m.constant(o.m[n].out[0])) constants.push_back(*t->scalar_value());
  }
  EXPECT_THAT(constants, IsSupersetOf({2.0, 0.0}));
  EXPECT_THAT(check(o.m, *body), IsEmpty());
}

TEST(FunctionBody, DependsOnTypesAndInputs) {
  OneNode both("Clip", {floats({2}), floats({}), floats({})});
  OneNode max_only("Clip", {floats({2}), Type(), floats({})});
  EXPECT_THAT(both.types(*expand_function(both.m, both.n)), ElementsAre("Less", "Where", "Less", "Where"));
  EXPECT_THAT(max_only.types(*expand_function(max_only.m, max_only.n)), ElementsAre("Less", "Where"));
}

// Reductions in the bodies come from opset 13 or 18; all of a body is canonical.
TEST(FunctionBody, IsLifted) {
  OneNode o("LayerNormalization", {floats({2, 3}), floats({3}), floats({3})});
  const auto body = expand_function(o.m, o.n);
  ASSERT_TRUE(body);
  for (const NodeId n : o.m.nodes(*body)) {
    EXPECT_FALSE(o.m[n].attrs.has("axes"));
    EXPECT_TRUE(is_canonical(o.m[n]));
  }
}

TEST(FunctionBody, Subgraphs) {
  OneNode o("Range", {floats({}), floats({}), floats({})});
  const auto body = expand_function(o.m, o.n);
  ASSERT_TRUE(body);
  EXPECT_GT(nested_graphs(o.m, *body).size(), 1u);
  EXPECT_THAT(check(o.m, *body), IsEmpty());
}

TEST(FunctionBody, None) {
  OneNode conv("Conv", {floats({1, 1, 2, 2}), floats({1, 1, 1, 1})});
  EXPECT_FALSE(expand_function(conv.m, conv.n));
  OneNode custom("Relu", {floats({1})}, {}, 1, "org.example");
  EXPECT_FALSE(expand_function(custom.m, custom.n));
}

// Every op that has a body gives one for float inputs (but for those that take a graph).
TEST(FunctionBody, EverySchemaWithABody) {
  std::vector<std::string> without;
  for (const auto& [domain, type] : all_schemas()) {
    const Schema* s = find_schema(domain, type, 0);
    if (!s->has_function || s->deprecated) continue;
    const auto takes_graph = [](const auto& a) { return a.second.kind == AttrKind::Graph; };
    if (std::any_of(s->attrs.begin(), s->attrs.end(), takes_graph)) continue;
    std::vector<Type> types;
    for (int i = 0; i < std::max(s->min_inputs, 1); ++i) {
      const auto& allowed = s->input_types[std::min<size_t>(i, s->input_types.size() - 1)];
      const bool is_float = std::find(allowed.begin(), allowed.end(), DType::F32) != allowed.end();
      types.push_back(Type::tensor(is_float ? DType::F32 : allowed.front(), Shape{2, 2, 2, 2}));
    }
    Attrs a;
    for (const auto& [name, attr] : s->attrs)
      if (attr.required && attr.kind == AttrKind::Int) a.set(name, int64_t{1});
    OneNode o(type, types, a, static_cast<size_t>(std::max(1, s->min_outputs)), domain);
    const auto body = expand_function(o.m, o.n);
    if (!body) {
      without.push_back(type);
      continue;
    }
    EXPECT_GT(o.m.nodes(*body).size(), 0u) << type;
    EXPECT_THAT(check(o.m, *body), IsEmpty()) << type;
  }
  EXPECT_THAT(without, IsEmpty());
}

OneNode marked(std::string type, std::vector<Type> types, Attrs a, int64_t since, size_t outputs = 1) {
  a.set("$since", since);
  return OneNode(std::move(type), std::move(types), std::move(a), outputs);
}

TEST(FunctionBody, MarkedNodeWithKnownTypesIsLiftedAlone) {
  OneNode o = marked("Softmax", {floats({2, 3})}, {}, 11);
  const auto body = expand_function(o.m, o.n);
  ASSERT_TRUE(body);
  EXPECT_THAT(o.types(*body), ElementsAre("Softmax"));
  EXPECT_TRUE(is_canonical(o.m[o.m[*body].first]));
}

TEST(FunctionBody, OldMeanings) {
  const auto expand = [](OneNode o) {
    const auto body = expand_function(o.m, o.n);
    EXPECT_TRUE(body) << o.m[o.n].type;
    if (!body) return std::string();
    EXPECT_THAT(check(o.m, *body), IsEmpty());
    for (const NodeId n : o.m.nodes(*body)) EXPECT_TRUE(is_canonical(o.m[n]));
    return o.m[o.m[*body].last].type;
  };
  EXPECT_EQ(expand(marked("Softmax", {floats({2, 3, 4})}, {}, 11)), "Reshape");
  EXPECT_EQ(expand(marked("Add", {floats({2, 3, 4}), floats({3})},
                          attrs({{"axis", int64_t{1}}, {"broadcast", int64_t{1}}}), 6)),
            "Add");
  EXPECT_EQ(expand(marked("PRelu", {floats({2, 3, 4}), floats({3})}, {}, 6)), "PRelu");
  EXPECT_EQ(expand(marked("GroupNormalization", {floats({2, 4, 4}), floats({2}), floats({2})},
                          attrs({{"num_groups", int64_t{2}}}), 18)),
            "GroupNormalization");
  EXPECT_EQ(expand(marked("BatchNormalization", std::vector<Type>(5, floats({2, 3})),
                          attrs({{"spatial", int64_t{0}}}), 7)),
            "Add");
  EXPECT_EQ(expand(marked("Tile", {floats({2, 3}), floats({1}), floats({1})}, {}, 1)), "Tile");
}

}  // namespace
}  // namespace lathe
