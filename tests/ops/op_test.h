// Runs one op and holds its type rule against what came out: with fixed dims, with symbolic dims, and with
// every input a constant, the inferred types and contents must agree with the result.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "ir/exec/executor.h"
#include "ir/ops/infer.h"
#include "ir/ops/op_def.h"

namespace lathe::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

inline Tensor f32(std::vector<int64_t> dims, std::vector<float> v) {
  return Tensor::of<float>(DType::F32, std::move(dims), v);
}
inline Tensor f64(std::vector<int64_t> dims, std::vector<double> v) {
  return Tensor::of<double>(DType::F64, std::move(dims), v);
}
inline Tensor i64(std::vector<int64_t> dims, std::vector<int64_t> v) {
  return Tensor::of<int64_t>(DType::I64, std::move(dims), v);
}
inline Tensor i32(std::vector<int64_t> dims, std::vector<int32_t> v) {
  return Tensor::of<int32_t>(DType::I32, std::move(dims), v);
}
inline Tensor boolean(std::vector<int64_t> dims, std::vector<uint8_t> v) {
  return Tensor::of<uint8_t>(DType::Bool, std::move(dims), v);
}
// Any numeric type, from doubles.
inline Tensor of(DType dtype, std::vector<int64_t> dims, std::vector<double> v) {
  Tensor t = Tensor::make(dtype, std::move(dims));
  for (size_t i = 0; i < v.size(); ++i)
    store_double(dtype, t.mutable_bytes().data(), static_cast<int64_t>(i), v[i]);
  return t;
}

struct Op {
  std::string type;
  std::vector<std::pair<std::string, AttrValue>> attrs = {};
  size_t outputs = 1;
  std::string domain = {};
};

enum class Inputs { fixed, symbolic, constant };

// A model of one node; undefined tensors are omitted inputs.
inline Model model_of(const Op& op, const std::vector<Tensor>& in, Inputs how,
                      std::map<std::string, int64_t>* binding = nullptr) {
  Model m;
  m.info.opsets = {{"", 26}, {"com.microsoft", 1}, {"ai.onnx.ml", 5}};
  std::vector<ValueId> ids;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].defined()) {
      ids.emplace_back();
      continue;
    }
    if (how == Inputs::constant) {
      ids.push_back(m.add_initializer(m.main(), in[i], "in" + std::to_string(i)));
      continue;
    }
    Shape shape;
    for (size_t d = 0; d < in[i].dims.size(); ++d) {
      // Equal sizes may be different symbols, different sizes never the same one.
      const std::string name = "d" + std::to_string(i) + "_" + std::to_string(d);
      shape.push_back(how == Inputs::fixed ? Dim(in[i].dims[d]) : Dim::symbol(name));
      if (binding != nullptr) (*binding)[name] = in[i].dims[d];
    }
    ids.push_back(
        m.add_input(m.main(), {"in" + std::to_string(i), Type::tensor(in[i].dtype, shape), nullptr}));
  }
  Attrs attrs;
  for (const auto& [name, value] : op.attrs) attrs.set(name, value);
  std::vector<std::string> names;
  for (size_t i = 0; i < op.outputs; ++i) names.push_back("out" + std::to_string(i));
  const NodeId n = m.create(op.domain, op.type, ids, attrs, op.outputs, "n", names);
  m.place(n, m.main());
  for (size_t i = 0; i < op.outputs; ++i) m.add_output(m.main(), m[n].out[i], {names[i], {}, nullptr});
  return m;
}

inline void expect_type_agrees(const Model& m, ValueId v, const ShapeValues& values, const Tensor& got,
                               const std::map<std::string, int64_t>& binding, const std::string& where) {
  const Type& t = m[v].type;
  if (!t.known()) return;
  EXPECT_EQ(t.dtype, got.dtype) << where;
  if (t.shape) {
    ASSERT_EQ(t.shape->size(), got.dims.size()) << where << " " << t.str();
    for (size_t d = 0; d < got.dims.size(); ++d)
      if (const auto size = (*t.shape)[d].eval(binding); size.has_value()) {
        EXPECT_EQ(*size, got.dims[d]) << where << " dim " << d << " of " << t.str();
      }
  }
  if (const auto it = values.find(v); it != values.end()) {
    ASSERT_EQ(static_cast<int64_t>(it->second.size()), got.count()) << where << " contents";
    for (size_t i = 0; i < it->second.size(); ++i)
      if (const auto x = it->second[i].eval(binding); x.has_value()) {
        EXPECT_EQ(*x, got.as_i64(static_cast<int64_t>(i))) << where << " element " << i;
      }
  }
}

inline std::vector<Datum> run_datums(const Op& op, const std::vector<Tensor>& in) {
  Model m = model_of(op, in, Inputs::fixed);
  std::vector<Datum> feeds;
  for (const Tensor& t : in)
    if (t.defined()) feeds.emplace_back(t);
  return Executor(m).run(std::move(feeds));
}

inline std::vector<Tensor> run(const Op& op, const std::vector<Tensor>& in) {
  std::vector<Tensor> out;
  for (const Datum& d : run_datums(op, in)) out.push_back(d.tensor() != nullptr ? *d.tensor() : Tensor());
  for (const Inputs how : {Inputs::fixed, Inputs::symbolic, Inputs::constant}) {
    std::map<std::string, int64_t> binding;
    Model m = model_of(op, in, how, &binding);
    const ShapeValues values = infer_types(m);
    const std::vector<ValueId> results = m.outputs(m.main());
    const char* names[] = {"fixed", "symbolic", "constant"};
    for (size_t i = 0; i < results.size(); ++i)
      if (out[i].defined())
        expect_type_agrees(
            m, results[i], values, out[i], binding,
            op.type + " output " + std::to_string(i) + ", inputs " + names[static_cast<int>(how)]);
  }
  return out;
}
inline Tensor run1(const Op& op, const std::vector<Tensor>& in) { return run(op, in).at(0); }

inline std::string error_of(const Op& op, const std::vector<Tensor>& in) {
  Model m = model_of(op, in, Inputs::fixed);
  std::vector<Datum> feeds;
  for (const Tensor& t : in)
    if (t.defined()) feeds.emplace_back(t);
  try {
    Executor(m).run(std::move(feeds));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Equal dtype and dims; values within tol of want (absolute, plus tol relative), NaN equal to NaN.
inline void expect_close(const Tensor& got, const Tensor& want, double tol = 1e-6) {
  ASSERT_EQ(got.dtype, want.dtype);
  ASSERT_EQ(got.dims, want.dims);
  const auto a = got.to_doubles(), b = want.to_doubles();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i]))
      EXPECT_TRUE(std::isnan(a[i])) << "element " << i << " is " << a[i];
    else if (std::isinf(b[i]))
      EXPECT_EQ(a[i], b[i]) << "element " << i;
    else
      EXPECT_NEAR(a[i], b[i], tol + tol * std::abs(b[i])) << "element " << i;
  }
}
inline void expect_same(const Tensor& got, const Tensor& want) {
  ASSERT_EQ(got.dtype, want.dtype);
  ASSERT_EQ(got.dims, want.dims);
  EXPECT_TRUE(same_content(got, want)) << ::testing::PrintToString(got.to_doubles());
}

}  // namespace lathe::test
