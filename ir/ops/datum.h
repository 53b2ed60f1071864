// What flows along an edge at run time: a tensor, a sequence, an optional or a map.
#pragma once
#include <memory>
#include <variant>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

struct Datum;
using Sequence = std::vector<Datum>;
struct MapDatum;

struct Datum {
  // monostate: an omitted value, or an empty optional.
  std::variant<std::monostate, Tensor, std::shared_ptr<const Sequence>, std::shared_ptr<const MapDatum>>
      value;
  // Element type of an empty sequence, kept so that types stay known at run time.
  DType element = DType::Undefined;

  Datum() = default;
  Datum(Tensor t) : value(std::move(t)) {}  // NOLINT(google-explicit-constructor)
  Datum(std::shared_ptr<const Sequence> s, DType dtype) : value(std::move(s)), element(dtype) {}
  static Datum sequence(Sequence items, DType dtype) {
    return {std::make_shared<const Sequence>(std::move(items)), dtype};
  }

  bool empty() const { return value.index() == 0; }
  const Tensor* tensor() const { return std::get_if<Tensor>(&value); }
  const Sequence* sequence() const {
    const auto* s = std::get_if<std::shared_ptr<const Sequence>>(&value);
    return s ? s->get() : nullptr;
  }
  const MapDatum* map() const {
    const auto* m = std::get_if<std::shared_ptr<const MapDatum>>(&value);
    return m ? m->get() : nullptr;
  }
};

// A map of ai.onnx.ml: value i belongs to key i. Keys are int64 or strings, ascending, each once.
struct MapDatum {
  Tensor keys, values;  // 1-D, of one length
};

inline Datum map_datum(Tensor keys, Tensor values) {
  Datum d;
  d.value = std::make_shared<const MapDatum>(MapDatum{std::move(keys), std::move(values)});
  return d;
}

}  // namespace lathe
