// Hand-made ONNX files, right and wrong ones: messages as lists of fields.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ir/onnx/fields.h"
#include "ir/onnx/wire.h"

namespace lathe::test {

class Msg {
 public:
  Msg() = default;
  Msg& i(uint32_t number, int64_t value) & {
    writer_.i64(number, value);
    return *this;
  }
  Msg& f(uint32_t number, float value) & {
    writer_.f32(number, value);
    return *this;
  }
  Msg& s(uint32_t number, std::string_view value) & {
    writer_.text(number, value);
    return *this;
  }
  Msg& m(uint32_t number, const Msg& value) & { return s(number, value.str()); }
  Msg& raw(std::string_view bytes) & {
    writer_.raw(wire::as_bytes(bytes));
    return *this;
  }
  Msg&& i(uint32_t number, int64_t value) && { return std::move(i(number, value)); }
  Msg&& f(uint32_t number, float value) && { return std::move(f(number, value)); }
  Msg&& s(uint32_t number, std::string_view value) && { return std::move(s(number, value)); }
  Msg&& m(uint32_t number, const Msg& value) && { return std::move(m(number, value)); }
  Msg&& raw(std::string_view bytes) && { return std::move(raw(bytes)); }
  std::string str() const { return writer_.str(); }

 private:
  wire::Writer writer_;
};

using Strings = std::vector<std::string>;

inline Msg node(std::string_view type, const Strings& in, const Strings& out,
                const std::vector<Msg>& attrs = {}) {
  Msg n;
  for (const auto& x : in) n.s(field::node::input, x);
  for (const auto& x : out) n.s(field::node::output, x);
  n.s(field::node::name, "n_" + (out.empty() ? std::string(type) : out[0])).s(field::node::op_type, type);
  for (const auto& a : attrs) n.m(field::node::attribute, a);
  return n;
}

// float[2]
inline Msg float_type() {
  namespace t = field::type;
  return Msg().m(t::tensor, Msg().i(t::elem_type, 1).m(t::shape, Msg().m(t::dim, Msg().i(t::dim_value, 2))));
}
inline Msg value(std::string_view name) {
  return Msg().s(field::value_info::name, name).m(field::value_info::type, float_type());
}

inline Msg tensor(std::string_view name, int type, const std::vector<int64_t>& dims) {
  Msg t;
  for (const int64_t d : dims) t.i(field::tensor::dims, d);
  t.i(field::tensor::data_type, type);
  if (!name.empty()) t.s(field::tensor::name, name);
  return t;
}
inline Msg raw_tensor(std::string_view name, int type, const std::vector<int64_t>& dims,
                      std::string_view raw) {
  return tensor(name, type, dims).s(field::tensor::raw_data, raw);
}
inline Msg entry(std::string_view key, std::string_view value) { return Msg().s(1, key).s(2, value); }
inline Msg external_tensor(std::string_view name, const std::vector<int64_t>& dims,
                           const std::vector<std::pair<std::string, std::string>>& entries) {
  Msg t = tensor(name, 1, dims);
  for (const auto& [k, v] : entries) t.m(field::tensor::external_data, entry(k, v));
  t.i(field::tensor::data_location, 1);
  return t;
}

inline Msg tensor_attr(std::string_view name, const Msg& t) {
  return Msg().s(field::attribute::name, name).m(field::attribute::t, t).i(field::attribute::type, 4);
}
inline Msg graph_attr(std::string_view name, const Msg& g) {
  return Msg().s(field::attribute::name, name).m(field::attribute::g, g).i(field::attribute::type, 5);
}
inline Msg int_attr(std::string_view name, int64_t v) {
  return Msg().s(field::attribute::name, name).i(field::attribute::i, v).i(field::attribute::type, 2);
}

struct GraphParts {
  std::vector<Msg> nodes = {};
  std::vector<Msg> initializers = {};
  std::vector<Msg> inputs = {value("x")};
  std::vector<Msg> outputs = {value("y")};
  std::string name = "g";
};
inline Msg graph(const GraphParts& p) {
  Msg g;
  for (const auto& n : p.nodes) g.m(field::graph::node, n);
  if (!p.name.empty()) g.s(field::graph::name, p.name);
  for (const auto& t : p.initializers) g.m(field::graph::initializer, t);
  for (const auto& v : p.inputs) g.m(field::graph::input, v);
  for (const auto& v : p.outputs) g.m(field::graph::output, v);
  return g;
}

inline Msg opset(std::string_view domain, int64_t version) {
  return Msg().s(field::opset::domain, domain).i(field::opset::version, version);
}
inline Msg model(const Msg& g, const std::vector<Msg>& opsets = {opset("", 17)}, int64_t ir = 8) {
  Msg m;
  if (ir != 0) m.i(field::model::ir_version, ir);
  m.m(field::model::graph, g);
  for (const auto& o : opsets) m.m(field::model::opset_import, o);
  return m;
}

// y = Relu(x)
inline Msg relu_model() { return model(graph({.nodes = {node("Relu", {"x"}, {"y"})}})); }
// y = Add(x, w) with this initializer
inline Msg model_with(const Msg& initializer) {
  return model(graph({.nodes = {node("Add", {"x", "w"}, {"y"})}, .initializers = {initializer}}));
}

}  // namespace lathe::test
