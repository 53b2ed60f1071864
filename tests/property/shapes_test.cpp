// What shape analysis says of every value, and of every integer that it follows, and its range, must be what
// the executor finds, at three bindings of the symbols. The graphs are real exporter output; their weights
// are zeros here, since shapes do not depend on them (detectors: sizes that do are unknowns, and formulas
// over those must hold).
#include "passes/analysis/shapes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "ir/core/walk.h"
#include "ir/exec/executor.h"
#include "ir/exec/seed_inputs.h"
#include "ir/onnx/load.h"
#include "passes/analysis/ranges.h"

namespace lathe {
namespace {

void fill_with_zeros(Model& m) {
  for (const GraphId g : all_graphs(m)) {
    const auto fill = [&](ValueId v) {
      const TensorPtr t = v ? m[v].constant : nullptr;
      if (t == nullptr || t->count() == 0 || t->byte_size() > 0) return;
      m.set_constant(v, std::make_shared<const Tensor>(Tensor::make(t->dtype, t->dims)));
    };
    for (const ValueId v : std::vector<ValueId>(m[g].initializers)) fill(v);
    for (const NodeId n : m.nodes(g))
      if (m[n].is("Constant")) fill(m[n].output(0));
  }
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator("tests/models"))
    if (e.path().extension() == ".onnx") names.push_back(e.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Checker {
 public:
  Checker(const Model& m, const Shapes& shapes, const Ranges& ranges, std::map<std::string, int64_t> sizes)
      : m_(m), shapes_(shapes), ranges_(ranges), sizes_(std::move(sizes)) {}

  void see(ValueId v, const Datum& d) {
    const Tensor* t = d.tensor();
    const Type& type = m_[v].type;
    if (t == nullptr || !type.is_tensor()) return;
    in_range(v, *t);
    const auto describe = [&] {
      return m_[v].name + ": executed " + to_string(Shape(t->dims.begin(), t->dims.end())) + ", inferred " +
             type.str();
    };
    ++values;
    if (type.shape) {
      ASSERT_EQ(type.shape->size(), t->dims.size()) << describe();
      for (size_t i = 0; i < t->dims.size(); ++i) {
        const Dim want = (*type.shape)[i];
        if (want.is_unknown()) {
          sizes_[want.str()] = t->dims[i];  // in bodies, which run many times, the latest
          continue;
        }
        const auto is = want.eval(sizes_);
        if (!is) continue;
        ++dims;
        ASSERT_EQ(*is, t->dims[i]) << describe();
      }
    }
    const auto known = shapes_.values.find(v);
    if (known == shapes_.values.end() || !is_integer(t->dtype)) return;
    ASSERT_EQ(static_cast<int64_t>(known->second.size()), t->count()) << describe();
    for (int64_t i = 0; i < t->count(); ++i) {
      const auto is = known->second[static_cast<size_t>(i)].eval(sizes_);
      if (!is) continue;
      ++contents;
      ASSERT_EQ(*is, t->as_i64(i)) << describe() << " element " << i << " is "
                                   << known->second[static_cast<size_t>(i)].str();
    }
  }

  size_t values = 0, dims = 0, contents = 0, ranged = 0;

 private:
  void in_range(ValueId v, const Tensor& t) {
    const Range* r = ranges_.find(v);
    if (r == nullptr || t.dtype == DType::String) return;
    ++ranged;
    const int64_t step = std::max<int64_t>(1, t.count() / 997);
    const auto top = r->top ? r->top->eval(sizes_) : std::nullopt;
    for (int64_t i = 0; i < t.count(); i += step) {
      const double x = t.as_double(i);
      if (std::isnan(x)) continue;
      ASSERT_GE(x, r->low) << m_[v].name;
      ASSERT_LE(x, r->high) << m_[v].name;
      if (top) {
        ASSERT_LE(x, static_cast<double>(*top)) << m_[v].name << " at most " << r->top->str();
      }
    }
  }

  const Model& m_;
  const Shapes& shapes_;
  const Ranges& ranges_;
  std::map<std::string, int64_t> sizes_;
};

class ShapesOfModels : public testing::TestWithParam<std::string> {};

TEST_P(ShapesOfModels, HoldWhenRun) {
  Model m = load_model("tests/models/" + GetParam() + ".onnx", {.external_data = false});
  fill_with_zeros(m);
  const Shapes shapes = analyze_shapes(m, {.trust_declared = false});
  const Ranges ranges = analyze_ranges(m, shapes.values, true);
  // (first, second, ...) symbols in the order of the inputs; sizes that images of detectors can have.
  const std::vector<std::vector<int64_t>> bindings = {{2, 7, 5, 3}, {1, 16, 9, 4}, {3, 1, 2, 6}};
  int ran = 0;
  for (const auto& list : bindings) {
    Binding binding(Binding::Fill::primes);
    std::map<std::string, int64_t> sizes;
    size_t next = 0;
    for (const ValueId v : m.inputs(m.main()))
      if (m[v].type.shape)
        for (const Dim d : *m[v].type.shape)
          for (const std::string& name : d.symbols())
            if (!sizes.contains(name)) {
              const bool pixels = name == "height" || name == "width";
              sizes[name] = pixels ? 64 + 32 * list[next % list.size()] : list[next++ % list.size()];
              binding.set(name, sizes[name]);
            }
    // `total` rows that are read at rows up to `past + sequence`: the model does not run at less.
    for (const IndexLimit& l : ranges.limits)
      if (l.most.is_symbol())
        if (const auto least = l.size.eval(sizes); least && *least > sizes[l.most.symbol_name()]) {
          sizes[l.most.symbol_name()] = *least;
          binding.set(l.most.symbol_name(), *least);
        }
    Rng rng(7);
    std::vector<Datum> inputs;
    for (const ValueId v : m.inputs(m.main())) {
      std::string why;
      auto d = m.constant(v) != nullptr
                   ? std::optional(Datum())
                   : seed_value(m, shapes.values, v, binding, rng, FloatFill::normal, 1 << 24, &why);
      ASSERT_TRUE(d) << why;
      inputs.push_back(std::move(*d));
    }
    Checker checker(m, shapes, ranges, sizes);
    ExecOptions options;
    options.on_value = [&](ValueId v, const Datum& d) {
      if (!HasFatalFailure()) checker.see(v, d);
    };
    Executor(m, options).run(std::move(inputs));
    if (HasFatalFailure()) return;
    EXPECT_GT(checker.values, 0u);
    EXPECT_GT(checker.dims, checker.values / 2);
    ++ran;
  }
  EXPECT_EQ(ran, 3);
}

INSTANTIATE_TEST_SUITE_P(TestModels, ShapesOfModels, testing::ValuesIn(model_names()), [](const auto& p) {
  std::string name = p.param;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
});

}  // namespace
}  // namespace lathe
