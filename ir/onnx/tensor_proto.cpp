#include "ir/onnx/tensor_proto.h"

#include <algorithm>

#include "ir/base/error.h"
#include "ir/base/quote.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/type_proto.h"
#include "ir/onnx/typed_data.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;
using wire::Writer;

// What a first look at the message finds; payloads stay where they are.
struct Header {
  std::vector<int64_t> dims;
  std::vector<Field> dims_records;
  bool packed_dims = false, explicit_location = false, external = false;
  int64_t type = 0;
  std::string_view name;
  std::optional<Bytes> raw;
  uint32_t typed = 0;  // the number of the typed field in use
  StringPairs entries;
  std::vector<Field> entry_records;
  std::string doc;
  CarriedFields carried;
};

Header read_header(Bytes message) {
  Header h;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    switch (f.number) {
      case field::tensor::dims:
        h.packed_dims |= f.type == wire::WireType::bytes;
        if (h.dims.size() + f.payload.size() > kMaxRank * 10) fail("tensor has more than {} dims", kMaxRank);
        read_int64s(f, h.dims);
        if (h.dims.size() > kMaxRank) fail("tensor has more than {} dims", kMaxRank);
        h.dims_records.push_back(f);
        break;
      case field::tensor::data_type:
        h.type = f.i64();
        break;
      case field::tensor::float_data:
      case field::tensor::int32_data:
      case field::tensor::string_data:
      case field::tensor::int64_data:
      case field::tensor::double_data:
      case field::tensor::uint64_data:
        if (f.number != field::tensor::string_data && f.type == wire::WireType::bytes && f.payload.empty())
          break;
        if (h.typed != 0 && h.typed != f.number)
          fail("tensor has two payloads, {} and {}", payload_name(h.typed), payload_name(f.number));
        h.typed = f.number;
        break;
      case field::tensor::name:
        h.name = f.text();
        h.carried.add_if_empty(f);
        break;
      case field::tensor::doc_string:
        h.doc = f.text();
        h.carried.add_if_empty(f);
        break;
      case field::tensor::raw_data:
        if (h.raw) fail("tensor has raw_data twice");
        h.raw = f.message();
        break;
      case field::tensor::external_data:
        h.entries.push_back(decode_entry(f.message()));
        h.entry_records.push_back(f);
        break;
      case field::tensor::data_location:
        if (f.u64() > 1) fail("tensor has unknown data_location {}", f.u64());
        h.external = f.u64() == 1;
        h.explicit_location = true;
        break;
      default:
        h.carried.add(f);
    }
  }
  if (h.typed != 0 && h.raw && !h.raw->empty())
    fail("tensor has two payloads, raw_data and {}", payload_name(h.typed));
  if (h.external && (h.typed != 0 || (h.raw && !h.raw->empty())))
    fail("tensor has two payloads, external_data and {}", h.typed != 0 ? payload_name(h.typed) : "raw_data");
  return h;
}

// The byte count of dims and type, and no more than the address space.
int64_t needed_bytes(DType dtype, const std::vector<int64_t>& dims) {
  return byte_count(dtype, element_count(dims));
}

// A tensor of the right type and dims whose bytes are not there.
Tensor undefined(DType dtype, std::vector<int64_t> dims) {
  Tensor t;
  t.dtype = dtype;
  t.dims = std::move(dims);
  return t;
}

}  // namespace

std::string_view payload_name(uint32_t number) {
  switch (number) {
    case field::tensor::float_data:
      return "float_data";
    case field::tensor::int32_data:
      return "int32_data";
    case field::tensor::string_data:
      return "string_data";
    case field::tensor::int64_data:
      return "int64_data";
    case field::tensor::double_data:
      return "double_data";
    case field::tensor::uint64_data:
      return "uint64_data";
    case field::tensor::raw_data:
      return "raw_data";
    default:
      return {};
  }
}

Tensor decode_tensor(Bytes message, const TensorSource& source) {
  using Form = TensorSpelling::Form;
  Header h = read_header(message);
  const DType dtype = decode_dtype(h.type);
  const int64_t count = element_count(h.dims), bytes = needed_bytes(dtype, h.dims);
  if (!h.external)
    for (const Field& f : h.entry_records) h.carried.add(f);
  if (h.packed_dims)
    for (const Field& f : h.dims_records) h.carried.add(f);

  auto spelling = std::make_shared<TensorSpelling>();
  Tensor t;
  if (h.external) {
    if (dtype == DType::String) fail("a string tensor cannot be external");
    spelling->form = Form::external;
    if (source.external != nullptr) {
      const auto slice = source.external->open(h.entries, bytes);
      t = Tensor::view(dtype, std::move(h.dims), slice.bytes, slice.file);
      spelling->file = slice.file;
      spelling->mapped = slice.bytes.data();
    } else {
      parse_external(h.entries);
      t = undefined(dtype, std::move(h.dims));
    }
    spelling->external = std::move(h.entries);
  } else if (h.typed != 0) {
    spelling->form = Form::typed;
    t = decode_typed(message, h.typed, dtype, std::move(h.dims), source.keep);
  } else if (h.raw && (dtype != DType::String || h.raw->empty())) {
    if (static_cast<uint64_t>(bytes) != h.raw->size())
      fail("raw_data has {} bytes, type {} and dims need {}", h.raw->size(), onnx_name(dtype), bytes);
    if (dtype == DType::String && count != 0) fail("tensor has {} elements and no data", count);
    t = Tensor::view(dtype, std::move(h.dims), *h.raw, source.keep);
  } else if (h.raw) {
    fail("a string tensor cannot be stored as raw_data");
  } else if (count == 0) {
    spelling->form = Form::typed;
    t = Tensor::make(dtype, std::move(h.dims));
  } else {
    if (source.external != nullptr) fail("tensor has {} elements and no data", count);
    spelling->form = Form::missing;
    t = undefined(dtype, std::move(h.dims));
  }
  t.name = h.name;
  spelling->doc = std::move(h.doc);
  spelling->explicit_location = h.explicit_location;
  spelling->carried = h.carried.take();
  const bool plain = spelling->form == Form::raw && spelling->doc.empty() && spelling->carried.empty() &&
                     !spelling->explicit_location;
  if (!plain) t.spelling = std::move(spelling);
  return t;
}

SparseTensor decode_sparse(Bytes message, const TensorSource& source) {
  SparseTensor s;
  CarriedFields carried;
  bool has_values = false, has_indices = false;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == field::sparse::values) {
      if (std::exchange(has_values, true)) fail("sparse tensor has values twice");
      s.values = decode_tensor(f.message(), source);
    } else if (f.number == field::sparse::indices) {
      if (std::exchange(has_indices, true)) fail("sparse tensor has indices twice");
      s.indices = decode_tensor(f.message(), source);
    } else if (f.number == field::sparse::dims) {
      if (f.type == wire::WireType::bytes) carried.add(f);
      read_int64s(f, s.dims);
      if (s.dims.size() > kMaxRank) fail("sparse tensor has more than {} dims", kMaxRank);
    } else {
      carried.add(f);
    }
  }
  s.carried = carried.take();
  if (!has_values) fail("sparse tensor without values");
  const int64_t total = element_count(s.dims), n = s.values.count();
  if (s.values.rank() != 1) fail("sparse tensor: values have rank {}, not 1", s.values.rank());
  if (!has_indices) {
    if (n != 0) fail("sparse tensor without indices");
    return s;
  }
  const auto& shape = s.indices.dims;
  const auto rank = static_cast<int64_t>(s.dims.size());
  const bool linear = shape.size() == 1 && shape[0] == n;
  if (s.indices.dtype != DType::I64 || !(linear || (shape.size() == 2 && shape[0] == n && shape[1] == rank)))
    fail("sparse tensor: indices must be int64 of shape [{}] or [{}, {}]", n, n, rank);
  if (s.indices.byte_size() == 0) return s;  // none, or left undefined
  for (int64_t i = 0; i < s.indices.count(); ++i) {
    const int64_t index = s.indices.as_i64(i), bound = linear ? total : s.dims[static_cast<size_t>(i % rank)];
    if (index < 0 || index >= bound) fail("sparse tensor: index {} is not below {}", index, bound);
  }
  return s;
}

bool is_external_as_loaded(const Tensor& t) {
  return t.spelling && t.spelling->form == TensorSpelling::Form::external && t.spelling->file &&
         t.bytes().data() == t.spelling->mapped;
}

void encode_tensor(Writer& out, const Tensor& t, std::string_view name, const StringPairs* entries) {
  using Form = TensorSpelling::Form;
  static const TensorSpelling plain;
  const TensorSpelling& s = t.spelling ? *t.spelling : plain;
  const bool undefined_bytes = t.byte_size() == 0 && t.dtype != DType::String && t.count() != 0;
  if (undefined_bytes && s.form == Form::external && entries == nullptr) entries = &s.external;
  if (undefined_bytes && s.form != Form::missing && entries == nullptr)
    fail("tensor {} has no data to save", quote(name));

  FieldMerger merger(out, s.carried);
  const auto original_dims = merger.take(field::tensor::dims);
  std::vector<int64_t> spelled;
  for (const Field& f : original_dims) read_int64s(f, spelled);
  if (!original_dims.empty() && spelled == t.dims) {
    for (const Field& f : original_dims) out.raw(f.whole);
  } else {
    for (const int64_t d : t.dims) out.i64(field::tensor::dims, d);
  }
  merger.before(field::tensor::data_type);
  out.varint(field::tensor::data_type, static_cast<uint64_t>(t.dtype));
  const bool typed =
      entries == nullptr && (s.form == Form::typed || t.dtype == DType::String) && s.form != Form::missing;
  const uint32_t number = typed_field(t.dtype);
  if (typed && number < field::tensor::name) {
    merger.before(number);
    encode_typed(out, t);
  }
  merger.text(field::tensor::name, name);
  if (entries == nullptr && !typed && s.form != Form::missing) {
    merger.before(field::tensor::raw_data);
    out.bytes_by_reference(field::tensor::raw_data, t.bytes());
  }
  if (typed && number > field::tensor::name) {
    merger.before(number);
    encode_typed(out, t);
  }
  merger.text(field::tensor::doc_string, s.doc);
  if (entries != nullptr) {
    merger.take(field::tensor::external_data);
    encode_entries(out, field::tensor::external_data, *entries);
  }
  merger.before(field::tensor::data_location);
  if (entries != nullptr) {
    out.varint(field::tensor::data_location, 1);
  } else if (s.explicit_location) {
    out.varint(field::tensor::data_location, 0);
  }
  merger.finish();
}

void encode_sparse(Writer& out, const SparseTensor& s, std::string_view name,
                   const ExternalPlacement& placement) {
  out.message(field::sparse::values, [&] { encode_tensor(out, s.values, name, placement(s.values)); });
  if (s.indices.defined())
    out.message(field::sparse::indices,
                [&] { encode_tensor(out, s.indices, s.indices.name, placement(s.indices)); });
  FieldMerger merger(out, s.carried);
  const auto original = merger.take(field::sparse::dims);
  std::vector<int64_t> spelled;
  for (const Field& f : original) read_int64s(f, spelled);
  if (!original.empty() && spelled == s.dims) {
    for (const Field& f : original) out.raw(f.whole);
  } else {
    for (const int64_t d : s.dims) out.i64(field::sparse::dims, d);
  }
  merger.finish();
}

}  // namespace lathe
