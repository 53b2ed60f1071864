#include "ir/exec/case_data.h"

#include <algorithm>
#include <numeric>

#include "ir/base/mapped_file.h"
#include "ir/base/parse.h"
#include "ir/base/quote.h"
#include "ir/onnx/tensor_proto.h"
#include "ir/onnx/type_proto.h"
#include "ir/onnx/wire.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using wire::Bytes;
using wire::Field;
using wire::Reader;

constexpr int kMaxNesting = 16;

// Field numbers of onnx-data.proto.
namespace sequence {
constexpr uint32_t tensors = 3, sequences = 5, maps = 6, optionals = 7;
}
namespace optional {
constexpr uint32_t tensor = 3, sequence = 5, map = 6, nested = 7;
}
namespace map {
constexpr uint32_t keys = 3, string_keys = 4, values = 5;
}

Datum decode_datum(Bytes message, Type::Kind kind, const TensorSource& source, int depth);

DType element_type(const Sequence& items) {
  for (const Datum& d : items) {
    if (const Tensor* t = d.tensor()) return t->dtype;
    if (d.sequence() != nullptr && d.element != DType::Undefined) return d.element;
  }
  return DType::Undefined;
}

Datum decode_sequence(Bytes message, const TensorSource& source, int depth) {
  Sequence items;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == sequence::tensors)
      items.push_back(decode_datum(f.message(), Type::Kind::Tensor, source, depth));
    else if (f.number == sequence::sequences)
      items.push_back(decode_datum(f.message(), Type::Kind::Sequence, source, depth));
    else if (f.number == sequence::maps)
      items.push_back(decode_datum(f.message(), Type::Kind::Map, source, depth));
    else if (f.number == sequence::optionals)
      items.push_back(decode_datum(f.message(), Type::Kind::Optional, source, depth));
  }
  const DType dtype = element_type(items);
  return Datum::sequence(std::move(items), dtype);
}

Datum decode_optional(Bytes message, const TensorSource& source, int depth) {
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == optional::tensor) return decode_datum(f.message(), Type::Kind::Tensor, source, depth);
    if (f.number == optional::sequence) return decode_datum(f.message(), Type::Kind::Sequence, source, depth);
    if (f.number == optional::map) return decode_datum(f.message(), Type::Kind::Map, source, depth);
    if (f.number == optional::nested) return decode_datum(f.message(), Type::Kind::Optional, source, depth);
  }
  return {};
}

Datum decode_map(Bytes message, const TensorSource& source, int depth) {
  std::vector<int64_t> keys;
  std::vector<std::string> names;
  Datum values;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == map::keys) wire::read_int64s(f, keys);
    if (f.number == map::string_keys) names.emplace_back(f.text());
    if (f.number == map::values) values = decode_datum(f.message(), Type::Kind::Sequence, source, depth);
  }
  const size_t n = values.sequence() != nullptr ? values.sequence()->size() : 0;
  if (n != std::max(keys.size(), names.size()) || (!keys.empty() && !names.empty()))
    fail("a map has {} keys and {} values", keys.size() + names.size(), n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t i, size_t j) { return names.empty() ? keys[i] < keys[j] : names[i] < names[j]; });
  const auto size = static_cast<int64_t>(n);
  const DType dtype = element_type(values.sequence() != nullptr ? *values.sequence() : Sequence());
  Tensor out_keys = Tensor::make(names.empty() ? DType::I64 : DType::String, {size});
  Tensor out_values = Tensor::make(n == 0 ? DType::F32 : dtype, {size});
  for (size_t k = 0; k < n; ++k) {
    const size_t i = order[k];
    const Tensor* t = (*values.sequence())[i].tensor();
    if (t == nullptr || t->count() != 1 || t->dtype != dtype)
      fail("value {} of a map is no {}", i, onnx_name(dtype));
    const auto at = static_cast<int64_t>(k);
    if (names.empty())
      out_keys.mutable_data<int64_t>()[k] = keys[i];
    else
      out_keys.mutable_strings()[k] = names[i];
    if (dtype == DType::String)
      out_values.mutable_strings()[k] = t->strings()[0];
    else if (is_integer(dtype))
      store_i64(dtype, out_values.mutable_bytes().data(), at, t->as_i64(0));
    else
      store_double(dtype, out_values.mutable_bytes().data(), at, t->as_double(0));
  }
  return map_datum(std::move(out_keys), std::move(out_values));
}

Datum decode_datum(Bytes message, Type::Kind kind, const TensorSource& source, int depth) {
  if (depth > kMaxNesting) fail("values are nested deeper than {}", kMaxNesting);
  switch (kind) {
    case Type::Kind::Tensor:
      return decode_tensor(message, source);
    case Type::Kind::Sequence:
      return decode_sequence(message, source, depth + 1);
    case Type::Kind::Optional:
      return decode_optional(message, source, depth + 1);
    case Type::Kind::Map:
      return decode_map(message, source, depth + 1);
    default:
      fail("values of this kind cannot be read from a file");
  }
}

fs::path numbered(const fs::path& folder, const char* stem, size_t i) {
  return folder / (stem + std::to_string(i) + ".pb");
}

size_t count_files(const fs::path& folder, const char* stem) {
  size_t n = 0;
  while (fs::exists(numbered(folder, stem, n))) ++n;
  return n;
}

}  // namespace

Datum read_datum(const fs::path& file, const Type& type) {
  const auto bytes = MappedFile::open(file);
  try {
    // A TensorProto on its own is not always the whole of an undeclared port's value, but it is the usual
    // one.
    const Type::Kind kind = type.known() ? type.kind : Type::Kind::Tensor;
    return decode_datum(bytes->bytes(), kind, {.keep = bytes}, 0);
  } catch (const Error& e) {
    throw Error(e.kind(), file.string() + ": " + e.what());
  }
}

Difference compare_case(const Datum& expected, const Datum& got, double rtol, double atol) {
  const Tensor* t = expected.tensor();
  const bool bf16 = (t != nullptr ? t->dtype : expected.element) == DType::BF16;
  return compare_each(expected, got, bf16 ? std::max(rtol, 0x1p-6) : rtol, atol);
}

std::vector<fs::path> data_set_folders(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail("{} is no folder", quote(folder.string()));
  if (fs::exists(numbered(folder, "input_", 0)) || fs::exists(numbered(folder, "output_", 0)))
    return {folder};
  constexpr std::string_view prefix = "test_data_set_";
  std::vector<std::pair<int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !entry.is_directory()) continue;
    if (const auto n = parse_number<int64_t>(std::string_view(name).substr(prefix.size())))
      found.emplace_back(*n, entry.path());
  }
  if (found.empty()) fail("{} holds no test_data_set_N and no input_0.pb", quote(folder.string()));
  std::sort(found.begin(), found.end());
  std::vector<fs::path> out;
  for (auto& [n, path] : found) out.push_back(std::move(path));
  return out;
}

CaseData read_case_data(const Model& m, const fs::path& folder) {
  CaseData data;
  data.folder = folder;
  const Graph& g = m[m.main()];
  const std::vector<ValueId> ids = m.inputs(m.main());
  std::vector<size_t> ports;
  for (size_t i = 0; i < ids.size(); ++i)
    if (m.constant(ids[i]) == nullptr && !m[ids[i]].constant) ports.push_back(i);
  const size_t files = count_files(folder, "input_");
  if (files > ports.size()) {
    if (files > ids.size()) fail("{}: {} inputs, the model has {}", folder.string(), files, ids.size());
    ports.resize(ids.size());
    for (size_t i = 0; i < ports.size(); ++i) ports[i] = i;
  }
  data.inputs.resize(ids.size());
  for (size_t i = 0; i < files; ++i)
    data.inputs[ports[i]] = read_datum(numbered(folder, "input_", i), g.inputs[ports[i]].type);
  const size_t outputs = count_files(folder, "output_");
  if (outputs > g.outputs.size())
    fail("{}: {} outputs, the model has {}", folder.string(), outputs, g.outputs.size());
  for (size_t i = 0; i < outputs; ++i)
    data.outputs.push_back(read_datum(numbered(folder, "output_", i), g.outputs[i].type));
  return data;
}

}  // namespace lathe
