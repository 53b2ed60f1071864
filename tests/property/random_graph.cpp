#include "tests/property/random_graph.h"

#include <algorithm>
#include <limits>

#include "ir/ops/infer.h"

namespace lathe {
namespace {

class Maker {
 public:
  explicit Maker(Rng& rng) : rng_(rng) {
    m_.info.ir_version = 10;
    m_.info.opsets = {{"", 22}};
  }

  Model run(int nodes) {
    const Dim dims[] = {Dim::symbol("b"), Dim::symbol("s"), 1, 2, 3, 4};
    for (int i = 0; i < 2; ++i) {
      Shape shape;
      for (int64_t k = rng_.integer(1, 4); k > 0; --k) shape.push_back(dims[pick(6)]);
      pool_.push_back(
          m_.add_input(m_.main(), {"x" + std::to_string(i), Type::tensor(DType::F32, shape), nullptr}));
    }
    while (static_cast<int>(made_) < nodes) step();
    // The last few values are outputs; everything else may be dead.
    for (size_t i = 0; i < 3 && i < pool_.size(); ++i) {
      const ValueId v = pool_[pool_.size() - 1 - i];
      if (m_.is_graph_input(v)) break;
      m_.add_output(m_.main(), v, {"y" + std::to_string(i), Type::tensor(DType::F32), nullptr});
    }
    return std::move(m_);
  }

 private:
  size_t pick(size_t n) { return static_cast<size_t>(rng_.integer(0, static_cast<int64_t>(n) - 1)); }
  bool coin() { return rng_.integer(0, 1) == 1; }

  std::vector<ValueId> add(const std::string& type, std::vector<ValueId> in, Attrs attrs,
                           size_t outputs = 1) {
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs; ++i) names.push_back(m_.unique_name("v"));
    const NodeId n =
        m_.create("", type, std::move(in), std::move(attrs), outputs, m_.unique_name(type), names);
    m_.place(n, m_.main());
    infer_node(m_, n, values_);
    ++made_;
    return m_[n].out;
  }
  ValueId add1(const std::string& type, std::vector<ValueId> in, Attrs attrs = {}) {
    return add(type, std::move(in), std::move(attrs))[0];
  }
  ValueId ints(std::vector<int64_t> values) {
    return m_.add_initializer(m_.main(), Tensor::of_i64(std::move(values)), m_.unique_name("i"));
  }
  ValueId number(double x, bool vector) {
    return m_.add_initializer(
        m_.main(), Tensor::full(DType::F32, vector ? std::vector<int64_t>{1} : std::vector<int64_t>{}, x),
        m_.unique_name("c"));
  }
  static Attrs attr(const std::string& name, AttrValue value) {
    Attrs a;
    a.set(name, std::move(value));
    return a;
  }

  void step() {
    const ValueId x = pool_[pool_.size() - 1 - pick(std::min<size_t>(pool_.size(), 4))];
    const Shape shape = *m_[x].type.shape;
    const auto rank = static_cast<int64_t>(shape.size());
    switch (pick(14)) {
      case 0:
        return keep(add1(coin() ? "Neg" : "Relu", {x}));
      case 1: {
        static const char* const kOps[] = {"Add", "Sub", "Mul", "Div"};
        static const double kNumbers[] = {0, 1, 2, 0.5};
        const std::string op = kOps[pick(4)];
        const double c = kNumbers[op == "Div" ? 1 + pick(3) : pick(4)];
        return keep(add1(op, {x, number(c, rank > 0 && coin())}));
      }
      case 2: {
        std::vector<int64_t> perm;
        for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
        for (size_t i = perm.size(); i > 1; --i) std::swap(perm[i - 1], perm[pick(i)]);
        return keep(add1("Transpose", {x}, coin() ? attr("perm", perm) : Attrs{}));
      }
      case 3:
        if (rank >= 5) return;
        return keep(add1("Unsqueeze", {x, ints({rng_.integer(-rank - 1, rank)})}));
      case 4: {
        std::vector<int64_t> ones;
        for (int64_t i = 0; i < rank; ++i)
          if (shape[static_cast<size_t>(i)].is_const(1)) ones.push_back(coin() ? i : i - rank);
        if (ones.empty()) return;
        return keep(add1("Squeeze", {x, ints({ones[pick(ones.size())]})}));
      }
      case 5:
        return reshape_flat(x, shape);
      case 6:
        return reshape_dynamic(x, shape);
      case 7: {
        if (rank == 0) return;
        static const int64_t kBounds[] = {0, 1, 2, -1, -2, std::numeric_limits<int64_t>::max()};
        std::vector<ValueId> in = {x, ints({kBounds[pick(5)]}), ints({kBounds[pick(6)]}),
                                   ints({rng_.integer(-rank, rank - 1)})};
        if (coin()) in.push_back(ints({rng_.integer(1, 2)}));
        sliced_ = true;
        return keep(add1("Slice", in));
      }
      case 8: {
        if (rank == 0) return;
        return keep(add1("Concat", coin() ? std::vector<ValueId>{x, x} : std::vector<ValueId>{x},
                         attr("axis", rng_.integer(-rank, rank - 1))));
      }
      case 9: {
        const ValueId s = add1("Shape", {x});
        return keep(add1("Expand", {x, s}));
      }
      case 10:
        return keep(add1("Cast", {add1("Cast", {x}, attr("to", int64_t{11}))}, attr("to", int64_t{1})));
      case 11: {
        const ValueId lo = number(rng_.uniform(-2, 2), false), hi = number(rng_.uniform(-2, 2), false);
        return keep(add1("Clip", {x, lo, hi}));
      }
      case 12: {
        if (rank == 0) return;
        const int64_t axis = rng_.integer(0, rank - 1);
        if (!shape[static_cast<size_t>(axis)].is_const()) return;
        const int64_t n = shape[static_cast<size_t>(axis)].value();
        if (n < 2) return;
        const auto parts = add("Split", {x, ints({1, n - 1})}, attr("axis", axis), 2);
        return keep(add1("Concat", {parts[coin() ? 0 : 1], parts[1]}, attr("axis", axis)));
      }
      default: {
        if (rank == 0) return;
        Attrs a = attr("keepdims", int64_t{coin()});
        const char* const op = coin() ? "ReduceMax" : "ReduceSum";
        return keep(add1(op, {x, ints({rng_.integer(-rank, rank - 1)})}, std::move(a)));
      }
    }
  }

  void reshape_flat(ValueId x, const Shape& shape) {
    if (sliced_) return;  // of an empty tensor nobody knows what -1 stands for
    if (shape.empty()) return;
    std::vector<int64_t> to(shape.size() > 1 ? 2 : 1, -1);
    if (to.size() == 2) to[0] = 0;
    const bool empty_first = shape[0].is_const(0);
    if (empty_first) return;
    keep(add1("Reshape", {x, ints(to)}));
  }

  // As exporters write it: Shape, Gather, Concat.
  void reshape_dynamic(ValueId x, const Shape& shape) {
    if (sliced_) return;
    if (shape.size() < 2) return;
    const ValueId s = add1("Shape", {x});
    std::vector<ValueId> parts;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i + 1 == shape.size() && coin()) {
        parts.push_back(ints({-1}));
        break;
      }
      const ValueId d =
          add1("Gather", {s, m_.add_initializer(m_.main(), Tensor::scalar_i64(static_cast<int64_t>(i)),
                                                m_.unique_name("at"))});
      parts.push_back(add1("Unsqueeze", {d, ints({0})}));
    }
    if (parts.size() >= 2 && coin()) {  // the last two dims become one
      const ValueId last = parts.back();
      if (m_.constant(last) != nullptr) return;
      parts.pop_back();
      parts.back() = add1("Mul", {parts.back(), last});
    }
    const ValueId to = add1("Concat", parts, attr("axis", int64_t{0}));
    keep(add1("Reshape", {x, to}));
  }

  void keep(ValueId v) {
    if (m_[v].type.shape && m_[v].type.shape->size() <= 5) pool_.push_back(v);
  }

  Rng& rng_;
  Model m_;
  ShapeValues values_;
  std::vector<ValueId> pool_;
  int made_ = 0;
  bool sliced_ = false;
};

}  // namespace

Model random_graph(Rng& rng, int nodes) { return Maker(rng).run(nodes); }

}  // namespace lathe
