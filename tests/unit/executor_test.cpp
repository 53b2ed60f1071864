#include "ir/exec/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ir/base/parallel.h"
#include "ir/base/rng.h"
#include "ir/base/work_vector.h"
#include "ir/exec/npy.h"
#include "ir/ops/infer.h"

namespace lathe {
namespace {

using ::testing::HasSubstr;

Tensor floats(std::vector<int64_t> dims, std::vector<float> v) {
  return Tensor::of<float>(DType::F32, std::move(dims), v);
}
std::vector<double> values(const Datum& d) { return d.tensor()->to_doubles(); }

// Adds a placed node with one named output.
ValueId node(Model& m, GraphId g, const std::string& type, std::vector<ValueId> in, const std::string& out,
             Attrs attrs = {}, const std::string& domain = "") {
  const NodeId n = m.create(domain, type, std::move(in), std::move(attrs), 1, out + "_node", {out});
  m.place(n, g);
  return m[n].out[0];
}
ValueId input(Model& m, GraphId g, const std::string& name, Type type = {}) {
  return m.add_input(g, {name, std::move(type), nullptr});
}

Model base() {
  Model m;
  m.info.ir_version = 10;
  m.info.opsets = {{"", 22}, {"local", 1}};
  return m;
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Executor, InputsByPositionAndNameWithDefaults) {
  Model m = base();
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{Dim::symbol("n")}));
  const ValueId b = input(m, m.main(), "b", Type::tensor(DType::F32, Shape{}));
  m.set_default(b, floats({}, {10}));
  m.add_output(m.main(), node(m, m.main(), "Add", {x, b}, "y"), {"y", {}, nullptr});
  Executor e(m);
  EXPECT_THAT(values(e.run({floats({2}, {1, 2})}).at(0)), testing::ElementsAre(11, 12));
  EXPECT_THAT(values(e.run({{"x", floats({1}, {1})}, {"b", floats({}, {1})}}).at(0)),
              testing::ElementsAre(2));
  EXPECT_THAT(error_of([&] { e.run({{"z", floats({1}, {1})}}); }), HasSubstr("no input 'z'"));
  EXPECT_THAT(error_of([&] { e.run(std::vector<Datum>{}); }), HasSubstr("input 'x' is missing"));
  EXPECT_THAT(error_of([&] { e.run({floats({1, 1}, {1})}); }), HasSubstr("'x' is float[1, 1]"));
  EXPECT_THAT(error_of([&] { e.run({Tensor::of_i64({1})}); }), HasSubstr("'x' is int64[1]"));
}

TEST(Executor, OneSymbolIsOneSize) {
  Model m = base();
  const Type t = Type::tensor(DType::F32, Shape{Dim::symbol("n")});
  const ValueId x = input(m, m.main(), "x", t);
  input(m, m.main(), "z", t);
  m.add_output(m.main(), x, {"y", {}, nullptr});
  EXPECT_THAT(error_of([&] { Executor(m).run(std::vector<Datum>{floats({1}, {1}), floats({2}, {1, 2})}); }),
              HasSubstr("'z' has n = 2"));
}

TEST(Executor, FreesValuesAfterTheirLastUse) {
  Model m = base();
  ValueId v = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{1000}));
  for (int i = 0; i < 20; ++i) v = node(m, m.main(), "Neg", {v}, "v" + std::to_string(i));
  m.add_output(m.main(), v, {"y", {}, nullptr});
  const Tensor x = Tensor::full(DType::F32, {1000}, 1);
  Executor enough(m, {.max_bytes = 3 * 4000});
  EXPECT_EQ(values(enough.run({x}).at(0))[0], 1);
  EXPECT_EQ(values(enough.run({x}).at(0))[0], 1);  // accounts start anew
  Executor tight(m, {.max_bytes = 5000});
  EXPECT_THAT(error_of([&] { tight.run({x}); }), HasSubstr("node 'v0_node' (Neg, makes 'v0')"));
}

// Constant matrices are packed in the second run of their node.
TEST(Executor, RunsGiveTheSameBits) {
  for (const DType dtype : {DType::F32, DType::F16, DType::F64}) {
    Model m = base();
    Rng rng(3);
    const auto matrix = [&](std::vector<int64_t> dims) {
      Tensor t = Tensor::uninitialized(dtype, std::move(dims));
      for (int64_t i = 0; i < t.count(); ++i)
        store_double(dtype, t.mutable_bytes().data(), i, rng.uniform(-1, 1));
      return t;
    };
    const ValueId x = input(m, m.main(), "x", Type::tensor(dtype, Shape{Dim::symbol("rows"), 300}));
    const ValueId w = m.add_initializer(m.main(), matrix({300, 70}), "w"),
                  v = m.add_initializer(m.main(), matrix({50, 70}), "v");
    Attrs transposed;
    transposed.set("transB", int64_t{1});
    const ValueId y = node(m, m.main(), "MatMul", {x, w}, "y");
    m.add_output(m.main(), node(m, m.main(), "Gemm", {y, v}, "z", transposed), {"z", {}, nullptr});
    Executor many(m), limited(m, {.max_bytes = 1 << 20}), tight(m, {.max_bytes = 300'000});
    for (const int64_t rows : {40, 40, 1, 17, 40}) {
      const Tensor rows_of = matrix({rows, 300});
      const auto first = Executor(m).run({rows_of});
      for (Executor* again : {&many, &limited, &tight})
        EXPECT_TRUE(same_content(*first[0].tensor(), *again->run({rows_of})[0].tensor()))
            << onnx_name(dtype) << " " << rows;
    }
  }
}

// A transposed convolution holds the columns of its image: 9 times its input.
TEST(Executor, WorkingMemoryOfKernelsCounts) {
  Model m = base();
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{1, 1, 100, 100})),
                w = m.add_initializer(m.main(), Tensor::full(DType::F32, {1, 1, 3, 3}, 1), "w");
  m.add_output(m.main(), node(m, m.main(), "ConvTranspose", {x, w}, "y"), {"y", {}, nullptr});
  const Tensor image = Tensor::full(DType::F32, {1, 1, 100, 100}, 1);
  Executor enough(m, {.max_bytes = 600'000});
  EXPECT_EQ(enough.run({image}).size(), 1U);
  Executor tight(m, {.max_bytes = 200'000});
  EXPECT_THAT(error_of([&] { tight.run({image}); }), HasSubstr("working memory of 360000 bytes"));
}

TEST(Executor, WorkingMemoryOfOtherThreadsCounts) {
  const BufferLimit limit(100'000);
  const auto take = [](size_t n) { return WorkVector<char>(n).size(); };
  EXPECT_EQ(take(90'000), 90'000U);
  EXPECT_EQ(take(90'000), 90'000U);  // given back
  EXPECT_THAT(error_of([&] { take(110'000); }), HasSubstr("100000 bytes left"));
  const WorkVector<char> held(60'000);
  std::string outside, inside;
  std::thread([&, shared = BufferLimit::in_force()] {
    outside = error_of([&] { take(50'000); });
    const BufferLimit::Share share(shared);
    inside = error_of([&] { take(50'000); });
  }).join();
  EXPECT_EQ(outside, "");
  EXPECT_THAT(inside,
              HasSubstr("working memory of 50000 bytes is beyond the memory limit (40000 bytes left)"));
  EXPECT_THAT(error_of([&] { parallel_for(64, 1, [&](int64_t, int64_t) { take(50'000); }); }),
              HasSubstr("working memory"));
  EXPECT_EQ(error_of([&] { parallel_for(64, 64, [&](int64_t, int64_t) { take(30'000); }); }), "");
}

TEST(Executor, FunctionsTakeAttributesAndNest) {
  Model m = base();
  Function inner{.domain = "local",
                 .name = "Scaled",
                 .overload = {},
                 .body = m.add_graph(),
                 .attributes = {},
                 .defaults = {},
                 .opsets = {{"", 22}},
                 .notes = nullptr};
  inner.defaults.set("slope", 0.5f);
  Attrs ref;
  ref.set("alpha", AttrRef{"slope", AttrKind::Float});
  const ValueId p = input(m, inner.body, "p");
  m.add_output(inner.body, node(m, inner.body, "LeakyRelu", {p}, "q", ref), {"q", {}, nullptr});
  m.functions.push_back(inner);
  Function outer{.domain = "local",
                 .name = "Twice",
                 .overload = {},
                 .body = m.add_graph(),
                 .attributes = {"k"},
                 .defaults = {},
                 .opsets = {{"", 22}},
                 .notes = nullptr};
  Attrs pass;
  pass.set("slope", AttrRef{"k", AttrKind::Float});
  const ValueId r = input(m, outer.body, "r");
  m.add_output(outer.body,
               node(m, outer.body, "Scaled", {node(m, outer.body, "Scaled", {r}, "s", pass, "local")}, "t",
                    {}, "local"),
               {"t", {}, nullptr});
  m.functions.push_back(outer);
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{2}));
  Attrs call;
  call.set("k", 0.25f);
  m.add_output(m.main(), node(m, m.main(), "Twice", {x}, "y", call, "local"), {"y", {}, nullptr});
  EXPECT_THAT(values(Executor(m).run({floats({2}, {-8, 8})}).at(0)), testing::ElementsAre(-1, 8));
  infer_types(m);
  EXPECT_EQ(m[m.outputs(m.main())[0]].type.str(), "float[2]");
  EXPECT_EQ(first_unsupported(m, m.nodes(m.main())), "");
}

TEST(Executor, RecursiveFunctionsEnd) {
  Model m = base();
  Function f{.domain = "local",
             .name = "Self",
             .overload = {},
             .body = m.add_graph(),
             .attributes = {},
             .defaults = {},
             .opsets = {{"", 22}},
             .notes = nullptr};
  const ValueId p = input(m, f.body, "p");
  m.add_output(f.body, node(m, f.body, "Self", {p}, "q", {}, "local"), {"q", {}, nullptr});
  m.functions.push_back(f);
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{}));
  m.add_output(m.main(), node(m, m.main(), "Self", {x}, "y", {}, "local"), {"y", {}, nullptr});
  infer_types(m);
  EXPECT_EQ(first_unsupported(m, m.nodes(m.main())), "");
  EXPECT_THAT(error_of([&] { Executor(m).run({floats({}, {1})}); }), HasSubstr("nested deeper than 100"));
}

TEST(Executor, LooseNodesReadAndFillAnEnvironment) {
  Model m = base();
  const ValueId x = input(m, m.main(), "x"), two = m.add_initializer(m.main(), floats({}, {2}), "two");
  const NodeId a = m.create("", "Mul", {x, two}, {}, 1), b = m.create("", "Neg", {m[a].out[0]}, {}, 1);
  std::unordered_map<ValueId, Datum> env{{x, floats({1}, {3})}};
  Executor(m).run_nodes(std::vector{a, b}, env);
  EXPECT_THAT(values(env.at(m[a].out[0])), testing::ElementsAre(6));
  EXPECT_THAT(values(env.at(m[b].out[0])), testing::ElementsAre(-6));
  std::unordered_map<ValueId, Datum> nothing;
  EXPECT_THAT(error_of([&] { Executor(m).run_nodes(std::vector{a}, nothing); }), HasSubstr("'x' is needed"));
}

TEST(Executor, PreciseHoldsDoubles) {
  Model m = base();
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{}));
  const ValueId big = m.add_initializer(m.main(), floats({}, {1e8f}), "big");
  const ValueId sum = node(m, m.main(), "Add", {x, big}, "sum");
  m.add_output(m.main(), node(m, m.main(), "Sub", {sum, big}, "y"),
               {"y", Type::tensor(DType::F32, Shape{}), nullptr});
  EXPECT_THAT(values(Executor(m).run({floats({}, {1})}).at(0)), testing::ElementsAre(0));
  const auto precise = Executor(m, {.precise = true}).run({floats({}, {1})});
  EXPECT_EQ(precise.at(0).tensor()->dtype, DType::F32);
  EXPECT_THAT(values(precise.at(0)), testing::ElementsAre(1));
}

TEST(Executor, UnknownOpsAreNamed) {
  Model m = base();
  const ValueId x = input(m, m.main(), "x", Type::tensor(DType::F32, Shape{}));
  m.add_output(m.main(), node(m, m.main(), "Mystery", {x}, "y", {}, "acme"), {"y", {}, nullptr});
  EXPECT_EQ(first_unsupported(m, m.nodes(m.main())), "acme.Mystery");
  EXPECT_THAT(error_of([&] { Executor(m).run({floats({}, {1})}); }),
              HasSubstr("(acme.Mystery, makes 'y'): there is no kernel"));
}

TEST(Executor, MisalignedConstantsAreRead) {
  auto bytes = std::make_shared<std::vector<std::byte>>(4 * 4 + 1);
  const float v[4] = {1, 2, 3, 4};
  std::memcpy(bytes->data() + 1, v, sizeof v);
  const Tensor odd = Tensor::view(DType::F32, {2, 2}, std::span(*bytes).subspan(1), bytes);
  Model m = base();
  const ValueId w = m.add_initializer(m.main(), odd, "w");
  m.add_output(m.main(), node(m, m.main(), "Add", {w, w}, "a"), {"a", {}, nullptr});
  m.add_output(m.main(), node(m, m.main(), "MatMul", {w, w}, "p"), {"p", {}, nullptr});
  const auto out = Executor(m).run(std::vector<Datum>{});
  EXPECT_THAT(values(out.at(0)), testing::ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(values(out.at(1)), testing::ElementsAre(7, 10, 15, 22));
}

TEST(Npy, RoundTripAndMalformedFiles) {
  const Tensor words = Tensor::of_strings({2}, {"a", "\xc3\xa9\xf0\x9f\x98\x80"});
  for (const Tensor& t : {floats({2, 1}, {1, 2}), Tensor::of_i64({}), Tensor::scalar_i64(-5), words}) {
    const std::string text = encode_npy(t);
    EXPECT_TRUE(same_content(decode_npy(std::as_bytes(std::span(text)), "t"), t));
    for (size_t cut = 0; cut < text.size(); ++cut) {
      const auto part = std::as_bytes(std::span(text)).first(cut);
      if (t.count() > 0 || cut < 64) {
        EXPECT_NE(error_of([&] { decode_npy(part, "t"); }), "") << cut;
      }
    }
  }
  std::string columns = encode_npy(floats({2, 2}, {1, 2, 3, 4}));
  columns.replace(columns.find("False"), 5, "True ");
  EXPECT_THAT(decode_npy(std::as_bytes(std::span(columns)), "t").to_doubles(),
              testing::ElementsAre(1, 3, 2, 4));
}

}  // namespace
}  // namespace lathe
