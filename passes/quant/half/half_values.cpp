#include "passes/quant/half/half_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "ir/base/mapped_file.h"
#include "ir/base/parallel.h"
#include "ir/core/spill.h"
#include "ir/ops/convert.h"

namespace lathe {
namespace {

constexpr int64_t kFew = 16;  // elements of an epsilon or a bound

}  // namespace

Tensor half_constant(const Tensor& t, const HalfKind& kind) {
  const Tensor aligned = t.aligned();
  if (t.count() > kFew) return convert(aligned, kind.dtype);
  Tensor wide = Tensor::of<float>(DType::F32, t.dims, aligned.data<float>());
  for (float& x : wide.mutable_data<float>())
    if (x != 0 && std::fabs(x) < kind.smallest) x = std::copysign(static_cast<float>(kind.smallest), x);
  return convert(wide, kind.dtype);
}

namespace {

// Squares of a constant and of what rounding does to it.
struct Rounded {
  double square = 0, lost = 0;

  void add(const Tensor& wide, const Tensor& narrow) {
    const Tensor again = convert(narrow, DType::F32);
    const std::span<const float> a = wide.data<float>(), b = again.data<float>();
    for (size_t i = 0; i < a.size(); ++i) {
      const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      square += x * x;
      lost += (x - y) * (x - y);
    }
  }
  double error() const { return square > 0 ? std::sqrt(lost / square) : 0; }
};

// A large constant in parts, to where it stays.
Tensor half_weight(const Tensor& t, const HalfKind& kind, double* error) {
  constexpr int64_t kPart = int64_t{1} << 18;  // elements
  if (t.count() <= kPart) {
    Tensor narrow = half_constant(t, kind);
    if (error != nullptr) {
      Rounded all;
      all.add(t.aligned(), narrow);
      *error = all.error();
    }
    narrow = spilled(narrow);
    MappedFile::forget(t.bytes());
    return narrow;
  }
  std::vector<Rounded> parts(error != nullptr ? static_cast<size_t>((t.count() + kPart - 1) / kPart) : 0);
  const Spill out = spill(static_cast<size_t>(byte_count(kind.dtype, t.count())));
  const auto unit = static_cast<size_t>(bit_width(kind.dtype) / 8);
  parallel_for(t.count(), kPart, [&](int64_t begin, int64_t end) {
    const auto from = t.bytes().subspan(static_cast<size_t>(begin) * sizeof(float),
                                        static_cast<size_t>(end - begin) * sizeof(float));
    const Tensor wide = Tensor::view(t.dtype, {end - begin}, from, t.keep()).aligned();
    const Tensor narrow = convert(wide, kind.dtype);
    if (error != nullptr) parts[static_cast<size_t>(begin / kPart)].add(wide, narrow);
    const std::span<std::byte> to(out.data + static_cast<size_t>(begin) * unit, narrow.byte_size());
    std::memcpy(to.data(), narrow.bytes().data(), to.size());
    MappedFile::forget(from);
    MappedFile::forget(to);
  });
  Rounded all;
  for (const Rounded& part : parts) {
    all.square += part.square;
    all.lost += part.lost;
  }
  if (error != nullptr) *error = all.error();
  return out.tensor(kind.dtype, t.dims);
}

}  // namespace

ValueId HalfValues::source(ValueId v, std::vector<NodeId>& context) const {
  const NodeId def = m_[v].def;
  if (!def || !m_[def].is("Cast") || m_.constant(v) != nullptr) return v;
  const ValueId x = m_[def].in[0];
  const DType t = m_[x].type.dtype;
  if (!is_integer(t) && t != DType::Bool && t != kind_.dtype) return v;
  context.push_back(def);
  return x;
}

ValueId HalfValues::of(Builder& b, GraphId where, ValueId v, std::vector<NodeId>& context) {
  for (const ValueId twin : made_[v])
    if (!m_[twin].erased && m_.encloses(m_[m_[twin].def].parent, where)) {
      (void)source(v, context);
      context.push_back(m_[twin].def);
      return twin;
    }
  for (const auto& [of, twin] : pending_)
    if (of == v) return twin;
  const ValueId x = source(v, context);
  if (m_[x].type.dtype == kind_.dtype) return x;
  const ValueId twin = b.op("Cast", {x}, attrs({{"to", static_cast<int64_t>(kind_.dtype)}}));
  pending_.emplace_back(v, twin);
  return twin;
}

void HalfValues::keep() {
  for (const auto& [v, twin] : pending_) made_[v].push_back(twin);
  pending_.clear();
}

void HalfValues::forget() { pending_.clear(); }

std::vector<HalfConstant> HalfValues::fold_constants(bool measure) {
  std::vector<HalfConstant> made;
  std::vector<ValueId> constants;
  for (const auto& [v, twins] : made_)
    if (m_.constant(v) != nullptr) constants.push_back(v);
  std::sort(constants.begin(), constants.end());
  for (const ValueId v : constants) {
    ValueId half;
    for (const ValueId twin : made_[v]) {
      if (m_[twin].erased) continue;
      if (!half) {
        const TensorPtr t = m_.constant_ptr(v);
        HalfConstant c{.of = v, .name = m_[v].name};
        Tensor narrow = half_weight(*t, kind_, measure ? &c.error : nullptr);
        c.before = static_cast<int64_t>(t->byte_size());
        c.after = static_cast<int64_t>(narrow.byte_size());
        half = m_.add_initializer(m_[v].graph, std::move(narrow), m_.unique_name(c.name + "_half"));
        made.push_back(std::move(c));
      }
      const NodeId cast = m_[twin].def;
      m_.replace_uses(twin, half);
      m_.erase(cast);
    }
    if (!half) continue;
    if (!m_[v].uses.empty()) {
      made.back().after += made.back().before;
      continue;
    }
    const std::string name = m_[v].name;
    if (const NodeId def = m_[v].def)
      m_.erase(def);
    else
      m_.erase_initializer(v);
    m_.set_name(half, name);
  }
  return made;
}

}  // namespace lathe
