// Seeded mutations of small valid models: loading gives a model or an input error, nothing else; a model that
// loads can be saved and loads again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/base/rng.h"
#include "ir/core/check.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"
#include "tests/support/bad_models.h"
#include "tests/support/spoil.h"

namespace lathe {
namespace {

using namespace std::string_view_literals;

using namespace test;

std::vector<std::string> seeds() {
  namespace ft = field::tensor;
  const Msg branch = graph({.nodes = {node("Neg", {"x"}, {"t"}), node("Abs", {"t"}, {"y"})}, .inputs = {}});
  const Msg sparse =
      Msg().m(1, raw_tensor("w", 1, {1}, "abcd")).m(2, raw_tensor("i", 7, {1}, std::string(8, '\0'))).i(3, 2);
  return {
      relu_model().str(),
      model_with(raw_tensor("w", 1, {2}, "abcdefgh")).str(),
      model_with(tensor("w", 7, {3}).s(ft::int64_data, "\1\2\3")).str(),
      model_with(external_tensor("w", {2}, {{"location", "w.bin"}, {"offset", "0"}, {"length", "8"}})).str(),
      model(graph({.nodes = {node("If", {"x"}, {"y"},
                                  {graph_attr("then_branch", branch), graph_attr("else_branch", branch)})}}))
          .str(),
      model(graph({.nodes = {node("Add", {"x", "w"}, {"y"})}}).m(field::graph::sparse_initializer, sparse))
          .str(),
      model(graph({.nodes = {node("Squeeze", {"x"}, {"y"}, {Msg().s(1, "axes").i(8, 0).i(20, 7)})}}),
            {opset("", 11)})
          .str(),
      with_functions({function("f", {node("Relu", {"x"}, {"y"})})}),
      with_attr(tensor_attr("t", tensor("", 22, {3}).s(ft::int32_data, "\xf8\x01\x07"))),
  };
}

std::string mutate(std::string s, Rng& rng, const std::vector<std::string>& all) {
  const auto at = [&](const std::string& t) {
    return static_cast<size_t>(rng.integer(0, static_cast<int64_t>(t.size())));
  };
  for (int64_t n = rng.integer(1, 2); n > 0 && !s.empty(); --n) {
    const size_t i = std::min(at(s), s.size() - 1);
    const int64_t how = rng.integer(0, 6);
    switch (how) {
      case 0:
      case 1:
      case 2:
        s[i] = spoiled(s[i], how, rng, "\x00\x7f\x80\xff\x01"sv);
        break;
      case 3:
        s.erase(i, static_cast<size_t>(rng.integer(1, 8)));
        break;
      case 4:
        s.insert(i, std::string(static_cast<size_t>(rng.integer(1, 12)), '\xff'));
        break;
      case 5:
        s.resize(i);
        break;
      default: {  // a splice of another model
        const std::string& other =
            all[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(all.size()) - 1))];
        const size_t from = at(other);
        s.replace(i, static_cast<size_t>(rng.integer(0, 30)),
                  other.substr(from, static_cast<size_t>(rng.integer(0, 60))));
      }
    }
  }
  return s;
}

TEST(LoadFuzzTest, MutantsLoadOrAreRefused) {
  const std::vector<std::string> all = seeds();
  Rng rng(20261121);
  int loaded = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = mutate(all[static_cast<size_t>(i) % all.size()], rng, all);
    SCOPED_TRACE(i);
    try {
      const Model m = load_model(MappedFile::from_bytes(bytes), "mutant", {},
                                 {.lift = i % 2 == 0, .external_data = i % 3 == 0});
      ASSERT_THAT(check_invariants(m), testing::IsEmpty());
      const std::string saved = serialize_model(m);
      const Model again = load_model(MappedFile::from_bytes(saved), "again", {},
                                     {.lift = i % 2 == 0, .external_data = i % 3 == 0});
      ASSERT_EQ(serialize_model(again), saved);
      ++loaded;
    } catch (const Error& e) {
      ASSERT_EQ(e.kind(), ErrorKind::input) << e.what();
      ASSERT_EQ(std::string_view(e.what()).find("again"), std::string_view::npos) << e.what();
      ++refused;
    }
  }
  // Both outcomes are well represented: the mutations are neither too mild nor too wild.
  EXPECT_GT(loaded, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace lathe
