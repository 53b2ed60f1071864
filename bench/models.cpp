#include "bench/models.h"

#include <unistd.h>

#include <cmath>
#include <map>

#include "ir/base/rng.h"
#include "ir/onnx/load.h"
#include "ir/onnx/save.h"

namespace lathe::bench {
namespace {

class Encoder {
 public:
  Encoder(int64_t width, int64_t heads) : width_(width), heads_(heads) {
    m_.info.ir_version = 8;
    m_.info.opsets = {{"", 17}};
    g_ = m_.add_graph({}, "encoder");
    m_.set_main(g_);
  }

  Model make(int layers) {
    const Type type =
        Type::tensor(DType::F32, Shape{Dim::symbol("batch"), Dim::symbol("sequence"), Dim(width_)});
    ValueId x = m_.add_input(g_, {"x", type, nullptr});
    for (const auto& [name, in, out] : {std::tuple("q", width_, width_),
                                        {"k", width_, width_},
                                        {"v", width_, width_},
                                        {"o", width_, width_},
                                        {"up", width_, 4 * width_},
                                        {"down", 4 * width_, width_}})
      weights_[name] = {weight(name, {in, out}), weight(std::string(name) + "_bias", {out})};
    weights_["norm"] = {weight("norm_scale", {width_}), weight("norm_bias", {width_})};
    for (int i = 0; i < layers; ++i) x = layer(x);
    m_.add_output(g_, x, {"y", type, nullptr});
    return std::move(m_);
  }

 private:
  ValueId op(const char* type, std::vector<ValueId> in, Attrs attrs = {}) {
    const NodeId n = m_.create("", type, std::move(in), std::move(attrs), 1,
                               std::string(type) + std::to_string(count_), {"v" + std::to_string(count_)});
    ++count_;
    m_.place(n, g_);
    return m_[n].out[0];
  }
  ValueId constant(Tensor t) { return m_.add_initializer(g_, std::move(t), "c" + std::to_string(count_++)); }
  ValueId number(double x) { return constant(Tensor::full(DType::F32, {}, x)); }
  ValueId ints(std::vector<int64_t> x) { return constant(Tensor::of_i64(std::move(x))); }
  ValueId weight(const std::string& name, std::vector<int64_t> dims) {
    Tensor t = Tensor::uninitialized(DType::F32, std::move(dims));
    for (float& v : t.mutable_data<float>()) v = rng_.bell() * 0.05F;
    return m_.add_initializer(g_, std::move(t), name);
  }
  ValueId linear(ValueId x, const std::string& name) {
    return op("Add", {op("MatMul", {x, weights_[name].first}), weights_[name].second});
  }
  ValueId transpose(ValueId x, std::vector<int64_t> perm) {
    Attrs a;
    a.set("perm", std::move(perm));
    return op("Transpose", {x}, std::move(a));
  }
  ValueId mean(ValueId x) {
    Attrs a;
    a.set("axes", std::vector<int64_t>{-1});
    return op("ReduceMean", {x}, std::move(a));
  }
  ValueId norm(ValueId x) {
    const ValueId d = op("Sub", {x, mean(x)});
    const ValueId deviation = op("Sqrt", {op("Add", {mean(op("Pow", {d, number(2)})), number(1e-5)})});
    return op("Add",
              {op("Mul", {op("Div", {d, deviation}), weights_["norm"].first}), weights_["norm"].second});
  }
  ValueId split(ValueId x) { return op("Reshape", {x, ints({0, 0, heads_, width_ / heads_})}); }
  ValueId attention(ValueId x) {
    const ValueId q = transpose(split(linear(x, "q")), {0, 2, 1, 3}),
                  k = transpose(split(linear(x, "k")), {0, 2, 3, 1}),
                  v = transpose(split(linear(x, "v")), {0, 2, 1, 3});
    Attrs last;
    last.set("axis", int64_t{-1});
    const ValueId scores =
        op("Div", {op("MatMul", {q, k}), number(std::sqrt(double(width_) / double(heads_)))});
    const ValueId mixed = op("MatMul", {op("Softmax", {scores}, std::move(last)), v});
    return linear(op("Reshape", {transpose(mixed, {0, 2, 1, 3}), ints({0, 0, width_})}), "o");
  }
  ValueId gelu(ValueId x) {
    const ValueId erf = op("Erf", {op("Div", {x, number(1.4142135623730951)})});
    return op("Mul", {op("Mul", {x, op("Add", {erf, number(1)})}), number(0.5)});
  }
  ValueId layer(ValueId x) {
    x = norm(op("Add", {attention(x), x}));
    return norm(op("Add", {linear(gelu(linear(x, "up")), "down"), x}));
  }

  Model m_;
  GraphId g_;
  int64_t width_, heads_;
  int count_ = 0;
  Rng rng_{1};
  std::map<std::string, std::pair<ValueId, ValueId>> weights_;
};

struct Scratch {
  std::filesystem::path path;
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lathe-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("{}: cannot create", pattern);
    path = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

std::filesystem::path sample_path() { return "samples/models/tiny-bert.onnx"; }

Model encoder(int layers, int64_t width, int64_t heads) { return Encoder(width, heads).make(layers); }

std::filesystem::path encoder_path(int layers) {
  static const Scratch scratch;
  auto path = scratch.path / ("encoder-" + std::to_string(layers) + ".onnx");
  if (!std::filesystem::exists(path)) save_model(encoder(layers), path);
  return path;
}

std::filesystem::path path_of(int64_t argument) {
  return argument == 0 ? sample_path() : encoder_path(static_cast<int>(argument));
}

const Model& model_of(int64_t argument) {
  static std::map<int64_t, Model> loaded;
  const auto it = loaded.find(argument);
  return it != loaded.end() ? it->second
                            : loaded.emplace(argument, load_model(path_of(argument))).first->second;
}

}  // namespace lathe::bench
