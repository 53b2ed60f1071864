#include "ir/onnx/lift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/base/error.h"
#include "ir/core/check.h"

namespace lathe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ints = std::vector<int64_t>;

Type floats(std::vector<int64_t> dims) { return Type::tensor(DType::F32, Shape(dims.begin(), dims.end())); }

// A model of one node: inputs with these types (Kind::None: unknown), or constants.
struct OneNode {
  Model m;
  NodeId n;
  std::vector<ValueId> in;

  OneNode(int64_t opset, std::string type, std::vector<Type> types, Attrs attrs = {}, size_t outputs = 1,
          std::string domain = "") {
    m.info.ir_version = 8;
    m.info.opsets = {{domain, opset}};
    for (size_t i = 0; i < types.size(); ++i)
      in.push_back(m.add_input(m.main(), {"x" + std::to_string(i), types[i], {}}));
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs; ++i) names.push_back("y" + std::to_string(i));
    n = m.create(domain, std::move(type), in, std::move(attrs), outputs, "node", names);
    m.place(n, m.main());
    for (size_t i = 0; i < outputs; ++i) m.add_output(m.main(), m[n].out[i], {names[i], {}, {}});
  }
  const Node& node() const { return m[n]; }
  Ints ints(size_t slot) const {
    const Tensor* t = m.constant(node().input(slot));
    return t ? t->to_i64() : Ints{-999};
  }
};

struct Form {
  std::string domain, type;
  std::vector<ValueId> in;
  std::vector<std::pair<std::string, AttrValue>> attrs;
  size_t initializers;

  explicit Form(const OneNode& o)
      : domain(o.node().domain),
        type(o.node().type),
        in(o.node().in),
        initializers(o.m[o.m.main()].initializers.size()) {
    for (const Attr& a : o.node().attrs.items()) attrs.emplace_back(a.name, a.value);
  }
};

void expect_same(const Form& a, const Form& b) {
  EXPECT_EQ(a.domain, b.domain);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.in, b.in);
  EXPECT_EQ(a.initializers, b.initializers);
  ASSERT_EQ(a.attrs.size(), b.attrs.size());
  for (size_t i = 0; i < a.attrs.size(); ++i) {
    EXPECT_EQ(a.attrs[i].first, b.attrs[i].first);
    EXPECT_TRUE(same_value(a.attrs[i].second, b.attrs[i].second)) << a.attrs[i].first;
  }
}

Attrs attrs(std::initializer_list<std::pair<const char*, AttrValue>> list) {
  Attrs out;
  for (const auto& [name, value] : list) out.set(name, value);
  return out;
}

// Lifts, lets `check` look at the canonical form, lowers and compares with the start.
template <class Check>
void round_trip(OneNode o, Check check) {
  SCOPED_TRACE(o.node().type);
  const Form before(o);
  lift(o.m);
  EXPECT_THAT(check_invariants(o.m), IsEmpty());
  check(o);
  lower(o.m);
  EXPECT_THAT(check_invariants(o.m), IsEmpty());
  expect_same(before, Form(o));
}

void expect_marked(OneNode o, int64_t since) {
  round_trip(std::move(o), [&](OneNode& o) {
    EXPECT_FALSE(is_canonical(o.node()));
    EXPECT_EQ(o.node().attrs.i("$since", 0), since);
  });
}

TEST(Lift, AxesBecomeAnInput) {
  round_trip({11, "Unsqueeze", {floats({2})}, attrs({{"axes", Ints{0, -1}}})}, [](OneNode& o) {
    EXPECT_THAT(o.ints(1), ElementsAre(0, -1));
    EXPECT_FALSE(o.node().attrs.has("axes"));
  });
  round_trip({9, "Squeeze", {floats({2, 1})}}, [](OneNode& o) { EXPECT_EQ(o.node().in.size(), 1u); });
  round_trip({17, "ReduceMean", {floats({2, 3})}, attrs({{"keepdims", int64_t{0}}, {"axes", Ints{1}}})},
             [](OneNode& o) {
               EXPECT_THAT(o.ints(1), ElementsAre(1));
               EXPECT_EQ(o.node().attrs.i("keepdims", 1), 0);
             });
  round_trip({13, "ReduceSum", {floats({2, 3}), Type::tensor(DType::I64)}},
             [](OneNode& o) { EXPECT_EQ(o.node().in, o.in); });
  round_trip({9, "Slice", {floats({9})}, attrs({{"axes", Ints{0}}, {"starts", Ints{1}}, {"ends", Ints{8}}})},
             [](OneNode& o) {
               EXPECT_THAT(o.ints(1), ElementsAre(1));
               EXPECT_THAT(o.ints(2), ElementsAre(8));
               EXPECT_THAT(o.ints(3), ElementsAre(0));
             });
  round_trip({1, "TopK", {floats({9})}, attrs({{"k", int64_t{3}}, {"axis", int64_t{0}}}), 2},
             [](OneNode& o) { EXPECT_THAT(o.ints(1), ElementsAre(3)); });
  round_trip({17, "DFT", {floats({1, 8, 1})}, attrs({{"axis", int64_t{1}}})},
             [](OneNode& o) { EXPECT_THAT(o.ints(2), ElementsAre(1)); });
  round_trip({4, "Reshape", {floats({8})}, attrs({{"shape", Ints{2, 4}}, {"consumed_inputs", Ints{0}}})},
             [](OneNode& o) { EXPECT_THAT(o.ints(1), ElementsAre(2, 4)); });
}

TEST(Lift, NewSpellingsStayAsTheyAre) {
  OneNode o(28, "Unsqueeze", {floats({2}), Type::tensor(DType::I64)});
  lift(o.m);
  EXPECT_EQ(o.node().spelling, nullptr);
  lower(o.m);
  EXPECT_EQ(o.node().in, o.in);
}

TEST(Lift, PadClipDropout) {
  round_trip({9,
              "Pad",
              {floats({2})},
              attrs({{"mode", std::string("constant")}, {"pads", Ints{1, 1}}, {"value", 2.0f}})},
             [](OneNode& o) {
               EXPECT_THAT(o.ints(1), ElementsAre(1, 1));
               EXPECT_EQ(o.m.constant(o.node().in[2])->as_double(0), 2.0);
             });
  round_trip({9, "Pad", {Type()}, attrs({{"pads", Ints{1, 1}}, {"value", 0.0f}})},
             [](OneNode& o) { EXPECT_EQ(o.node().in.size(), 2u); });
  expect_marked({9, "Pad", {Type()}, attrs({{"pads", Ints{1, 1}}, {"value", 2.0f}})}, 2);
  round_trip({6, "Clip", {Type::tensor(DType::F16)}, attrs({{"max", 6.0f}})}, [](OneNode& o) {
    EXPECT_FALSE(o.node().in[1]);
    EXPECT_EQ(o.m.constant(o.node().in[2])->dtype, DType::F16);
  });
  round_trip({10, "Dropout", {floats({2})}, attrs({{"ratio", 0.25f}})}, [](OneNode& o) {
    EXPECT_EQ(o.m.constant(o.node().in[1])->as_double(0), 0.25);
    EXPECT_EQ(o.node().in.size(), 2u);
  });
  round_trip({6, "Dropout", {floats({2})}, attrs({{"is_test", int64_t{1}}})},
             [](OneNode& o) { EXPECT_EQ(o.node().in.size(), 1u); });
  round_trip({6, "Dropout", {floats({2})}},
             [](OneNode& o) { EXPECT_EQ(o.m.constant(o.node().in[2])->as_i64(0), 1); });
}

TEST(Lift, SoftmaxThatFlattensIsMarked) {
  round_trip({11, "Softmax", {Type()}, attrs({{"axis", int64_t{-1}}})},
             [](OneNode& o) { EXPECT_TRUE(is_canonical(o.node())); });
  round_trip({11, "Softmax", {floats({2, 3})}}, [](OneNode& o) {
    EXPECT_TRUE(is_canonical(o.node()));
    EXPECT_EQ(o.node().attrs.i("axis", -1), 1);
  });
  round_trip({11, "LogSoftmax", {floats({2, 3, 1})}, attrs({{"axis", int64_t{1}}})},
             [](OneNode& o) { EXPECT_TRUE(is_canonical(o.node())); });
  expect_marked({11, "Softmax", {floats({2, 3, 4})}}, 11);
  expect_marked({9, "Hardmax", {Type()}, attrs({{"axis", int64_t{2}}})}, 1);
}

TEST(Lift, MarkedNodesAreLiftedOnceTypesAreKnown) {
  OneNode o(11, "Softmax", {Type()}, attrs({{"axis", int64_t{2}}}));
  const Form before(o);
  lift(o.m);
  EXPECT_FALSE(is_canonical(o.node()));
  EXPECT_EQ(lift_marked(o.m), 0u);
  o.m.set_type(o.in[0], floats({1, 2, 3}));
  EXPECT_EQ(lift_marked(o.m), 1u);
  EXPECT_TRUE(is_canonical(o.node()));
  lower(o.m);
  expect_same(before, Form(o));
}

TEST(Lift, BroadcastingBefore7) {
  const auto axis = [](int64_t a) { return attrs({{"axis", a}, {"broadcast", int64_t{1}}}); };
  const auto canonical = [](OneNode& o) {
    EXPECT_TRUE(is_canonical(o.node()));
    EXPECT_TRUE(o.node().attrs.empty());
  };
  round_trip({6, "Add", {floats({2, 3, 4}), floats({3, 4})}, axis(1)}, canonical);
  round_trip({6, "Mul", {floats({2, 3}), floats({3})}, attrs({{"broadcast", int64_t{1}}})}, canonical);
  round_trip({6, "Div", {floats({2, 3}), floats({2, 3})}}, canonical);
  round_trip({6, "Mul", {Type(), Type()}}, canonical);
  expect_marked({6, "Add", {floats({2, 3, 4}), floats({3})}, axis(1)}, 6);
  expect_marked({1, "Less", {Type(), floats({3})}, axis(1)}, 1);
  round_trip({6, "Gemm", {floats({2, 3}), floats({3, 4}), floats({4})}, attrs({{"broadcast", int64_t{1}}})},
             canonical);
  round_trip({6, "Gemm", std::vector<Type>(3)}, canonical);
}

TEST(Lift, OldHintsAndDefaults) {
  round_trip({1, "Relu", {floats({2})}, attrs({{"consumed_inputs", Ints{0}}})},
             [](OneNode& o) { EXPECT_TRUE(o.node().attrs.empty()); });
  round_trip({1, "Selu", {floats({2})}},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.f("alpha", 0), 1.6732f); });
  round_trip({1, "Concat", {floats({2, 2}), floats({2, 2})}},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.i("axis", 0), 1); });
  round_trip({1, "Cast", {floats({2})}, attrs({{"to", std::string("FLOAT16")}})},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.i("to", 0), 10); });
  round_trip({1, "GlobalLpPool", {floats({1, 1, 2})}, attrs({{"p", 3.0f}})},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.i("p", 0), 3); });
  round_trip({6, "BatchNormalization", std::vector<Type>(5, floats({1})),
              attrs({{"is_test", int64_t{1}}, {"epsilon", 0.5f}, {"spatial", int64_t{1}}})},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.items().size(), 1u); });
  expect_marked(
      {7, "BatchNormalization", std::vector<Type>(5, floats({1})), attrs({{"spatial", int64_t{0}}})}, 7);
  expect_marked({9, "BatchNormalization", std::vector<Type>(5, floats({1})), {}, 5}, 9);
  round_trip({10, "RoiAlign", std::vector<Type>(3)}, [](OneNode& o) {
    EXPECT_EQ(o.node().attrs.s("coordinate_transformation_mode", ""), "output_half_pixel");
  });
  round_trip({16, "GridSample", std::vector<Type>(2), attrs({{"mode", std::string("bicubic")}})},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.s("mode", ""), "cubic"); });
  expect_marked({18, "GroupNormalization", std::vector<Type>(3), attrs({{"num_groups", int64_t{2}}})}, 18);
  expect_marked({8, "Scan", std::vector<Type>(2)}, 8);
}

TEST(Lift, UpsampleIsResize) {
  const auto scales = [](OneNode& o) {
    EXPECT_EQ(o.node().type, "Resize");
    EXPECT_FALSE(o.node().in[1]);
    EXPECT_EQ(o.node().attrs.s("coordinate_transformation_mode", ""), "asymmetric");
    EXPECT_EQ(o.node().attrs.s("nearest_mode", ""), "floor");
  };
  round_trip({9, "Upsample", {floats({1, 1, 2, 2}), floats({4})}}, [&](OneNode& o) {
    scales(o);
    EXPECT_EQ(o.node().in[2], o.in[1]);
  });
  round_trip({7, "Upsample", {floats({1, 1, 2, 2})}, attrs({{"scales", std::vector<float>{1, 1, 2, 3}}})},
             [&](OneNode& o) {
               scales(o);
               EXPECT_EQ(o.m.constant(o.node().in[2])->to_doubles(), (std::vector<double>{1, 1, 2, 3}));
             });
  round_trip({1, "Upsample", {floats({1, 1, 2, 2})}, attrs({{"width_scale", 3.0f}, {"height_scale", 2.0f}})},
             [&](OneNode& o) {
               scales(o);
               EXPECT_EQ(o.m.constant(o.node().in[2])->to_doubles(), (std::vector<double>{1, 1, 2, 3}));
             });
  round_trip({10, "Resize", {floats({4}), floats({1})}, attrs({{"mode", std::string("linear")}})},
             [&](OneNode& o) { EXPECT_EQ(o.node().in[2], o.in[1]); });
  round_trip({9, "Scatter", std::vector<Type>(3)},
             [](OneNode& o) { EXPECT_EQ(o.node().type, "ScatterElements"); });
}

TEST(Lift, Split) {
  round_trip({11, "Split", {floats({6})}, attrs({{"axis", int64_t{0}}, {"split", Ints{2, 4}}}), 2},
             [](OneNode& o) { EXPECT_THAT(o.ints(1), ElementsAre(2, 4)); });
  round_trip({13, "Split", {floats({6})}, {}, 3},
             [](OneNode& o) { EXPECT_EQ(o.node().attrs.i("num_outputs", 0), 3); });
}

TEST(Lift, LabelEncoder) {
  const auto classes =
      attrs({{"classes_strings", std::vector<std::string>{"a", "b"}}, {"default_int64", int64_t{7}}});
  round_trip({1, "LabelEncoder", {Type::tensor(DType::String)}, classes, 1, "ai.onnx.ml"},
             [](OneNode& o) { EXPECT_THAT(o.node().attrs.ints("values_int64s"), ElementsAre(0, 1)); });
  expect_marked({1, "LabelEncoder", {Type()}, classes, 1, "ai.onnx.ml"}, 1);
}

TEST(Lift, WhatTheOpsetDoesNotHaveIsCarried) {
  const auto canonical = [](OneNode& o) { EXPECT_TRUE(is_canonical(o.node())); };
  round_trip({11, "LayerNormalization", std::vector<Type>(2)}, canonical);
  round_trip({13, "Cast", {floats({1})}, attrs({{"to", int64_t{1}}, {"saturate", int64_t{0}}})}, canonical);
  round_trip({13, "NoSuchOp", {floats({1})}, attrs({{"axes", Ints{1}}})}, canonical);
  round_trip({11, "Unsqueeze", {floats({1})}, attrs({{"axes", Ints{1}}}), 1, "org.example"}, canonical);
}

TEST(Lift, InternalAttributesAreNotTakenFromFiles) {
  OneNode o(17, "Relu", {floats({1})}, attrs({{"$since", int64_t{1}}}));
  EXPECT_THROW(lift(o.m), Error);
}

TEST(Lift, OtherNameOfTheMainDomain) {
  round_trip({11, "Unsqueeze", {floats({2})}, attrs({{"axes", Ints{0}}}), 1, "ai.onnx"}, [](OneNode& o) {
    EXPECT_EQ(o.node().domain, "");
    EXPECT_THAT(o.ints(1), ElementsAre(0));
  });
}

TEST(Lift, FunctionParametersAreNotKnown) {
  expect_marked({11, "Unsqueeze", {floats({2})}, attrs({{"axes", AttrRef{"axes", AttrKind::Ints}}})}, 11);
}

TEST(Lower, FoldsWhatAPassChanged) {
  OneNode o(11, "Unsqueeze", {floats({2})}, attrs({{"axes", Ints{0}}}));
  lift(o.m);
  o.m.set_input(o.n, 1, o.m.add_initializer(o.m.main(), Tensor::of_i64({1, 2}), "other"));
  lower(o.m);
  EXPECT_THAT(o.node().attrs.ints("axes"), ElementsAre(1, 2));
  EXPECT_EQ(o.node().in.size(), 1u);
}

TEST(Lower, KeepsTheFilesOrderOfAttributes) {
  OneNode o(17, "ReduceMean", {floats({2, 3})}, attrs({{"axes", Ints{1}}, {"keepdims", int64_t{0}}}));
  lift(o.m);
  o.m.set_attr(o.n, "keepdims", int64_t{1});
  lower(o.m);
  EXPECT_EQ(o.node().attrs.items()[0].name, "axes");
  EXPECT_EQ(o.node().attrs.i("keepdims", 0), 1);
}

TEST(Lower, NamesWhatAPassPutToOtherUse) {
  OneNode o(11, "Unsqueeze", {floats({2})}, attrs({{"axes", Ints{0}}}));
  lift(o.m);
  o.m.add_output(o.m.main(), o.node().in[1], {"axes", {}, {}});
  lower(o.m);
  ASSERT_EQ(o.m[o.m.main()].initializers.size(), 1u);
  EXPECT_FALSE(o.m[o.m[o.m.main()].initializers[0]].name.empty());
}

TEST(Lower, ToANewerOpset) {
  OneNode o(11, "Unsqueeze", {floats({2})}, attrs({{"axes", Ints{0}}}));
  lift(o.m);
  o.m.require_opset("", 13);
  lower(o.m);
  EXPECT_TRUE(o.node().attrs.empty());
  ASSERT_EQ(o.node().in.size(), 2u);
  EXPECT_FALSE(o.m[o.node().in[1]].name.empty());
}

TEST(Lower, ABodyStandsForAnOldMeaning) {
  OneNode o(11, "Softmax", {floats({2, 3, 4})});
  const ValueId y = o.node().out[0];
  lift(o.m);
  o.m.require_opset("", 14);
  lower(o.m);
  EXPECT_THAT(check_invariants(o.m), IsEmpty());
  EXPECT_TRUE(o.m[o.n].erased);
  EXPECT_TRUE(o.m[y].erased);
  const NodeId last = o.m[o.m.main()].last;
  EXPECT_EQ(o.m[last].type, "Reshape");
  EXPECT_EQ(o.m[o.m[last].out[0]].name, "y0");
  EXPECT_EQ(o.m.outputs(o.m.main())[0], o.m[last].out[0]);
}

void expect_refused(OneNode o, int64_t opset, const std::string& what) {
  o.m.info.opsets = {{"", opset}};
  try {
    lower(o.m);
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(what));
    EXPECT_THAT(e.what(), HasSubstr("'node'"));
  }
}

TEST(Lower, SaysWhichOpsetIsNeeded) {
  expect_refused({28, "Gelu", {floats({2})}}, 17, "Gelu needs opset 20, the model has 17: use --opset=20");
  expect_refused({28, "ReduceMean", {floats({2}), Type::tensor(DType::I64)}}, 17, "needs opset 18");
  expect_refused({28, "Softmax", {floats({2, 3})}, attrs({{"axis", int64_t{0}}})}, 11, "needs opset 13");
  expect_refused({28, "Cast", {floats({2})}, attrs({{"to", int64_t{17}}, {"saturate", int64_t{0}}})}, 17,
                 "needs opset 19");
  expect_refused({28, "GroupNormalization", std::vector<Type>(3)}, 18, "needs opset 21");
  expect_refused({28, "Add", {floats({2, 3}), floats({2, 1})}}, 6, "needs opset 7");
  expect_refused({28, "ScatterElements", std::vector<Type>(3)}, 8, "needs opset 9");

  OneNode marked(9, "BatchNormalization", std::vector<Type>(5), {}, 5);
  lift(marked.m);
  expect_refused(std::move(marked), 14, "no equal in opset 14");
}

TEST(Lower, NodesOfPasses) {
  OneNode softmax(28, "Softmax", {floats({2, 3})}, attrs({{"axis", int64_t{1}}}));
  softmax.m.info.opsets = {{"", 9}};
  lower(softmax.m);
  EXPECT_EQ(softmax.node().attrs.i("axis", 0), 1);
  OneNode cast(28, "Cast", {floats({2})}, attrs({{"to", int64_t{1}}, {"saturate", int64_t{1}}}));
  cast.m.info.opsets = {{"", 13}};
  lower(cast.m);
  EXPECT_FALSE(cast.node().attrs.has("saturate"));
  OneNode scatter(28, "ScatterElements", std::vector<Type>(3));
  scatter.m.info.opsets = {{"", 10}};
  lower(scatter.m);
  EXPECT_EQ(scatter.node().type, "Scatter");
}

TEST(Lower, FunctionsHaveNoInitializers) {
  Model m;
  m.info.ir_version = 8;
  m.info.opsets = {{"", 17}, {"local", 1}};
  Function f;
  f.domain = "local";
  f.name = "f";
  f.opsets = {{"", 11}};
  f.body = m.add_graph();
  const ValueId x = m.add_input(f.body, {"x", {}, {}});
  const NodeId n = m.create("", "Unsqueeze", {x}, attrs({{"axes", Ints{0}}}), 1, "u", {"y"});
  m.place(n, f.body);
  m.add_output(f.body, m[n].out[0], {"y", {}, {}});
  const GraphId body = f.body;
  m.functions.push_back(std::move(f));
  lift(m);
  EXPECT_EQ(m[n].in.size(), 2u);
  Model same = m;
  lower(same);
  EXPECT_EQ(same[n].in.size(), 1u);
  EXPECT_THAT(same[body].initializers, IsEmpty());

  m.functions[0].opsets = {{"", 13}};
  lower(m);
  EXPECT_THAT(m[body].initializers, IsEmpty());
  EXPECT_EQ(m[m[body].first].type, "Constant");
  EXPECT_EQ(m[n].in[1], m[m[body].first].out[0]);
  EXPECT_THAT(check_invariants(m), IsEmpty());
}

}  // namespace
}  // namespace lathe
