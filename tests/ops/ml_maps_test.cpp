// ZipMap, DictVectorizer, CastMap; expected values as onnxruntime 1.31 gives them.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kMl = "ai.onnx.ml";
using Strings = std::vector<std::string>;
using Int64s = std::vector<int64_t>;
using AttrList = std::vector<std::pair<std::string, AttrValue>>;

Tensor text(const Strings& v) { return Tensor::of_strings({static_cast<int64_t>(v.size())}, v); }

// One node on one map.
struct MapRun {
  Model m;
  Datum in;

  MapRun(const char* type, const AttrList& attrs, const Tensor& keys, const Tensor& values)
      : in(map_datum(keys, values)) {
    m.info.opsets = {{"", 26}, {kMl, 5}};
    const ValueId x =
        m.add_input(m.main(), {"x", Type::map(keys.dtype, Type::tensor(values.dtype, Shape{})), nullptr});
    Attrs a;
    for (const auto& [name, value] : attrs) a.set(name, value);
    const NodeId n = m.create(kMl, type, {x}, a, 1, "n", {"y"});
    m.place(n, m.main());
    m.add_output(m.main(), m[n].out[0], {"y", {}, nullptr});
  }

  Tensor run() {
    const Tensor got = *Executor(m).run(std::vector<Datum>{in})[0].tensor();
    const ShapeValues values = infer_types(m);
    expect_type_agrees(m, m.outputs(m.main())[0], values, got, {}, "map");
    return got;
  }
  std::string fault() {
    try {
      run();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
};

TEST(ZipMap, OneMapARow) {
  const auto out = run_datums({"ZipMap", {{"classlabels_strings", Strings{"b", "a", "c"}}}, 1, kMl},
                              {f32({2, 3}, {1, 2, 3, 4, 5, 6})});
  const Sequence* maps = out[0].sequence();
  ASSERT_NE(maps, nullptr);
  ASSERT_EQ(maps->size(), 2u);
  for (size_t r = 0; r < 2; ++r) {
    const MapDatum* m = (*maps)[r].map();
    ASSERT_NE(m, nullptr);
    EXPECT_THAT(m->keys.strings(), ElementsAre("a", "b", "c"));  // ascending, whatever the columns' order
    const auto d = static_cast<float>(3 * r);
    expect_same(m->values, f32({3}, {2 + d, 1 + d, 3 + d}));
  }
}

TEST(ZipMap, IntegersAndOneRow) {
  const auto out =
      run_datums({"ZipMap", {{"classlabels_int64s", Int64s{10, -3}}}, 1, kMl}, {f32({2}, {0.25f, 0.75f})});
  const Sequence* maps = out[0].sequence();
  ASSERT_NE(maps, nullptr);
  ASSERT_EQ(maps->size(), 1u);
  expect_same((*maps)[0].map()->keys, i64({2}, {-3, 10}));
  expect_same((*maps)[0].map()->values, f32({2}, {0.75f, 0.25f}));
  const auto none = run_datums({"ZipMap", {{"classlabels_int64s", Int64s{1, 2}}}, 1, kMl}, {f32({0, 2}, {})});
  EXPECT_TRUE(none[0].sequence()->empty());
}

TEST(ZipMap, BadInput) {
  const auto fault = [](Int64s keys, const Tensor& x) {
    return error_of({"ZipMap", {{"classlabels_int64s", std::move(keys)}}, 1, kMl}, {x});
  };
  EXPECT_THAT(fault({1, 2}, f32({1, 3}, {1, 2, 3})), HasSubstr("2 keys for 3 columns"));
  EXPECT_THAT(fault({7, 7}, f32({1, 2}, {1, 2})), HasSubstr("a key occurs twice"));
  EXPECT_THAT(error_of({"ZipMap", {}, 1, kMl}, {f32({1, 2}, {1, 2})}), HasSubstr("classlabels"));
}

TEST(DictVectorizer, AbsentWordsAreZero) {
  expect_same(MapRun("DictVectorizer", {{"string_vocabulary", Strings{"c", "a", "z"}}}, text({"a", "b", "c"}),
                     f32({3}, {1, 2, 3}))
                  .run(),
              f32({1, 3}, {3, 1, 0}));
  expect_same(MapRun("DictVectorizer", {{"int64_vocabulary", Int64s{9, -1, 5}}}, i64({2}, {-1, 9}),
                     f64({2}, {0.5, 2}))
                  .run(),
              f64({1, 3}, {2, 0.5, 0}));
  expect_same(
      MapRun("DictVectorizer", {{"string_vocabulary", Strings{"a", "b"}}}, text({"b"}), i64({1}, {7})).run(),
      i64({1, 2}, {0, 7}));
  EXPECT_THAT(MapRun("DictVectorizer", {{"int64_vocabulary", Int64s{1, 2}}}, i64({1}, {2}), text({"x"}))
                  .run()
                  .strings(),
              ElementsAre("", "x"));
}

TEST(DictVectorizer, BadInput) {
  EXPECT_THAT(MapRun("DictVectorizer", {{"int64_vocabulary", Int64s{1}}}, text({"a"}), f32({1}, {1})).fault(),
              HasSubstr("keys of type string with a vocabulary of type int64"));
  EXPECT_THAT(error_of({"DictVectorizer", {{"int64_vocabulary", Int64s{1}}}, 1, kMl}, {f32({1}, {1})}),
              HasSubstr("input 0 is not a map"));
}

TEST(CastMap, Dense) {
  const Tensor keys = i64({3}, {1, 4, 9});
  expect_same(MapRun("CastMap", {}, keys, f32({3}, {1.5f, -2, 3})).run(), f32({1, 3}, {1.5f, -2, 3}));
  expect_same(
      MapRun("CastMap", {{"cast_to", std::string("TO_INT64")}}, keys, f32({3}, {1.5f, -2.7f, kNaN})).run(),
      i64({1, 3}, {1, -2, 0}));
  expect_same(
      MapRun("CastMap", {{"cast_to", std::string("TO_FLOAT")}}, keys, text({"1.5", "-2", "1e3"})).run(),
      f32({1, 3}, {1.5f, -2, 1000}));
  EXPECT_THAT(MapRun("CastMap", {{"cast_to", std::string("TO_STRING")}}, keys, f32({3}, {1.5f, -2, 0}))
                  .run()
                  .strings(),
              ElementsAre("1.500000", "-2.000000", "0.000000"));
}

TEST(CastMap, Sparse) {
  const auto sparse = [](const char* to, int64_t n) {
    return AttrList{{"map_form", std::string("SPARSE")}, {"max_map", n}, {"cast_to", std::string(to)}};
  };
  expect_same(MapRun("CastMap", sparse("TO_FLOAT", 5), i64({2}, {1, 4}), f32({2}, {2, 3})).run(),
              f32({1, 5}, {0, 2, 0, 0, 3}));
  expect_same(MapRun("CastMap", sparse("TO_INT64", 2), i64({1}, {0}), text({"42"})).run(),
              i64({1, 2}, {42, 0}));
  EXPECT_THAT(MapRun("CastMap", sparse("TO_FLOAT", 4), i64({2}, {1, 4}), f32({2}, {2, 3})).fault(),
              HasSubstr("key 4 for max_map 4"));
  EXPECT_THAT(MapRun("CastMap", sparse("TO_FLOAT", 4), i64({1}, {-1}), f32({1}, {2})).fault(),
              HasSubstr("key -1 for max_map 4"));
  EXPECT_THAT(MapRun("CastMap", sparse("TO_FLOAT", -4), i64({0}, {}), f32({0}, {})).fault(),
              HasSubstr("max_map -4"));
  for (const char* to : {"TO_FLOAT", "TO_STRING"})  // more than any memory
    EXPECT_THAT(MapRun("CastMap", sparse(to, int64_t{1} << 61), i64({0}, {}), f32({0}, {})).fault(),
                ::testing::AnyOf(HasSubstr("memory"), HasSubstr("overflows")));
}

TEST(CastMap, BadInput) {
  EXPECT_THAT(
      MapRun("CastMap", {{"cast_to", std::string("TO_INT64")}}, i64({1}, {1}), text({"four"})).fault(),
      HasSubstr("'four' is no number"));
  EXPECT_THAT(MapRun("CastMap", {{"cast_to", std::string("TO_BOOL")}}, i64({1}, {1}), f32({1}, {1})).fault(),
              HasSubstr("TO_BOOL"));
  EXPECT_THAT(MapRun("CastMap", {}, text({"a"}), f32({1}, {1})).fault(), HasSubstr("keys of type string"));
  EXPECT_THAT(error_of({"CastMap", {}, 1, kMl}, {f32({1}, {1})}), HasSubstr("input 0 is not a map"));
}

}  // namespace
}  // namespace lathe::test
