// Lints of weights, types and speed: each where it must speak and where it must be silent.
#include <cmath>
#include <map>

#include "passes/lint/weight_stats.h"
#include "tests/support/lints.h"
#include "tests/support/proto_builder.h"

namespace lathe::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// float32 initializers of these bytes, all added to x.
std::string with_weights(const std::vector<std::pair<std::string, std::string>>& weights) {
  GraphParts p;
  std::string at = "x";
  for (const auto& [name, bytes] : weights) {
    p.initializers.push_back(raw_tensor(name, 1, {static_cast<int64_t>(bytes.size() / 4)}, bytes));
    const std::string next = name == weights.back().first ? "y" : "t_" + name;
    p.nodes.push_back(node("Add", {at, name}, {next}));
    at = next;
  }
  return model(graph(p)).str();
}

std::string noise(size_t bytes, uint32_t seed) {
  std::string s;
  for (size_t i = 0; i < bytes / 4; ++i) {
    seed = seed * 1664525 + 1013904223;
    const float f = static_cast<float>(seed >> 8) / (1 << 24) - 0.5f;
    s.append(reinterpret_cast<const char*>(&f), 4);
  }
  return s;
}

TEST(Lints, DuplicateWeights) {
  const std::string a = noise(8192, 1);
  std::string b = a;
  b[5000] ^= 1;
  const auto found = lint_bytes("duplicate-weights", with_weights({{"a", a}, {"b", b}, {"c", a}}));
  ASSERT_THAT(places(found), ElementsAre("c"));
  EXPECT_THAT(found[0].text, HasSubstr("the same 8192 bytes as 'a'"));
  EXPECT_THAT(lint_bytes("duplicate-weights", with_weights({{"a", a}, {"b", b}})), IsEmpty());
}

TEST(Lints, ConstantWeight) {
  const auto with = [](const std::string& bytes) {
    GraphParts p{.nodes = {node("MatMul", {"x", "w"}, {"y"})},
                 .initializers = {raw_tensor("w", 1, {64, 64}, bytes)}};
    return model(graph(p)).str();
  };
  const auto found = lint_bytes("constant-weight", with(std::string(64 * 64 * 4, '\0')));
  ASSERT_THAT(places(found), ElementsAre("w"));
  EXPECT_THAT(found[0].text, HasSubstr("4096 times 0"));
  EXPECT_THAT(lint_bytes("constant-weight", with(noise(size_t{64} * 64 * 4, 1))), IsEmpty());
}

TEST(WeightStats, CountsInEachType) {
  const auto stats = [](DType t, const std::vector<double>& values) {
    Tensor out = Tensor::make(t, {static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); ++i)
      store_double(t, out.mutable_bytes().data(), static_cast<int64_t>(i), values[i]);
    return lint::weight_stats(out);
  };
  const double nan = std::nan(""), inf = INFINITY;
  const std::map<DType, double> denormal = {
      {DType::F16, 1e-6}, {DType::BF16, 1e-39}, {DType::F32, 1e-39}, {DType::F64, 1e-310}};
  for (const auto& [t, tiny] : denormal) {
    SCOPED_TRACE(onnx_name(t));
    const lint::WeightStats s = stats(t, {1, nan, inf, -inf, -inf, tiny, -tiny, -2, 0, -0.0});
    EXPECT_EQ(s.count, 10);
    EXPECT_EQ(s.nan, 1);
    EXPECT_EQ(s.plus_infinite, 1);
    EXPECT_EQ(s.minus_infinite, 2);
    EXPECT_EQ(s.denormal, 2);
    EXPECT_EQ(s.largest, 2);
    EXPECT_FALSE(s.constant);
    EXPECT_TRUE(stats(t, {3, 3, 3}).constant);
  }
  EXPECT_EQ(stats(DType::I32, {1, 2}).count, 0);
}

constexpr std::string_view kGelu = R"(g (float[2] x) => (float[2] y)
  <float half = {0.5}, float one = {1}, float root = {1.4142135}> {
    d = Div (x, root)
    e = Erf (d)
    p = Add (e, one)
    h = Mul (x, half)
    [last] y = Mul (h, p) })";

TEST(Lints, Unfused) {
  const auto found = lint_text("unfused", kGelu);
  ASSERT_THAT(places(found), ElementsAre("last"));
  EXPECT_THAT(found[0].text, HasSubstr("fuse-gelu"));
  EXPECT_THAT(lint_text("unfused", "g (float[2] x) => (float[2] y) { y = Gelu (x) }"), IsEmpty());
}

}  // namespace
}  // namespace lathe::test
