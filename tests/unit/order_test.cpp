#include "ir/core/order.h"

#include <gtest/gtest.h>

#include "ir/core/check.h"

namespace lathe {
namespace {

// x -> a -> {b, c} -> d -> y: a diamond.
struct Diamond {
  Model m;
  NodeId a, b, c, d;

  Diamond() {
    const GraphId g = m.main();
    const ValueId x = m.add_input(g, {"x", Type::tensor(DType::F32), nullptr});
    a = node("Relu", {x});
    b = node("Abs", {out(a)});
    c = node("Neg", {out(a)});
    d = node("Add", {out(b), out(c)});
    for (const NodeId n : {a, b, c, d}) m.place(n, g);
    m.add_output(g, out(d), {"y", {}, nullptr});
  }
  ValueId out(NodeId n) const { return m[n].out[0]; }
  NodeId node(const char* type, std::vector<ValueId> in) {
    return m.create("", type, std::move(in), {}, 1, type);
  }
};

TEST(Order, KeepsAValidOrder) {
  const Diamond t;
  EXPECT_EQ(topological_order(t.m, t.m.main()), (std::vector{t.a, t.b, t.c, t.d}));
}

TEST(Order, RestoresABrokenOne) {
  Diamond t;
  t.m.place(t.d, t.m.main(), t.a);
  EXPECT_FALSE(check_invariants(t.m).empty());
  EXPECT_TRUE(restore_order(t.m, t.m.main()));
  EXPECT_TRUE(check_invariants(t.m).empty());
  EXPECT_FALSE(restore_order(t.m, t.m.main()));
}

TEST(Order, NamesANodeOfACycle) {
  Diamond t;
  t.m.set_input(t.a, 0, t.out(t.d));
  try {
    (void)topological_order(t.m, t.m.main());
    FAIL() << "a cycle has no order";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("cycle"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find('\''), std::string::npos);
  }
}

TEST(Order, ACaptureIsADependency) {
  Diamond t;
  const GraphId body = t.m.add_graph();
  const NodeId inner = t.node("Exp", {t.out(t.d)});
  t.m.place(inner, body);
  Attrs attrs;
  attrs.set("body", body);
  const NodeId owner = t.m.create("", "Loop", {}, attrs, 1, "loop");
  t.m.place(owner, t.m.main(), t.a);
  const auto order = topological_order(t.m, t.m.main());
  EXPECT_EQ(order.back(), owner);
  EXPECT_EQ(post_dominators(t.m, t.m.main()).count(owner), 0u);  // nothing reads it
}

TEST(Dominators, OfADiamond) {
  const Diamond t;
  const auto down = dominators(t.m, t.m.main());
  const NodeId params = t.m[t.m.main()].params, ret = t.m[t.m.main()].ret;
  EXPECT_EQ(down.at(t.a), params);
  EXPECT_EQ(down.at(t.b), t.a);
  EXPECT_EQ(down.at(t.c), t.a);
  EXPECT_EQ(down.at(t.d), t.a);
  EXPECT_EQ(down.at(ret), t.d);
  const auto up = post_dominators(t.m, t.m.main());
  EXPECT_EQ(up.at(t.a), t.d);
  EXPECT_EQ(up.at(t.b), t.d);
  EXPECT_EQ(up.at(t.d), ret);
}

}  // namespace
}  // namespace lathe
