// The type of a value: tensor (dense or sparse), sequence, optional, map, or unknown (None).
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ir/core/dim.h"
#include "ir/core/dtype.h"

namespace lathe {

struct Type {
  enum class Kind : uint8_t { None, Tensor, SparseTensor, Sequence, Optional, Map };
  Kind kind = Kind::None;
  DType dtype = DType::Undefined;              // element type of a tensor; key type of a map
  std::optional<Shape> shape;                  // tensors: absent = unknown rank
  std::shared_ptr<const Type> item;            // element of a sequence or optional; value of a map
  std::string denotation;                      // TypeProto.denotation
  std::map<int, std::string> dim_denotations;  // by axis; rare

  static Type tensor(DType dtype, std::optional<Shape> shape = std::nullopt) {
    Type t;
    t.kind = Kind::Tensor;
    t.dtype = dtype;
    t.shape = std::move(shape);
    return t;
  }
  static Type sequence(Type item) { return wrap(Kind::Sequence, std::move(item)); }
  static Type optional(Type item) { return wrap(Kind::Optional, std::move(item)); }
  static Type map(DType key, Type value) {
    Type t = wrap(Kind::Map, std::move(value));
    t.dtype = key;
    return t;
  }

  bool is_tensor() const { return kind == Kind::Tensor; }
  bool known() const { return kind != Kind::None; }
  int rank() const { return shape ? static_cast<int>(shape->size()) : -1; }
  std::string str() const;  // "float[batch, 384]", "seq(float[?])"

  friend bool operator==(const Type& a, const Type& b);

 private:
  static Type wrap(Kind kind, Type item) {
    Type t;
    t.kind = kind;
    t.item = std::make_shared<const Type>(std::move(item));
    return t;
  }
};

}  // namespace lathe
