// A part of a weight stands for the whole where it makes a part of the result.
#include "passes/quant/half/weight_sample.h"

#include <gtest/gtest.h>

#include "ir/onnx/text.h"

namespace lathe {
namespace {

constexpr int64_t kWide = 2048, kDeep = 1024;

// One node that reads the weight w and the bias b, which count from 0.
struct Sampled {
  Model m;
  NodeId node;
  std::unordered_map<ValueId, Datum> given;

  Sampled(const std::string& inputs, const std::string& op, const std::vector<int64_t>& weight,
          const std::vector<int64_t>& bias = {})
      : m(parse_model("<ir_version: 8, opset_import: [\"\": 17, \"com.microsoft\": 1]>\ng (" + inputs +
                      ") => (float[n, m] y) <float[1] w = {0}, float[1] b = {0}> { y = " + op + " }")) {
    node = m.nodes(m.main()).front();
    for (const ValueId v : m[node].in) {
      if (m[v].name == "w") set(v, weight);
      if (m[v].name == "b") set(v, bias);
    }
    given = weight_sample(m, node);
  }
  void set(ValueId v, const std::vector<int64_t>& dims) {
    Tensor t = Tensor::uninitialized(DType::F32, dims);
    for (int64_t i = 0; i < t.count(); ++i)
      t.mutable_data<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
    m.set_constant(v, std::make_shared<const Tensor>(std::move(t)));
  }
  const Tensor& of(size_t slot) const { return *given.at(m[node].in[slot]).tensor(); }
};

const std::string kX = "float[n, 1024] x";

TEST(WeightSample, ColumnsOfAProduct) {
  const Sampled s(kX, "MatMul (x, w)", {kDeep, kWide});
  ASSERT_EQ(s.given.size(), 1U);
  const Tensor& t = s.of(1);
  EXPECT_EQ(t.dims, (std::vector<int64_t>{kDeep, 64}));
  EXPECT_EQ(t.as_double(0), 0);
  EXPECT_EQ(t.as_double(63), kWide - 1);  // the last of the first row
  EXPECT_EQ(t.as_double(64), kWide);      // and the first of the second
}

TEST(WeightSample, RowsWithTheirBias) {
  const Sampled s(kX, "Gemm <transB = 1> (x, w, b)", {kWide, kDeep}, {kWide});
  ASSERT_EQ(s.given.size(), 2U);
  EXPECT_EQ(s.of(1).dims, (std::vector<int64_t>{64, kDeep}));
  EXPECT_EQ(s.of(1).as_double(63 * kDeep), (kWide - 1) * kDeep);
  EXPECT_EQ(s.of(2).dims, (std::vector<int64_t>{64}));
  EXPECT_EQ(s.of(2).as_double(63), kWide - 1);
}

TEST(WeightSample, ColumnsOfATable) {
  const Sampled s("int64[n, m] x", "Gather (w, x)", {kWide, kDeep});
  EXPECT_EQ(s.of(0).dims, (std::vector<int64_t>{kWide, 64}));
}

TEST(WeightSample, NothingStandsForTheWhole) {
  EXPECT_TRUE(Sampled(kX, "MatMul (x, w)", {kDeep, 64}).given.empty()) << "small";
  EXPECT_TRUE(Sampled(kX, "MatMul (x, w)", {2, kDeep, kDeep}).given.empty()) << "a batch";
  EXPECT_TRUE(Sampled(kX, "Gemm (x, w, b)", {kDeep, kWide}, {1, kWide}).given.empty()) << "a matrix as bias";
  EXPECT_TRUE(Sampled(kX, "Add (x, w)", {kDeep, kDeep}).given.empty()) << "no product";
  EXPECT_TRUE(Sampled("int64[n, m] x", "Gather <axis = 1> (w, x)", {kWide, kDeep}).given.empty());
}

}  // namespace
}  // namespace lathe
