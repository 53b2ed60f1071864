// What lathe does not interpret, and how things were spelled, comes back: files with every field that ONNX
// has, in the usual field order, are saved byte by byte as they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/base/mapped_file.h"
#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "tests/support/proto_builder.h"

namespace lathe {
namespace {

using namespace test;

Model load(const std::string& bytes, bool lift = true) {
  return load_model(MappedFile::from_bytes(bytes), "file", {}, {.lift = lift});
}

void expect_same(const std::string& bytes) {
  for (const bool lift : {false, true}) {
    const Model m = load(bytes, lift);
    EXPECT_THAT(check_invariants(m), testing::IsEmpty());
    EXPECT_EQ(serialize_model(m), bytes);
    EXPECT_EQ(serialize_model(Model(m)), bytes);
  }
}
void expect_same(const Msg& m) { expect_same(m.str()); }

constexpr uint32_t kUnknown = 1000;  // no field of ONNX

TEST(CarriedTest, EveryFieldOfAModel) {
  namespace fv = field::value_info;
  namespace ft = field::tensor;
  const Msg meta = entry("key", "value"), unknown = Msg().s(1, "new");
  const Msg info = value("x").s(fv::doc_string, "doc").m(fv::metadata_props, meta).m(kUnknown, unknown);
  const Msg weight = Msg()
                         .i(ft::dims, 2)
                         .i(ft::data_type, 1)
                         .m(ft::segment, Msg().i(1, 0).i(2, 2))
                         .s(ft::name, "w")
                         .s(ft::raw_data, "abcdefgh")
                         .s(ft::doc_string, "weight")
                         .i(ft::data_location, 0)
                         .m(16, meta)
                         .m(kUnknown, unknown);
  const Msg attr = Msg().s(1, "alpha").f(2, 0.5f).s(13, "doc").i(20, 1).m(kUnknown, unknown);
  Msg n = node("Elu", {"x"}, {"a"}, {attr});
  n.s(field::node::doc_string, "node doc")
      .s(field::node::domain, "ai.onnx")
      .m(field::node::metadata_props, meta);
  n.m(10, Msg().s(1, "device")).m(kUnknown, unknown);
  const Msg g = Msg()
                    .m(1, n)
                    .m(1, node("Add", {"a", "w"}, {"y"}))
                    .s(2, "g")
                    .m(5, weight)
                    .s(10, "graph doc")
                    .m(11, info)
                    .m(12, value("y"))
                    .m(13, value("a").s(fv::doc_string, "inner"))
                    .m(13, value("gone"))
                    .m(14, Msg().s(1, "a").m(2, entry("SCALE_TENSOR", "w")).m(kUnknown, unknown))
                    .m(16, meta)
                    .m(kUnknown, unknown);
  expect_same(Msg()
                  .i(1, 14)
                  .s(2, "producer")
                  .s(3, "1.0")
                  .s(4, "com.example")
                  .i(5, 3)
                  .s(6, "model doc")
                  .m(7, g)
                  .m(8, opset("", 17))
                  .m(14, meta)
                  .m(20, Msg().m(1, graph({.nodes = {node("Thing", {"not", "checked"}, {"here"})}})))
                  .m(26, Msg().s(1, "gpu").i(2, 4))
                  .m(kUnknown, unknown));
}

TEST(CarriedTest, PresentButEmptyStrings) {
  const Msg n = Msg().s(1, "x").s(2, "y").s(3, "").s(4, "Relu").s(6, "").s(7, "").s(8, "");
  const Msg x = value("x").s(field::value_info::doc_string, "");
  const Msg g = Msg().m(1, n).s(2, "").s(10, "").m(11, x).m(12, value("y"));
  expect_same(Msg().i(1, 8).s(2, "").s(3, "").s(4, "").i(5, 0).s(6, "").m(7, g).m(8, Msg().i(2, 17)));
}

TEST(CarriedTest, Functions) {
  const Msg meta = entry("key", "value");
  const Msg ref = Msg().s(1, "alpha").i(20, 1).s(21, "slope");
  const Msg f = Msg()
                    .s(1, "f")
                    .s(4, "x")
                    .s(5, "y")
                    .s(6, "axis")
                    .m(7, node("Elu", {"x"}, {"y"}, {ref}))
                    .s(8, "doc")
                    .m(9, opset("", 17))
                    .s(10, "local")
                    .m(11, Msg().s(1, "slope").f(2, 0.5f).i(20, 1))
                    .m(12, value("y"))
                    .s(13, "v2")
                    .m(14, meta)
                    .m(kUnknown, meta);
  const Msg call = node("f", {"x"}, {"y"}, {int_attr("axis", 1)}).s(7, "local").s(8, "v2");
  expect_same(model(graph({.nodes = {call}}), {opset("", 17), opset("local", 1)}, 10).m(25, f));
}

TEST(CarriedTest, TypedStorageOfEveryType) {
  namespace ft = field::tensor;
  const auto varints = [](std::initializer_list<int64_t> values) {
    wire::Writer w;
    for (const int64_t v : values) w.packed_varint(static_cast<uint64_t>(v));
    return w.str();
  };
  const std::string two_floats("\0\0\x80\x3f\0\0\0\xc0", 8);
  std::vector<Msg> tensors = {
      tensor("", 1, {2}).s(ft::float_data, two_floats),                   // float
      tensor("", 14, {1}).s(ft::float_data, two_floats),                  // complex64
      tensor("", 6, {2}).s(ft::int32_data, varints({-1, 2147483647})),    // int32
      tensor("", 3, {2}).s(ft::int32_data, varints({-128, 127})),         // int8
      tensor("", 5, {2}).s(ft::int32_data, varints({-32768, 3})),         // int16
      tensor("", 2, {2}).s(ft::int32_data, varints({255, 0})),            // uint8
      tensor("", 4, {2}).s(ft::int32_data, varints({65535, 0})),          // uint16
      tensor("", 9, {2}).s(ft::int32_data, varints({1, 0})),              // bool
      tensor("", 10, {1}).s(ft::int32_data, varints({0x3c00})),           // float16
      tensor("", 16, {1}).s(ft::int32_data, varints({0xbf80})),           // bfloat16
      tensor("", 17, {1}).s(ft::int32_data, varints({0xfe})),             // float8e4m3fn
      tensor("", 24, {1}).s(ft::int32_data, varints({0xff})),             // float8e8m0
      tensor("", 21, {3}).s(ft::int32_data, varints({0xf1, 0x0f})),       // uint4
      tensor("", 22, {2}).s(ft::int32_data, varints({0xf8})),             // int4
      tensor("", 25, {5}).s(ft::int32_data, varints({0xe4, 0x03})),       // uint2
      tensor("", 7, {2}).s(ft::int64_data, varints({-5, 1})),             // int64
      tensor("", 12, {1}).s(ft::uint64_data, varints({4294967295})),      // uint32
      tensor("", 13, {1}).s(ft::uint64_data, varints({-1})),              // uint64
      tensor("", 11, {1}).s(ft::double_data, two_floats),                 // double
      tensor("", 15, {1}).s(ft::double_data, two_floats + two_floats),    // complex128
      tensor("", 8, {2}).s(ft::string_data, "a").s(ft::string_data, ""),  // string
      tensor("", 1, {0}),
      raw_tensor("", 1, {0, 3}, ""),
      raw_tensor("named", 7, {}, "abcdefgh"),
  };
  for (const Msg& t : tensors) {
    SCOPED_TRACE(testing::PrintToString(t.str()));
    expect_same(
        model(graph({.nodes = {node("Thing", {"x"}, {"y"}, {tensor_attr("t", t)})}}), {opset("", 17)}));
  }
  // 1 and -2, in place.
  const Model m =
      load(model(graph({.nodes = {node("Constant", {}, {"y"}, {tensor_attr("value", tensors[0])})}})).str());
  EXPECT_THAT(m.constant(m.outputs(m.main())[0])->to_doubles(), testing::ElementsAre(1, -2));
}

TEST(CarriedTest, TypedStorageGivesTheValues) {
  const auto first = [](const Msg& t) {
    const Model m =
        load(model(graph({.nodes = {node("Constant", {}, {"y"}, {tensor_attr("value", t)})}})).str());
    return m.constant(m.outputs(m.main())[0])->to_doubles();
  };
  namespace ft = field::tensor;
  using testing::ElementsAre;
  EXPECT_THAT(first(tensor("", 10, {1}).s(ft::int32_data, "\x80\x78")), ElementsAre(1));  // half 0x3c00
  EXPECT_THAT(first(tensor("", 22, {3}).s(ft::int32_data, "\xf8\x01\x07")), ElementsAre(-8, -1, 7));
  EXPECT_THAT(first(tensor("", 7, {2}).i(ft::int64_data, -3).i(ft::int64_data, 4)),
              ElementsAre(-3, 4));  // unpacked
  EXPECT_THAT(first(tensor("", 1, {2}).f(ft::float_data, 3).f(ft::float_data, 4)), ElementsAre(3, 4));
}

TEST(CarriedTest, AttributesOfEveryKind) {
  namespace fa = field::attribute;
  const Msg t = raw_tensor("", 1, {2}, "abcdefgh");
  const Msg sparse =
      Msg().m(1, raw_tensor("", 1, {1}, "abcd")).m(2, raw_tensor("", 7, {1}, std::string(8, '\0'))).i(3, 4);
  const auto a = [](const char* name) { return Msg().s(fa::name, name); };
  const auto type = [](Msg m, int kind) { return m.i(fa::type, kind); };
  const Msg inner = graph({.nodes = {node("Neg", {"x"}, {"z"})}, .inputs = {}, .outputs = {value("z")}});
  const std::vector<Msg> attrs = {
      type(a("f").f(fa::f, -0.0f), 1),
      type(a("i").i(fa::i, -1), 2),
      type(a("s").s(fa::s, std::string("a\0\xff", 3)), 3),
      type(a("t").m(fa::t, t), 4),
      type(a("g").m(fa::g, inner), 5),
      type(a("fs").f(fa::floats, 1).f(fa::floats, 2), 6),
      type(a("is").i(fa::ints, 1).i(fa::ints, -2), 7),
      type(a("ss").s(fa::strings, "").s(fa::strings, "b"), 8),
      type(a("ts").m(fa::tensors, t).m(fa::tensors, t), 9),
      type(a("gs").m(fa::graphs, inner).m(fa::graphs, inner), 10),
      a("sp").i(fa::type, 11).m(fa::sparse_tensor, sparse),
      a("sps").i(fa::type, 12).m(fa::sparse_tensors, sparse),
      type(a("tp").m(fa::tp, float_type()), 13),
      type(a("tps").m(fa::type_protos, float_type()).m(fa::type_protos, float_type()), 14),
      type(a("empty_ints"), 7),
      type(a("empty_string").s(fa::s, ""), 3),
      type(a("packed").s(fa::ints, "\1\2"), 7),
      type(a("zero_left_out"), 2),
      a("untyped").i(fa::i, 3),
  };
  expect_same(
      model(graph({.nodes = {node("Thing", {"x"}, {"y"}, attrs).s(field::node::domain, "com.example")}}),
            {opset("", 17), opset("com.example", 1)}));
}

TEST(CarriedTest, TypesOfEveryKind) {
  namespace t = field::type;
  const Msg dims = Msg()
                       .m(t::dim, Msg().i(t::dim_value, 3))
                       .m(t::dim, Msg().s(t::dim_param, "N").s(t::dim_denotation, "DATA_BATCH"))
                       .m(t::dim, Msg().s(t::dim_param, "past + 1"))
                       .m(t::dim, Msg())
                       .m(t::dim, Msg().i(t::dim_value, -1))
                       .m(t::dim, Msg().s(t::dim_param, ""));
  const Msg dense = Msg().m(t::tensor, Msg().i(1, 1).m(2, dims)).s(t::denotation, "IMAGE");
  const std::vector<Msg> types = {
      dense,
      Msg().m(t::tensor, Msg().i(1, 7)),
      Msg().m(t::tensor, Msg()),
      Msg().m(t::tensor, Msg().i(1, 0).m(2, Msg())),
      Msg().m(t::sparse_tensor, Msg().i(1, 1).m(2, dims)),
      Msg().m(t::sequence, Msg().m(1, dense)),
      Msg().m(t::sequence, Msg()),
      Msg().m(t::optional, Msg().m(1, Msg().m(t::sequence, Msg().m(1, dense)))),
      Msg().m(t::map, Msg().i(1, 8).m(2, dense)),
      Msg().m(t::opaque, Msg().s(1, "com.example").s(2, "Thing")),
      Msg(),
  };
  for (const Msg& type : types) {
    SCOPED_TRACE(testing::PrintToString(type.str()));
    const Msg x = Msg().s(field::value_info::name, "x").m(field::value_info::type, type);
    expect_same(model(graph({.nodes = {node("Thing", {"x"}, {"y"})}, .inputs = {x}})));
  }
}

TEST(CarriedTest, SparseInitializersAndDefaults) {
  const Msg sparse = Msg()
                         .m(1, raw_tensor("w", 1, {1}, "abcd"))
                         .m(2, raw_tensor("w_indices", 7, {1}, std::string(8, '\0')))
                         .i(3, 2);
  expect_same(
      model(graph({.nodes = {node("Add", {"x", "w"}, {"y"})}}).m(field::graph::sparse_initializer, sparse)));
  // An initializer that gives an input its default, in both orders.
  for (const bool input_first : {false, true}) {
    std::vector<Msg> inputs = {value("x"), value("w")};
    if (input_first) std::swap(inputs[0], inputs[1]);
    const Msg m = model(
        graph({.nodes = {node("Add", {"x", "w"}, {"y"})},
               .initializers = {raw_tensor("v", 1, {2}, "abcdefgh"), raw_tensor("w", 1, {2}, "abcdefgh")},
               .inputs = inputs}));
    expect_same(m);
    const Model loaded = load(m.str());
    for (const ValueId v : loaded.inputs(loaded.main())) EXPECT_EQ(loaded.constant(v), nullptr);
  }
}

TEST(CarriedTest, OmittedInputsAndOutputs) {
  expect_same(
      model(graph({.nodes = {node("Thing", {"", "x", "", ""}, {"", "y", ""}), node("Sink", {"y"}, {})}})));
}

TEST(CarriedTest, OtherFieldOrderAndPackedDimsAreTheSameModel) {
  // As writers of proto3 do: packed dims.
  const Msg packed = Msg().s(1, "\2").i(2, 1).s(8, "w").s(9, "abcdefgh");
  expect_same(model_with(packed));
  // Another order of fields comes back in the usual one.
  const Msg n = Msg().s(4, "Relu").s(2, "y").s(1, "x").s(3, "n_y");
  const Msg g = Msg().m(12, value("y")).m(11, value("x")).s(2, "g").m(1, n);
  EXPECT_EQ(serialize_model(load(Msg().m(8, opset("", 17)).m(7, g).i(1, 8).str())), relu_model().str());
}

TEST(CarriedTest, InvalidUtf8AndOddNames) {
  const std::string odd("\xff\0\n\xc3", 4);
  expect_same(model(graph({.nodes = {node("Relu", {"x"}, {odd}), node("Abs", {odd}, {"y"})}, .name = odd})));
}

TEST(CarriedTest, SharedNamesOfBranchesAndOwners) {
  // Branch outputs are often called like the output of the If.
  const auto branch = [](const char* op) {
    return graph({.nodes = {node(op, {"x"}, {"t"}), node("Abs", {"t"}, {"y"})}, .inputs = {}});
  };
  expect_same(model(graph({.nodes = {node("If", {"x"}, {"y"},
                                          {graph_attr("then_branch", branch("Neg")),
                                           graph_attr("else_branch", branch("Relu"))})}})));
}

}  // namespace
}  // namespace lathe
