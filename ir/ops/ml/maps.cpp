// ZipMap, DictVectorizer, CastMap (ai.onnx.ml): from and to maps.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/base/parse.h"
#include "ir/ops/convert.h"
#include "ir/ops/int_math.h"
#include "ir/ops/ml/post_transform.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

using namespace ml;

const MapDatum& map_at(const EvalCtx& c, size_t i) {
  const MapDatum* m = c.datum(i).map();
  if (m == nullptr) fail("input {} is not a map", i);
  return *m;
}

// ---------------------------------------------------------------- ZipMap

void infer_zip_map(InferCtx& c) {
  const Labels keys(c.attrs(), "classlabels_strings", "classlabels_int64s");
  c.out(0, Type::sequence(Type::map(keys.dtype(), Type::tensor(DType::F32, Shape{}))));
}

void eval_zip_map(EvalCtx& c) {
  const Labels labels(c.attrs(), "classlabels_strings", "classlabels_int64s");
  const Tensor& x = c.in(0);
  const Features f = features(x);
  const auto n = static_cast<size_t>(labels.count());
  if (static_cast<size_t>(f.width) != n) fail("{} keys for {} columns", n, f.width);
  std::vector<size_t> order(n);  // of the keys, ascending
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return labels.strings.empty() ? labels.ints[a] < labels.ints[b] : labels.strings[a] < labels.strings[b];
  });
  std::vector<std::string> strings;
  std::vector<int64_t> ints;
  for (size_t i = 0; i < n; ++i) {
    if (labels.strings.empty())
      ints.push_back(labels.ints[order[i]]);
    else
      strings.push_back(labels.strings[order[i]]);
    const bool repeated =
        i > 0 && (labels.strings.empty() ? ints[i] == ints[i - 1] : strings[i] == strings[i - 1]);
    if (repeated) fail("a key occurs twice");
  }
  const Tensor keys =
      labels.strings.empty() ? Tensor::of_i64(ints) : Tensor::of_strings({static_cast<int64_t>(n)}, strings);
  Sequence maps;
  for (int64_t r = 0; r < f.rows; ++r) {
    Tensor values = Tensor::uninitialized(DType::F64, {f.width});
    for (size_t i = 0; i < n; ++i) values.mutable_data<double>()[i] = f.row(r)[order[i]];
    maps.push_back(map_datum(keys, convert(values, x.dtype)));
  }
  c.set(0, Datum::sequence(std::move(maps), x.dtype));
}

// ---------------------------------------------------------------- DictVectorizer

DType value_type(const InferCtx& c) {
  const Type& t = c.type(0);
  return t.kind == Type::Kind::Map && t.item ? t.item->dtype : DType::Undefined;
}

void infer_vectorizer(InferCtx& c) {
  const Labels vocabulary(c.attrs(), "string_vocabulary", "int64_vocabulary");
  if (const DType t = value_type(c); t != DType::Undefined) c.out(0, t, Shape{1, vocabulary.count()});
}

// Runtimes give one row, though the specification speaks of a vector.
void eval_vectorizer(EvalCtx& c) {
  const Labels vocabulary(c.attrs(), "string_vocabulary", "int64_vocabulary");
  const MapDatum& m = map_at(c, 0);
  if (m.keys.dtype != vocabulary.dtype())
    fail("keys of type {} with a vocabulary of type {}", onnx_name(m.keys.dtype),
         onnx_name(vocabulary.dtype()));
  const int64_t n = vocabulary.count();
  Tensor y = m.values.dtype == DType::String
                 ? Tensor::of_strings({1, n}, std::vector<std::string>(static_cast<size_t>(n)))
                 : Tensor::make(m.values.dtype, {1, n});
  const auto find = [&](const auto& sorted, const auto& key) -> int64_t {
    const auto it = std::lower_bound(sorted.begin(), sorted.end(), key);
    return it != sorted.end() && *it == key ? it - sorted.begin() : -1;
  };
  for (int64_t i = 0; i < n; ++i) {
    const auto w = static_cast<size_t>(i);
    const int64_t k = vocabulary.strings.empty() ? find(m.keys.data<int64_t>(), vocabulary.ints[w])
                                                 : find(m.keys.strings(), vocabulary.strings[w]);
    if (k < 0) continue;
    if (y.dtype == DType::String) {
      y.mutable_strings()[w] = m.values.strings()[static_cast<size_t>(k)];
    } else {
      const auto size = static_cast<size_t>(bit_width(y.dtype)) / 8;
      std::memcpy(y.mutable_bytes().data() + w * size,
                  m.values.bytes().data() + static_cast<size_t>(k) * size, size);
    }
  }
  c.set(0, std::move(y));
}

// ---------------------------------------------------------------- CastMap

DType cast_target(const Attrs& attrs) {
  const std::string to = attrs.s("cast_to", "TO_FLOAT");
  if (to == "TO_FLOAT") return DType::F32;
  if (to == "TO_INT64") return DType::I64;
  if (to == "TO_STRING") return DType::String;
  fail("cast_to '{}'", to);
}

bool is_sparse(const Attrs& attrs) {
  const std::string form = attrs.s("map_form", "DENSE");
  if (form != "DENSE" && form != "SPARSE") fail("map_form '{}'", form);
  return form == "SPARSE";
}

void infer_cast_map(InferCtx& c) {
  c.out(0, cast_target(c.attrs()),
        Shape{1, is_sparse(c.attrs()) ? Dim(c.attrs().i("max_map", 1)) : Dim::unknown()});
}

template <class T>
T parsed(const std::string& text) {
  const auto value = parse_number<T>(text);
  if (!value) fail("'{}' is no number", text);
  return *value;
}

void eval_cast_map(EvalCtx& c) {
  const MapDatum& m = map_at(c, 0);
  const DType to = cast_target(c.attrs());
  const bool sparse = is_sparse(c.attrs()), text = m.values.dtype == DType::String;
  if (m.keys.dtype != DType::I64) fail("keys of type {}, not int64", onnx_name(m.keys.dtype));
  const auto keys = m.keys.data<int64_t>();
  const int64_t n = sparse ? c.attrs().i("max_map", 1) : m.keys.count();
  if (n < 0) fail("max_map {}", n);
  // What SPARSE has no value for: zero, as text "0.f" (onnxruntime's).
  Tensor y = to == DType::String
                 ? Tensor::of_strings({1, n}, std::vector<std::string>(static_cast<size_t>(n), "0.f"))
                 : Tensor::make(to, {1, n});
  for (size_t i = 0; i < keys.size(); ++i) {
    if (sparse && (keys[i] < 0 || keys[i] >= n)) fail("key {} for max_map {}", keys[i], n);
    const size_t at = sparse ? static_cast<size_t>(keys[i]) : i;
    const double number = text ? 0 : m.values.as_double(static_cast<int64_t>(i));
    const std::string word = text ? m.values.strings()[i] : fmt::format("{:.6f}", number);
    if (to == DType::String)
      y.mutable_strings()[at] = word;
    else if (to == DType::F32)
      y.mutable_data<float>()[at] = text ? parsed<float>(word) : static_cast<float>(number);
    else
      y.mutable_data<int64_t>()[at] = text ? parsed<int64_t>(word) : to_int<int64_t>(number);
  }
  c.set(0, std::move(y));
}

}  // namespace

void register_ml_maps(OpRegistry& r) {
  r.add({kDomain, "CastMap", infer_cast_map, eval_cast_map, Exactness::bitwise});
  r.add({kDomain, "DictVectorizer", infer_vectorizer, eval_vectorizer, Exactness::bitwise});
  r.add({kDomain, "ZipMap", infer_zip_map, eval_zip_map, Exactness::bitwise});
}

}  // namespace lathe
