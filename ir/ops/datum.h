// What flows along an edge at run time: a tensor, a sequence, an optional or a map.
#pragma once
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

struct Datum;
using Sequence = std::vector<Datum>;
// ai.onnx.ml maps: keys are int64 or string (one column each is used).
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
};

struct MapDatum {
  std::map<std::string, double> by_string;
  std::map<int64_t, double> by_int;
};

}  // namespace lathe
