#include "ir/core/model.h"

#include <gtest/gtest.h>

#include "ir/core/check.h"
#include "ir/core/structural_hash.h"
#include "ir/core/walk.h"

namespace lathe {
namespace {

const Type kFloat = Type::tensor(DType::F32, Shape{2});

struct Chain {  // y = Abs (Neg (x))
  Model m;
  ValueId x;
  NodeId neg, abs;
  Chain() {
    x = m.add_input(m.main(), {"x", kFloat, nullptr});
    neg = m.create("", "Neg", {x}, {}, 1, "neg", {"t"});
    abs = m.create("", "Abs", {m[neg].out[0]}, {}, 1, "abs", {"y"});
    m.place(neg, m.main());
    m.place(abs, m.main());
    m.add_output(m.main(), m[abs].out[0], {"y", kFloat, nullptr});
  }
  void expect_sound() const {
    for (const auto& e : check_invariants(m)) ADD_FAILURE() << e;
  }
};

TEST(Model, ReplacingAValueReachesOutputsAndCaptures) {
  Chain c;
  const GraphId body = c.m.add_graph();
  const NodeId inner = c.m.create("", "Exp", {c.m[c.abs].out[0]}, {}, 1, "inner");
  c.m.place(inner, body);
  Attrs attrs;
  attrs.set("then_branch", body);
  const NodeId owner = c.m.create("", "If", {c.x}, attrs, 0, "if");
  c.m.place(owner, c.m.main());
  c.expect_sound();
  EXPECT_EQ(captures(c.m, body), std::vector{c.m[c.abs].out[0]});

  c.m.replace_uses(c.m[c.abs].out[0], c.m[c.neg].out[0]);
  EXPECT_EQ(c.m[inner].in[0], c.m[c.neg].out[0]);
  EXPECT_EQ(c.m.outputs(c.m.main())[0], c.m[c.neg].out[0]);
  EXPECT_EQ(c.m[c.m.main()].outputs[0].name, "y");
  c.m.erase(c.abs);
  c.expect_sound();
}

TEST(Model, EraseRefusesUsedOutputsAndTakesSubgraphs) {
  Chain c;
  EXPECT_THROW(c.m.erase(c.neg), std::logic_error);
  const GraphId body = c.m.add_graph();
  const NodeId inner = c.m.create("", "Exp", {c.x}, {}, 1, "inner");
  c.m.place(inner, body);
  Attrs attrs;
  attrs.set("body", body);
  const NodeId owner = c.m.create("", "Loop", {}, attrs, 0, "loop");
  c.m.place(owner, c.m.main());
  const size_t uses = c.m[c.x].uses.size();
  c.m.erase(owner);
  EXPECT_TRUE(c.m[inner].erased);
  EXPECT_EQ(c.m[c.x].uses.size(), uses - 1);
  c.expect_sound();
}

TEST(Model, ACopyIsASnapshot) {
  Chain c;
  const Model before = c.m;
  const uint64_t hash = structural_hash(before);
  c.m.set_attr(c.abs, "alpha", 1.0f);
  EXPECT_EQ(structural_hash(before), hash);
  EXPECT_NE(structural_hash(c.m), hash);
  EXPECT_EQ(before[c.abs].attrs.items().size(), 0u);
}

TEST(Model, OverridableInitializersAreNotConstants) {
  Chain c;
  const ValueId w = c.m.add_input(c.m.main(), {"w", kFloat, nullptr});
  c.m.set_default(w, Tensor::full(DType::F32, {2}, 1));
  c.m.info.ir_version = 8;
  EXPECT_EQ(c.m.constant(w), nullptr);
  c.m.info.ir_version = 3;  // where every initializer had to be an input
  EXPECT_NE(c.m.constant(w), nullptr);
}

TEST(Model, NamesStayUnique) {
  Chain c;
  EXPECT_EQ(c.m.unique_name("gelu"), "gelu");
  EXPECT_EQ(c.m.unique_name("gelu"), "gelu_1");
  EXPECT_EQ(c.m.unique_name("neg"), "neg_1");
  EXPECT_EQ(c.m.unique_name("y"), "y_1");
  for (int i = 1; i < 100; ++i)
    EXPECT_EQ(c.m.unique_name("many"), i == 1 ? "many" : fmt::format("many_{}", i - 1));
}

TEST(Model, CheckFindsBrokenOrder) {
  Chain c;
  c.m.place(c.abs, c.m.main(), c.neg);
  ASSERT_FALSE(check_invariants(c.m).empty());
  EXPECT_NE(check_invariants(c.m)[0].find("before its definition"), std::string::npos);
}

TEST(Tensor, ViewsCheckTheirBytesAndAlign) {
  const std::vector<std::byte> bytes(17);
  EXPECT_THROW((void)Tensor::view(DType::F32, {4}, std::span(bytes).subspan(0, 15), nullptr), Error);
  const Tensor t = Tensor::view(DType::F32, {4}, std::span(bytes).subspan(1, 16), nullptr);
  EXPECT_TRUE(t.aligned().is_aligned());
  EXPECT_TRUE(same_content(t, t.aligned()));
  EXPECT_THROW((void)Tensor::make(DType::F32, {int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW((void)Tensor::make(DType::F32, {-1}), Error);
}

TEST(Tensor, StoresEveryTypeAndReadsItBack) {
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto t = static_cast<DType>(i);
    if (t == DType::String || t == DType::C64 || t == DType::C128) continue;
    const Tensor full = Tensor::full(t, {3}, 1);
    for (int64_t k = 0; k < 3; ++k) EXPECT_EQ(full.as_double(k), 1) << onnx_name(t);
    EXPECT_EQ(static_cast<int64_t>(full.byte_size()), byte_count(t, 3));
  }
  const Tensor i4 = Tensor::full(DType::I4, {3}, -3);
  EXPECT_EQ(i4.to_i64(), (std::vector<int64_t>{-3, -3, -3}));
}

}  // namespace
}  // namespace lathe
