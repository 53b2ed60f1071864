// Lints of weights, types and speed: each where it must speak and where it must be silent.
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
