#include "passes/core/builder.h"

#include "ir/ops/infer.h"

namespace lathe {

Builder::Builder(Model& m, ShapeValues& values, NodeId near)
    : m_(m), values_(values), graph_(m[near].parent) {
  const std::string& name = m[near].name;
  const size_t slash = name.rfind('/');
  if (slash != std::string::npos) scope_ = name.substr(0, slash + 1);
}

std::vector<ValueId> Builder::ops(std::string_view type, std::vector<ValueId> inputs, Attrs attributes,
                                  size_t outputs, std::string_view domain) {
  const NodeId n = m_.create(std::string(domain), std::string(type), std::move(inputs), std::move(attributes),
                             outputs, m_.unique_name(scope_ + std::string(type)));
  made_.push_back(n);
  if (!domain.empty()) require_opset(domain, 1);
  infer_node(m_, n, values_);
  return m_[n].out;
}

ValueId Builder::op(std::string_view type, std::vector<ValueId> inputs, Attrs attributes,
                    std::string_view domain) {
  return ops(type, std::move(inputs), std::move(attributes), 1, domain)[0];
}

ValueId Builder::constant(Tensor t, std::string_view name) {
  t.name.clear();
  const ValueId v = m_.add_initializer(graph_, std::move(t), m_.unique_name(name));
  constants_.push_back(v);
  return v;
}

ValueId Builder::scalar(DType dtype, double value, std::string_view name) {
  return constant(Tensor::full(dtype, {}, value), name);
}

ValueId Builder::ints(std::vector<int64_t> values, std::string_view name) {
  return constant(Tensor::of_i64(std::move(values)), name);
}

void Builder::discard() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) m_.erase(*it);
  for (const ValueId v : constants_) m_.erase_initializer(v);
  made_.clear();
  constants_.clear();
  opsets_.clear();
}

Attrs attrs(std::vector<std::pair<std::string, AttrValue>> items) {
  Attrs a;
  for (auto& [name, value] : items) a.set(name, std::move(value));
  return a;
}

}  // namespace lathe
