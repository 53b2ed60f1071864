// A graph under construction, and derivatives held against central differences.
#pragma once
#include <map>

#include "tests/ops/op_test.h"

namespace lathe::test {

inline constexpr const char* kTraining = "ai.onnx.preview.training";
using Names = std::vector<std::string>;
using Dims = std::vector<int64_t>;

inline Attrs attrs_of(const std::vector<std::pair<std::string, AttrValue>>& list) {
  Attrs a;
  for (const auto& [name, value] : list) a.set(name, value);
  return a;
}

// A graph under construction; values go by name.
struct Graph {
  Model m;
  std::map<std::string, ValueId> v;
  std::vector<Datum> feeds;

  Graph() { m.info.opsets = {{"", 26}, {kTraining, 1}}; }
  void input(const std::string& name, const Tensor& t) {
    v[name] =
        m.add_input(m.main(), {name, Type::tensor(t.dtype, Shape(t.dims.begin(), t.dims.end())), nullptr});
    feeds.emplace_back(t);
  }
  void constant(const std::string& name, const Tensor& t) { v[name] = m.add_initializer(m.main(), t, name); }
  void node(const Op& op, const Names& in, const Names& out) {
    std::vector<ValueId> ids;
    for (const std::string& name : in) ids.push_back(name.empty() ? ValueId() : v.at(name));
    const NodeId n = m.create(op.domain, op.type, ids, attrs_of(op.attrs), out.size(), "the_" + op.type, out);
    m.place(n, m.main());
    for (size_t i = 0; i < out.size(); ++i) v[out[i]] = m[n].out[i];
  }
  void gradient(const Names& xs, const Names& zs, const std::string& y, const Names& out) {
    Names in = xs;
    in.insert(in.end(), zs.begin(), zs.end());
    node({"Gradient", {{"xs", xs}, {"zs", zs}, {"y", y}}, out.size(), kTraining}, in, out);
  }
  std::vector<Tensor> run(const Names& outputs, ExecOptions options = {}) {
    Model copy = m;
    for (const std::string& name : outputs) copy.add_output(copy.main(), v.at(name), {name, {}, nullptr});
    std::vector<Tensor> out;
    for (const Datum& d : Executor(copy, std::move(options)).run(feeds)) out.push_back(*d.tensor());
    return out;
  }
  std::string fault(const Names& outputs) {
    try {
      run(outputs);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
};

// Different numbers away from kinks, in (low, high).
inline Tensor sample(std::vector<int64_t> dims, double low = -2, double high = 2, int seed = 1) {
  Tensor t = Tensor::uninitialized(DType::F64, std::move(dims));
  double u = 0.317 * seed;
  for (double& x : t.mutable_data<double>()) {
    u += 0.6180339887498949;
    x = low + (high - low) * (u - std::floor(u));
  }
  return t;
}

// y = sum(weights * op(inputs)) over all outputs; its gradient by the first `by` inputs against differences.
inline void check_derivative(const Op& op, const std::vector<Tensor>& in, size_t by = 1) {
  Graph g;
  Names names, xs;
  for (size_t i = 0; i < in.size(); ++i) {
    const std::string name = "x" + std::to_string(i);
    if (!in[i].defined()) {
      names.emplace_back();
      continue;
    }
    names.push_back(name);
    if (i < by)
      g.input(name, in[i]);
    else
      g.constant(name, in[i]);
    if (i < by) xs.push_back(name);
  }
  Names made, terms;
  for (size_t i = 0; i < op.outputs; ++i) made.push_back("h" + std::to_string(i));
  g.node(op, names, made);
  const auto shapes = g.run(made);
  for (size_t i = 0; i < made.size(); ++i) {
    const std::string n = std::to_string(i);
    g.constant("w" + n, sample(shapes[i].dims, 0.5, 1.5, static_cast<int>(7 + i)));
    g.node({"Mul"}, {made[i], "w" + n}, {"p" + n});
    g.node({"ReduceSum", {{"keepdims", int64_t{0}}}}, {"p" + n}, {"s" + n});
    terms.push_back("s" + n);
  }
  g.node({"Sum"}, terms, {"y"});
  Names out;
  for (const std::string& x : xs) out.push_back("d" + x);
  g.gradient(xs, {}, "y", out);
  const auto got = g.run(out);
  for (size_t i = 0; i < xs.size(); ++i) {
    const Tensor whole = *g.feeds[i].tensor();
    ASSERT_EQ(got[i].dims, whole.dims) << op.type;
    for (int64_t k = 0; k < whole.count(); ++k) {
      const auto at = [&](double by_how_much) {
        Tensor moved = Tensor::of<double>(DType::F64, whole.dims, whole.data<double>());
        moved.mutable_data<double>()[static_cast<size_t>(k)] += by_how_much;
        g.feeds[i] = moved;
        return g.run({"y"})[0].as_double(0);
      };
      constexpr double kStep = 1e-5;
      const double slope = (at(kStep) - at(-kStep)) / (2 * kStep);
      g.feeds[i] = whole;
      EXPECT_NEAR(got[i].as_double(k), slope, 1e-6 * (1 + std::abs(slope)))
          << op.type << " input " << i << " element " << k;
    }
  }
}

}  // namespace lathe::test
