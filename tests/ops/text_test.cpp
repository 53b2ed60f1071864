// Strings: concatenation, splitting, normalization, regular expressions, n-grams.
#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

Tensor vec(std::vector<int64_t> v) { return Tensor::of_i64(std::move(v)); }
Tensor text(std::vector<int64_t> dims, Strings v) {
  return Tensor::of_strings(std::move(dims), std::move(v));
}

TEST(StringConcat, Broadcasts) {
  const Tensor y = run1({"StringConcat"}, {text({2, 1}, {"a", "b"}), text({2}, {"x", ""})});
  EXPECT_EQ(y.dims, (std::vector<int64_t>{2, 2}));
  EXPECT_THAT(y.strings(), ElementsAre("ax", "a", "bx", "b"));
  EXPECT_NE(error_of({"StringConcat"}, {text({2}, {"a", "b"}), text({3}, {"", "", ""})}), "");
  EXPECT_EQ(run1({"StringConcat"}, {text({0}, {}), text({1}, {"a"})}).dims, (std::vector<int64_t>{0}));
}

Strings split(const std::string& s, std::vector<std::pair<std::string, AttrValue>> attrs, int64_t parts) {
  const auto out = run({"StringSplit", std::move(attrs), 2}, {text({1}, {s})});
  EXPECT_EQ(out[1].to_i64(), std::vector<int64_t>{parts});
  return out[0].strings();
}

TEST(StringSplit, AtSpacesAsPythonDoes) {
  EXPECT_THAT(split("  a  b c ", {}, 3), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split("  a  b c ", {{"maxsplit", int64_t{1}}}, 2), ElementsAre("a", "b c "));
  EXPECT_THAT(split(" a b ", {{"maxsplit", int64_t{0}}}, 1), ElementsAre("a b "));
  EXPECT_THAT(split("", {}, 0), ElementsAre());
  EXPECT_THAT(split("a\u2003b", {}, 2), ElementsAre("a", "b"));  // em space
}

TEST(StringSplit, AtADelimiter) {
  const std::pair<std::string, AttrValue> comma{"delimiter", std::string(",")};
  EXPECT_THAT(split("a,,b,", {comma}, 4), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("a,b,c", {comma, {"maxsplit", int64_t{1}}}, 2), ElementsAre("a", "b,c"));
  EXPECT_THAT(split("", {comma}, 1), ElementsAre(""));
}

TEST(StringSplit, ShorterRowsArePadded) {
  const auto out = run({"StringSplit", {}, 2}, {text({2}, {"a b", "c"})});
  EXPECT_EQ(out[0].dims, (std::vector<int64_t>{2, 2}));
  EXPECT_THAT(out[0].strings(), ElementsAre("a", "b", "c", ""));
  EXPECT_EQ(run({"StringSplit", {}, 2}, {text({0, 3}, {})})[0].dims, (std::vector<int64_t>{0, 3, 0}));
}

TEST(StringNormalizer, StopwordsAndCase) {
  const std::pair<std::string, AttrValue> stop{"stopwords", Strings{"monday"}};
  const Tensor x = text({3}, {"Monday", "tuesday", "monday"});
  EXPECT_THAT(run1({"StringNormalizer", {stop, {"case_change_action", std::string("UPPER")}}}, {x}).strings(),
              ElementsAre("TUESDAY"));
  EXPECT_THAT(run1({"StringNormalizer", {stop, {"is_case_sensitive", int64_t{1}}}}, {x}).strings(),
              ElementsAre("Monday", "tuesday"));
  const Tensor none = run1({"StringNormalizer", {stop}}, {text({1, 1}, {"MONDAY"})});
  EXPECT_EQ(none.dims, (std::vector<int64_t>{1, 1}));
  EXPECT_THAT(none.strings(), ElementsAre(""));
  EXPECT_THAT(
      run1({"StringNormalizer", {{"case_change_action", std::string("UPPER")}}}, {text({1}, {"straße"})})
          .strings(),
      ElementsAre("STRASSE"));
  EXPECT_NE(error_of({"StringNormalizer"}, {text({2, 1}, {"a", "b"})}), "");
  EXPECT_NE(error_of({"StringNormalizer", {{"case_change_action", std::string("Lower")}}}, {x}), "");
}

TEST(RegexFullMatch, WholeStrings) {
  const Op op{"RegexFullMatch", {{"pattern", std::string("a+b?")}}};
  expect_same(run1(op, {text({4}, {"aab", "ab!", "", "a"})}), boolean({4}, {1, 0, 0, 1}));
  EXPECT_THAT(error_of({"RegexFullMatch", {{"pattern", std::string("(")}}}, {text({1}, {"a"})}),
              HasSubstr("pattern"));
  // Exponential for a backtracking matcher.
  const std::string many(200, 'a');
  expect_same(run1({"RegexFullMatch", {{"pattern", std::string("(a*)*b")}}}, {text({1}, {many})}),
              boolean({1}, {0}));
}

std::vector<std::pair<std::string, AttrValue>> grams(const char* mode, int64_t least, int64_t most,
                                                     int64_t skips) {
  return {{"mode", std::string(mode)},
          {"min_gram_length", least},
          {"max_gram_length", most},
          {"max_skip_count", skips},
          {"ngram_counts", std::vector<int64_t>{0, 2}},
          {"ngram_indexes", std::vector<int64_t>{0, 1, 2}},
          {"pool_int64s", std::vector<int64_t>{2, 3, 5, 4}}};  // 2 and 3 alone, 5 before 4
}

TEST(TfIdfVectorizer, CountsGramsWithSkips) {
  const Tensor x = vec({2, 5, 3, 4, 2});
  expect_same(run1({"TfIdfVectorizer", grams("TF", 1, 2, 0)}, {x}), f32({3}, {2, 1, 0}));
  expect_same(run1({"TfIdfVectorizer", grams("TF", 1, 2, 1)}, {x}), f32({3}, {2, 1, 1}));
  expect_same(run1({"TfIdfVectorizer", grams("TF", 2, 2, 1)}, {x}), f32({3}, {0, 0, 1}));
  expect_same(run1({"TfIdfVectorizer", grams("IDF", 1, 1, int64_t{1} << 60)}, {x}), f32({3}, {1, 1, 0}));
  auto weighted = grams("TFIDF", 1, 2, 0);
  weighted.emplace_back("weights", std::vector<float>{0.5f, 2, 3});
  expect_same(run1({"TfIdfVectorizer", weighted}, {i64({2, 2}, {2, 2, 5, 4})}),
              f32({2, 3}, {1, 0, 0, 0, 0, 3}));
}

TEST(TfIdfVectorizer, RefusesAttributesThatDoNotFit) {
  auto bad = grams("TF", 1, 2, 0);
  bad[5].second = std::vector<int64_t>{0, -1, 2};
  EXPECT_NE(error_of({"TfIdfVectorizer", bad}, {vec({1})}), "");
  bad[5].second = std::vector<int64_t>{0, 1};
  EXPECT_NE(error_of({"TfIdfVectorizer", bad}, {vec({1})}), "");
  bad = grams("TF", 1, 2, 0);
  bad[4].second = std::vector<int64_t>{0, 9};
  EXPECT_NE(error_of({"TfIdfVectorizer", bad}, {vec({1})}), "");
}

}  // namespace
}  // namespace lathe::test
