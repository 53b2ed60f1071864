#include <algorithm>

#include "ir/onnx/lift.h"
#include "ir/onnx/lift/op_body.h"

namespace lathe {
namespace {

using Values = std::vector<ValueId>;

class Body {
 public:
  Body(Model& m, NodeId n) : m_(m), node_(n), g_(m.add_graph()) {
    for (size_t i = 0; i < m[n].in.size(); ++i) {
      const ValueId v = m[n].in[i];
      in_.push_back(m.add_input(g_, {"in" + std::to_string(i), v ? m[v].type : Type(), nullptr}));
      if (!v) in_.back() = {};
    }
    attrs_ = m[n].attrs;
    attrs_.erase(kSince);
  }

  ValueId in(size_t i) const { return i < in_.size() ? in_[i] : ValueId{}; }
  const Values& ins() const { return in_; }
  Attrs& attrs() { return attrs_; }  // of the marked node, without the mark
  GraphId graph() const { return g_; }

  NodeId node(const std::string& type, Values in, Attrs attrs, size_t outputs) {
    const NodeId n = m_.create("", type, std::move(in), std::move(attrs), outputs);
    m_.place(n, g_);
    return n;
  }
  ValueId op(const std::string& type, Values in, Attrs attrs = {}) {
    return m_[node(type, std::move(in), std::move(attrs), 1)].out[0];
  }
  ValueId with(const std::string& type, Values in, const char* name, AttrValue value) {
    Attrs a;
    a.set(name, std::move(value));
    return op(type, std::move(in), std::move(a));
  }
  ValueId number(int64_t v) { return m_.add_unnamed_constant(g_, Tensor::of_i64({v})); }
  ValueId rank(ValueId v) { return op("Reshape", {op("Size", {op("Shape", {v})}), number(1)}); }
  // `count` dims of 1 after those of v.
  ValueId append_ones(ValueId v, ValueId count) {
    const auto one = std::make_shared<const Tensor>(Tensor::of_i64({1}));
    const ValueId shape =
        with("Concat", {op("Shape", {v}), with("ConstantOfShape", {count}, "value", TensorPtr(one))}, "axis",
             int64_t{0});
    return with("Reshape", {v, shape}, "allowzero", int64_t{1});
  }
  std::optional<GraphId> done(Values out) {
    for (size_t i = 0; i < m_[node_].out.size(); ++i)
      m_.add_output(g_, out[i], {"out" + std::to_string(i), {}, nullptr});
    return g_;
  }

 private:
  Model& m_;
  NodeId node_;
  GraphId g_;
  Values in_;
  Attrs attrs_;
};

using Result = std::optional<GraphId>;

// Softmax, LogSoftmax, Hardmax before 13.
Result flattened(Body& b, const std::string& type) {
  const int64_t axis = b.attrs().i("axis", 1);
  const ValueId flat = b.with("Flatten", {b.in(0)}, "axis", axis);
  const ValueId y = b.with(type, {flat}, "axis", int64_t{-1});
  return b.done({b.with("Reshape", {y, b.op("Shape", {b.in(0)})}, "allowzero", int64_t{1})});
}

// Add, Mul, ... before 7: the second operand stands at `axis`.
Result broadcast_at_axis(Body& b, const std::string& type) {
  const int64_t axis = b.attrs().i("axis", 0);
  const ValueId rank = b.rank(b.in(0)), at = b.number(axis);
  const ValueId first = axis < 0 ? b.op("Add", {at, rank}) : at;
  const ValueId ones = b.op("Sub", {b.op("Sub", {rank, first}), b.rank(b.in(1))});
  return b.done({b.op(type, {b.in(0), b.append_ones(b.in(1), ones)})});
}

// PRelu before 7: a slope for each channel.
Result prelu(Body& b) {
  const ValueId ones = b.op("Max", {b.op("Sub", {b.rank(b.in(0)), b.number(2)}), b.number(0)});
  return b.done({b.op("PRelu", {b.in(0), b.append_ones(b.in(1), ones)})});
}

// GroupNormalization-18: scale and bias for each group.
Result group_normalization(Body& b) {
  const int64_t groups = b.attrs().i("num_groups", 0);
  if (groups < 1) fail("GroupNormalization: num_groups is {}", groups);
  const ValueId channels = b.with("Gather", {b.op("Shape", {b.in(0)}), b.number(1)}, "axis", int64_t{0});
  const ValueId each = b.op("Div", {channels, b.number(groups)});
  const ValueId shape = b.with("Concat", {b.number(groups), each}, "axis", int64_t{0});
  const auto spread = [&](ValueId v) {
    return b.op("Reshape", {b.op("Expand", {b.op("Unsqueeze", {v, b.number(1)}), shape}), b.number(-1)});
  };
  return b.done({b.op("GroupNormalization", {b.in(0), spread(b.in(1)), spread(b.in(2))}, b.attrs())});
}

// BatchNormalization before 9 with statistics for each activation: (x - mean) / sqrt(var + epsilon) * scale +
// bias.
Result batch_normalization(Body& b, const Node& n) {
  if (n.out.size() != 1 || b.attrs().i("spatial", 1) != 0 || b.ins().size() != 5) return std::nullopt;
  const auto epsilon =
      std::make_shared<const Tensor>(Tensor::full(DType::F32, {}, b.attrs().f("epsilon", 1e-5f)));
  const ValueId e = b.op("CastLike", {b.with("Constant", {}, "value", TensorPtr(epsilon)), b.in(0)});
  const ValueId deviation = b.op("Sqrt", {b.op("Add", {b.in(4), e})});
  const ValueId normal = b.op("Div", {b.op("Sub", {b.in(0), b.in(3)}), deviation});
  return b.done({b.op("Add", {b.op("Mul", {normal, b.in(1)}), b.in(2)})});
}

// Dropout before 10: the mask has the data's type.
Result dropout(Body& b, Model& m, int64_t since) {
  const bool training = since < 7 && b.attrs().i("is_test", 0) == 0;
  const GraphId g = b.graph();
  const ValueId ratio = m.add_unnamed_constant(g, Tensor::full(DType::F32, {}, b.attrs().f("ratio", 0.5f)));
  const ValueId mode = m.add_unnamed_constant(g, Tensor::full(DType::Bool, {}, training ? 1 : 0));
  const NodeId n = b.node("Dropout", {b.in(0), ratio, mode}, {}, 2);
  const ValueId y = m[n].out[0], mask = m[n].out[1];
  return b.done({y, b.op("CastLike", {mask, b.in(0)})});
}

// Tile-1: `tiles` times along `axis`, both inputs.
Result tile(Body& b) {
  const auto as_index = [&](ValueId v) {
    return b.op("Reshape", {b.with("Cast", {v}, "to", static_cast<int64_t>(DType::I64)), b.number(1)});
  };
  const auto one = std::make_shared<const Tensor>(Tensor::of_i64({1}));
  const ValueId ones = b.with("ConstantOfShape", {b.rank(b.in(0))}, "value", TensorPtr(one));
  const ValueId repeats =
      b.with("ScatterElements", {ones, as_index(b.in(2)), as_index(b.in(1))}, "axis", int64_t{0});
  return b.done({b.op("Tile", {b.in(0), repeats})});
}

}  // namespace

std::optional<GraphId> marked_body(Model& m, NodeId n) {
  const Node node = m[n];
  const int64_t since = node.attrs.i(kSince, 0);
  if (!node.domain.empty()) return std::nullopt;
  const std::string& type = node.type;
  const auto is_one_of = [&](std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), type) != list.end();
  };
  if (node.in.empty()) return std::nullopt;
  Body b(m, n);
  if (is_one_of({"Softmax", "LogSoftmax", "Hardmax"})) return flattened(b, type);
  if (is_one_of({"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"}))
    return node.in.size() == 2 ? broadcast_at_axis(b, type) : std::nullopt;
  if (type == "PRelu" && node.in.size() == 2) return prelu(b);
  if (type == "GroupNormalization" && node.in.size() == 3) return group_normalization(b);
  if (type == "BatchNormalization") return batch_normalization(b, node);
  if (type == "Dropout" && node.out.size() == 2) return dropout(b, m, since);
  if (type == "Tile" && node.in.size() == 3) return tile(b);
  return std::nullopt;
}

}  // namespace lathe
