#include "ir/exec/seed_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lathe {

int64_t Binding::size(const std::string& name) {
  static constexpr std::array<int64_t, 12> kPrimes = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  const auto it = sizes_.find(name);
  if (it != sizes_.end()) return it->second;
  const bool one = fill_ == Fill::ones || (fill_ == Fill::named_primes && name.starts_with('?'));
  const int64_t n = one ? 1 : kPrimes[std::min(next_++, kPrimes.size() - 1)];
  sizes_[name] = n;
  return n;
}

std::optional<int64_t> Binding::eval(Dim d) {
  if (d.is_const() && !constants_.empty())
    if (const auto it = constants_.find(d.value()); it != constants_.end()) return it->second;
  return d.eval([this](const std::string& name) -> std::optional<int64_t> { return size(name); });
}

IntRange int_range(const Model& m, ValueId v, Binding& binding) {
  // Follows the value through ops that keep its elements to an op that indexes with them.
  IntRange range;
  bool found = false;
  std::vector<ValueId> work{v};
  for (size_t i = 0; i < work.size() && i < 64; ++i)
    for (const Use& u : m[work[i]].uses) {
      const Node& n = m[u.node];
      if (n.erased || !n.domain.empty()) {
        if (n.is("EmbedLayerNormalization", "com.microsoft") && u.slot < 2) {
          const ValueId rows_of = n.input(u.slot == 0 ? 2 : 4);  // words, segments
          const Shape* table = rows_of && m[rows_of].type.shape ? &*m[rows_of].type.shape : nullptr;
          const auto rows = table && !table->empty() ? binding.eval((*table)[0]) : std::nullopt;
          if (rows && *rows > 0) {
            range.high = found ? std::min(range.high, *rows - 1) : *rows - 1;
            found = true;
          }
        }
        continue;
      }
      if ((n.type == "Gather" || n.type == "GatherElements") && u.slot == 1) {
        const auto& shape = m[n.in[0]].type.shape;
        if (!shape || shape->empty()) continue;
        int64_t axis = n.attrs.i("axis", 0);
        if (axis < 0) axis += static_cast<int64_t>(shape->size());
        if (axis < 0 || axis >= static_cast<int64_t>(shape->size())) continue;
        const auto rows = binding.eval((*shape)[static_cast<size_t>(axis)]);
        if (!rows || *rows <= 0) continue;
        range.high = found ? std::min(range.high, *rows - 1) : *rows - 1;
        found = true;
      }
      const bool keeps =
          u.slot == 0 && (n.type == "Cast" || n.type == "Identity" || n.type == "Reshape" ||
                          n.type == "Unsqueeze" || n.type == "Squeeze" || n.type == "Transpose" ||
                          n.type == "Expand" || n.type == "Slice" || n.type == "Flatten");
      if (keeps && !n.out.empty() && n.out[0]) work.push_back(n.out[0]);
    }
  range.index = found;
  if (found) range.high = std::max<int64_t>(range.high, 0);
  return range;
}

std::optional<Datum> seed_value(const Model& m, const ShapeValues& values, ValueId v, Binding& binding,
                                Rng& rng, FloatFill fill, int64_t max_elements, std::string* why) {
  const auto refuse = [&](std::string reason) {
    if (why != nullptr) *why = std::move(reason);
    return std::nullopt;
  };
  const Type& type = m[v].type;
  if (!type.is_tensor() || !type.shape || !is_valid(type.dtype))
    return refuse(fmt::format("the type of '{}' is not known ({})", m[v].name, type.str()));
  std::vector<int64_t> dims;
  int64_t count = 1;
  for (const Dim d : *type.shape) {
    const auto n = binding.eval(d);
    if (!n || *n < 0) return refuse(fmt::format("dimension {} of '{}' has no size here", d.str(), m[v].name));
    dims.push_back(*n);
    if (__builtin_mul_overflow(count, *n, &count) || count > max_elements)
      return refuse(fmt::format("'{}' is too large to run", m[v].name));
  }
  if (type.dtype == DType::String) {
    std::vector<std::string> text(static_cast<size_t>(count));
    for (auto& s : text) s = std::string(1, static_cast<char>('a' + rng.integer(0, 3)));
    return Datum(Tensor::of_strings(std::move(dims), std::move(text)));
  }
  Tensor t =
      bit_width(type.dtype) < 8 ? Tensor::make(type.dtype, dims) : Tensor::uninitialized(type.dtype, dims);
  std::byte* data = t.mutable_bytes().data();
  if (const auto known = values.find(v);
      known != values.end() && static_cast<int64_t>(known->second.size()) == count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto x = binding.eval(known->second[static_cast<size_t>(i)]);
      if (!x) return refuse(fmt::format("contents of '{}' have no size here", m[v].name));
      store_i64(t.dtype, data, i, *x);
    }
    return Datum(std::move(t));
  }
  if (is_floating(type.dtype)) {
    if (type.dtype == DType::F32 && fill == FloatFill::normal) {
      for (float& x : t.mutable_data<float>()) x = rng.bell();
    } else {
      for (int64_t i = 0; i < count; ++i)
        store_double(t.dtype, data, i, fill == FloatFill::normal ? rng.bell() : rng.uniform(0.1, 1.0));
    }
    return Datum(std::move(t));
  }
  const IntRange range = type.dtype == DType::Bool ? IntRange{} : int_range(m, v, binding);
  for (int64_t i = 0; i < count; ++i) store_i64(t.dtype, data, i, rng.integer(range.low, range.high));
  return Datum(std::move(t));
}

std::optional<std::vector<Datum>> seed_inputs(const Model& m, const ShapeValues& values, Binding& binding,
                                              Rng& rng, int64_t max_elements, std::string* why) {
  std::vector<Datum> inputs;
  for (const ValueId v : m.inputs(m.main())) {
    if (m.constant(v) != nullptr) {
      inputs.emplace_back();
      continue;
    }
    auto d = seed_value(m, values, v, binding, rng, FloatFill::normal, max_elements, why);
    if (!d) return std::nullopt;
    inputs.push_back(std::move(*d));
  }
  return inputs;
}

}  // namespace lathe
