// LabelEncoder, CategoryMapper, OneHotEncoder (ai.onnx.ml): look-ups of single elements.
#include <cmath>
#include <map>
#include <optional>

#include "ir/ops/convert.h"
#include "ir/ops/ml/post_transform.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/units.h"

namespace lathe {
namespace {

using namespace ml;

Tensor list_of(const std::vector<std::string>& v) {
  return Tensor::of_strings({static_cast<int64_t>(v.size())}, v);
}
Tensor list_of(const std::vector<int64_t>& v) { return Tensor::of_i64(v); }
Tensor list_of(const std::vector<float>& v) {
  return Tensor::of<float>(DType::F32, {static_cast<int64_t>(v.size())}, v);
}

// Where an element stands in a list; of equal ones the last counts, and NaN equals NaN.
class Index {
 public:
  explicit Index(const Tensor& keys) : dtype_(keys.dtype) {
    for (int64_t i = 0; i < keys.count(); ++i) {
      if (dtype_ == DType::String)
        strings_[keys.strings()[static_cast<size_t>(i)]] = i;
      else if (!is_floating(dtype_))
        ints_[keys.as_i64(i)] = i;
      else if (std::isnan(keys.as_double(i)))
        nan_ = i;
      else
        floats_[keys.as_double(i)] = i;
    }
  }
  std::optional<int64_t> find(const Tensor& x, int64_t i) const {
    if (dtype_ == DType::String) return at(strings_, x.strings()[static_cast<size_t>(i)]);
    if (!is_floating(dtype_)) return at(ints_, x.as_i64(i));
    const double v = x.as_double(i);
    return std::isnan(v) ? nan_ : at(floats_, v);
  }

 private:
  template <class M, class K>
  static std::optional<int64_t> at(const M& m, const K& key) {
    const auto it = m.find(key);
    return it == m.end() ? std::nullopt : std::optional(it->second);
  }
  DType dtype_;
  std::map<std::string, int64_t> strings_;
  std::map<int64_t, int64_t> ints_;
  std::map<double, int64_t> floats_;
  std::optional<int64_t> nan_;
};

// values[k] for the key k of each element, `otherwise` (one element) for what is no key.
Tensor look_up(const Tensor& x, const Tensor& keys, const Tensor& values, const Tensor& otherwise) {
  if (x.dtype != keys.dtype)
    fail("elements of type {} among keys of type {}", onnx_name(x.dtype), onnx_name(keys.dtype));
  if (keys.count() != values.count()) fail("{} keys and {} values", keys.count(), values.count());
  const Index index(keys);
  const int64_t n = x.count();
  if (values.dtype == DType::String) {
    std::vector<std::string> out;
    for (int64_t i = 0; i < n; ++i) {
      const auto k = index.find(x, i);
      out.push_back(k ? values.strings()[static_cast<size_t>(*k)] : otherwise.strings()[0]);
    }
    return Tensor::of_strings(x.dims, std::move(out));
  }
  Tensor y = Tensor::uninitialized(values.dtype, x.dims);
  with_unit(values.dtype, [&]<class U>(U) {
    for (int64_t i = 0; i < n; ++i) {
      const auto k = index.find(x, i);
      mutable_units<U>(y)[i] = k ? units<U>(values)[*k] : units<U>(otherwise)[0];
    }
  });
  return y;
}

// ---------------------------------------------------------------- LabelEncoder

// keys_* or values_*; undefined if the node has none.
Tensor given_list(const Attrs& attrs, const std::string& side) {
  if (const TensorPtr t = attrs.tensor(side + "_tensor")) return t->aligned();
  if (attrs.has(side + "_strings")) return list_of(attrs.strings(side + "_strings"));
  if (attrs.has(side + "_int64s")) return list_of(attrs.ints(side + "_int64s"));
  if (attrs.has(side + "_floats")) return list_of(attrs.floats(side + "_floats"));
  return {};
}

Tensor default_of(const Attrs& attrs, DType t) {
  if (const TensorPtr given = attrs.tensor("default_tensor")) {
    if (given->dtype != t || given->count() != 1)
      fail("default_tensor is not one element of type {}", onnx_name(t));
    return given->aligned();
  }
  if (t == DType::String) return list_of(std::vector<std::string>{attrs.s("default_string", "_Unused")});
  if (is_floating(t)) {
    const Tensor value = list_of(std::vector<float>{attrs.f("default_float", -0.0f)});
    return convert(value, t);
  }
  return Tensor::full(t, {1}, static_cast<double>(attrs.i("default_int64", -1)));
}

void infer_label_encoder(InferCtx& c) {
  const Tensor values = given_list(c.attrs(), "values");
  const Shape* s = c.shape(0);
  if (values.defined()) c.out(0, values.dtype, s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_label_encoder(EvalCtx& c) {
  const Tensor keys = given_list(c.attrs(), "keys"), values = given_list(c.attrs(), "values");
  if (!keys.defined() || !values.defined()) fail("keys or values are missing");
  c.set(0, look_up(c.in(0), keys, values, default_of(c.attrs(), values.dtype)));
}

// ---------------------------------------------------------------- CategoryMapper

void infer_mapper(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (c.dtype(0) == DType::Undefined) return;
  c.out(0, c.dtype(0) == DType::String ? DType::I64 : DType::String,
        s != nullptr ? std::optional(*s) : std::nullopt);
}

void eval_mapper(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor strings = list_of(c.attrs().strings("cats_strings")),
               ints = list_of(c.attrs().ints("cats_int64s"));
  if (x.dtype == DType::String)
    c.set(0, look_up(x, strings, ints, list_of(std::vector<int64_t>{c.attrs().i("default_int64", -1)})));
  else
    c.set(0, look_up(x, ints, strings,
                     list_of(std::vector<std::string>{c.attrs().s("default_string", "_Unused")})));
}

// ---------------------------------------------------------------- OneHotEncoder

Tensor categories(const Attrs& attrs) {
  const Labels l(attrs, "cats_strings", "cats_int64s");
  return l.strings.empty() ? list_of(l.ints) : list_of(l.strings);
}

void infer_one_hot(InferCtx& c) {
  const Shape* s = c.shape(0);
  if (s == nullptr) return c.out(0, DType::F32);
  Shape out = *s;
  out.emplace_back(categories(c.attrs()).count());
  c.out(0, DType::F32, std::move(out));
}

void eval_one_hot(EvalCtx& c) {
  const Tensor cats = categories(c.attrs());
  const Tensor x = c.in(0).dtype == DType::String ? c.in(0) : convert(c.in(0), DType::I64);
  if (x.dtype != cats.dtype)
    fail("elements of type {} among categories of type {}", onnx_name(c.in(0).dtype), onnx_name(cats.dtype));
  const bool zeros = c.attrs().i("zeros", 1) != 0;
  const Index index(cats);
  std::vector<int64_t> dims = x.dims;
  dims.push_back(cats.count());
  const auto y = c.out(0, DType::F32, std::move(dims)).mutable_data<float>();
  std::fill(y.begin(), y.end(), 0.0f);
  for (int64_t i = 0; i < x.count(); ++i) {
    const auto k = index.find(x, i);
    if (k) y[static_cast<size_t>(i * cats.count() + *k)] = 1;
    if (!k && !zeros) fail("element {} is in no category", i);
  }
}

}  // namespace

void register_ml_encoders(OpRegistry& r) {
  r.add({kDomain, "CategoryMapper", infer_mapper, eval_mapper, Exactness::bitwise});
  r.add({kDomain, "LabelEncoder", infer_label_encoder, eval_label_encoder, Exactness::bitwise});
  r.add({kDomain, "OneHotEncoder", infer_one_hot, eval_one_hot, Exactness::bitwise});
}

}  // namespace lathe
