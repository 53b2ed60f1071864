#include "ir/onnx/type_proto.h"

#include "ir/base/error.h"
#include "ir/onnx/fields.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;
using wire::Writer;

constexpr int kMaxTypeDepth = 32;

Dim decode_dim(Bytes message, int axis, Type& type) {
  std::optional<Dim> dim;
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == field::type::dim_value) {
      dim = f.i64() < 0 ? Dim::unknown() : Dim(f.i64());  // some exporters write -1 for "any"
    } else if (f.number == field::type::dim_param) {
      // Paddle's exporter names every open dim "?": no two of them are one size.
      const auto name = f.text();
      dim = name.empty() || name == "?" ? Dim::unknown() : Dim::symbol(name);
    } else if (f.number == field::type::dim_denotation) {
      type.dim_denotations[axis] = f.text();
    }
  }
  return dim ? *dim : Dim::unknown();
}

void decode_tensor_type(Bytes message, Type& type) {
  Reader reader(message);
  for (Field f; reader.next(f);) {
    if (f.number == field::type::elem_type) {
      type.dtype = f.i64() == 0 ? DType::Undefined : decode_dtype(f.i64());
    } else if (f.number == field::type::shape) {
      Shape shape;
      Reader dims(f.message());
      for (Field d; dims.next(d);) {
        if (d.number != field::type::dim) continue;
        if (shape.size() == kMaxRank) fail("shape has more than {} dims", kMaxRank);
        shape.push_back(decode_dim(d.message(), static_cast<int>(shape.size()), type));
      }
      type.shape = std::move(shape);
    }
  }
}

Type decode_nested(Bytes message, int depth) {
  if (depth > kMaxTypeDepth) fail("type nested deeper than {}", kMaxTypeDepth);
  Type type;
  const auto item = [&](Bytes body, uint32_t number) {
    Reader reader(body);
    for (Field f; reader.next(f);) {
      if (f.number == number) type.item = std::make_shared<const Type>(decode_nested(f.message(), depth + 1));
      if (type.kind == Type::Kind::Map && f.number == field::type::key_type)
        type.dtype = decode_dtype(f.i64());
    }
  };
  Reader reader(message);
  for (Field f; reader.next(f);) {
    switch (f.number) {
      case field::type::tensor:
        type.kind = Type::Kind::Tensor;
        decode_tensor_type(f.message(), type);
        break;
      case field::type::sparse_tensor:
        type.kind = Type::Kind::SparseTensor;
        decode_tensor_type(f.message(), type);
        break;
      case field::type::sequence:
        type.kind = Type::Kind::Sequence;
        item(f.message(), field::type::elem_type);
        break;
      case field::type::optional:
        type.kind = Type::Kind::Optional;
        item(f.message(), field::type::elem_type);
        break;
      case field::type::map:
        type.kind = Type::Kind::Map;
        item(f.message(), field::type::value_type);
        break;
      case field::type::denotation:
        type.denotation = f.text();
        break;
      default:
        break;
    }
  }
  return type;
}

void encode_tensor_type(Writer& out, const Type& type) {
  if (type.dtype != DType::Undefined) out.varint(field::type::elem_type, static_cast<uint64_t>(type.dtype));
  if (!type.shape) return;
  out.message(field::type::shape, [&] {
    for (size_t axis = 0; axis < type.shape->size(); ++axis) {
      const Dim& dim = (*type.shape)[axis];
      out.message(field::type::dim, [&] {
        if (dim.is_const()) {
          out.i64(field::type::dim_value, dim.value());
        } else if (!dim.has_unknown()) {
          out.text(field::type::dim_param, dim.is_symbol() ? dim.symbol_name() : dim.str());
        }
        const auto denotation = type.dim_denotations.find(static_cast<int>(axis));
        if (denotation != type.dim_denotations.end())
          out.text(field::type::dim_denotation, denotation->second);
      });
    }
  });
}

std::string encoded(const Type& type) {
  Writer out;
  encode_type(out, type);
  return out.str();
}

}  // namespace

DType decode_dtype(int64_t number) {
  if (number <= 0 || number >= kDTypeCount) fail("element type {} is unknown", number);
  return static_cast<DType>(number);
}

Type decode_type(Bytes message) { return decode_nested(message, 0); }

void encode_type(Writer& out, const Type& type) {
  const auto item = [&](uint32_t number) {
    if (type.item) out.message(number, [&] { encode_type(out, *type.item); });
  };
  switch (type.kind) {
    case Type::Kind::None:
      break;
    case Type::Kind::Tensor:
      out.message(field::type::tensor, [&] { encode_tensor_type(out, type); });
      break;
    case Type::Kind::Sequence:
      out.message(field::type::sequence, [&] { item(field::type::elem_type); });
      break;
    case Type::Kind::Map:
      out.message(field::type::map, [&] {
        out.varint(field::type::key_type, static_cast<uint64_t>(type.dtype));
        item(field::type::value_type);
      });
      break;
    default:
      break;
  }
  if (!type.denotation.empty()) out.text(field::type::denotation, type.denotation);
  if (type.kind == Type::Kind::SparseTensor)
    out.message(field::type::sparse_tensor, [&] { encode_tensor_type(out, type); });
  if (type.kind == Type::Kind::Optional)
    out.message(field::type::optional, [&] { item(field::type::elem_type); });
}

Type decode_type(const Field& field, CarriedFields& carried) {
  Type type = decode_type(field.message());
  const auto spelled = wire::as_text(field.message());
  if (spelled.empty() || encoded(type) != spelled) carried.add(field);
  return type;
}

void encode_type(FieldMerger& merger, uint32_t number, const Type& type) {
  const std::string canonical = encoded(type);
  for (const Field& f : merger.take(number))
    if (encoded(decode_type(f.message())) == canonical) {
      merger.out().raw(f.whole);
      return;
    }
  if (type.known() || !type.denotation.empty()) merger.out().text(number, canonical);
}

}  // namespace lathe
