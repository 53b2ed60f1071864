// Layouts: onnxruntime docs/ContribOperators.md (MatMulNBits, GatherBlockQuantized) and ONNX
// DequantizeLinear.
#include <algorithm>
#include <optional>

#include "ir/base/checked.h"
#include "ir/core/packed.h"
#include "passes/diff/weight_view.h"

namespace lathe::diff {
namespace {

constexpr int64_t kMaxRank = 64;
constexpr int kMaxSteps = 8;  // Casts and Reshapes between a constant and its reader

// value = (code - zero) * scale; row r's scale number for column c is base(r) + c / block * step.
class Dequantized : public WeightView {
 public:
  TensorPtr codes, scales, zeros;  // zeros may be null
  int64_t row_codes = 0;           // codes from one row to the next
  int bits = 8;                    // of a code when packed into bytes; 0: the tensor's own elements
  int64_t block = 1, step = 0;
  std::vector<int64_t> base;  // by row; empty: r * row_scales
  int64_t row_scales = 0;
  double middle = 0;  // zero point where there is no tensor
  enum class Zeros : uint8_t { elements, packed_rows } zero_form = Zeros::elements;
  int64_t zero_row_bytes = 0;

  void read(int64_t r, int64_t nr, int64_t c, int64_t nc, double* out) const override {
    for (int64_t i = 0; i < nr; ++i, out += nc) {
      const int64_t row = r + i, first = base.empty() ? row * row_scales : base[static_cast<size_t>(row)];
      int64_t known = -1;
      double scale = 0, zero = 0;
      for (int64_t k = 0; k < nc; ++k) {
        const int64_t at = step == 0 ? 0 : (c + k) / block * step;
        if (at != known) {
          known = at;
          scale = scales->as_double(first + at);
          zero = zero_point(row, first, at);
        }
        out[k] = (code(row * row_codes + c + k) - zero) * scale;
      }
    }
  }

 private:
  double code(int64_t i) const {
    return bits == 0 ? codes->as_double(i) : packed_code(codes->bytes().data(), i, bits);
  }
  double zero_point(int64_t row, int64_t first, int64_t at) const {
    if (!zeros) return middle;
    if (zero_form == Zeros::elements) return zeros->as_double(first + at);
    return packed_code(zeros->bytes().data() + row * zero_row_bytes, at, bits);
  }
};

// Dims that a Reshape with a constant target gives t; nullopt where they do not fit.
std::optional<std::vector<int64_t>> reshaped_dims(const Model& m, const Node& n, const Tensor& t) {
  const Tensor* target = n.input(1) ? m.constant(n.input(1)) : nullptr;
  if (target == nullptr || target->dtype != DType::I64 || target->rank() != 1 || target->count() > kMaxRank)
    return std::nullopt;
  std::vector<int64_t> dims = target->to_i64();
  int64_t known = 1, open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && n.attrs.i("allowzero", 0) == 0) dims[i] = i < t.dims.size() ? t.dims[i] : 0;
    if (dims[i] == -1 && open < 0)
      open = static_cast<int64_t>(i);
    else if (dims[i] < 0)
      return std::nullopt;
    else
      known = checked_mul(known, dims[i]);
  }
  if (open >= 0) {
    if (known == 0 || t.count() % known != 0) return std::nullopt;
    dims[static_cast<size_t>(open)] = t.count() / known;
  }
  if (element_count(dims) != t.count()) return std::nullopt;
  return dims;
}

// A constant, also behind Casts (float16 scales of float32 products) and Reshapes (one blob that is table and
// head).
TensorPtr constant_of(const Model& m, ValueId v, std::vector<ValueId>& parts) {
  std::vector<NodeId> reshapes;
  for (int steps = 0; steps < kMaxSteps && v && !m.constant(v) && m[v].def; ++steps) {
    const Node& n = m[m[v].def];
    if (n.is("Reshape"))
      reshapes.push_back(m[v].def);
    else if (!n.is("Cast") && !n.is("Identity"))
      break;
    v = n.input(0);
  }
  if (!v) return nullptr;
  TensorPtr t = m.constant_ptr(v);
  if (!t || (t->count() > 0 && t->bytes().empty()) || t->dtype == DType::String || t->dtype == DType::C64 ||
      t->dtype == DType::C128)
    return nullptr;
  for (size_t i = reshapes.size(); i-- > 0;) {
    const auto dims = reshaped_dims(m, m[reshapes[i]], *t);
    if (!dims) return nullptr;
    t = std::make_shared<const Tensor>(t->reshaped(*dims));
  }
  parts.push_back(v);
  return t;
}

struct Parts {
  TensorPtr codes, scales, zeros;
  std::vector<ValueId> ids;
};

// Inputs by position; false where one that must be constant is not.
bool take(const Model& m, const Node& n, size_t codes, size_t scales, size_t zeros, Parts& p) {
  p.codes = constant_of(m, n.input(codes), p.ids);
  p.scales = constant_of(m, n.input(scales), p.ids);
  if (!p.codes || !p.scales || !is_floating(p.scales->dtype)) return false;
  if (!n.input(zeros)) return true;
  p.zeros = constant_of(m, n.input(zeros), p.ids);
  return p.zeros != nullptr;
}

Weight weight_of(const Model& m, Parts& p, WeightViewPtr view, std::vector<int64_t> dims,
                 std::string stored) {
  Weight w;
  w.view = std::move(view);
  w.dims = std::move(dims);
  w.name = m[p.ids[0]].name;
  w.stored = std::move(stored);
  for (const ValueId v : p.ids) w.bytes += static_cast<int64_t>(m.constant(v)->byte_size());
  w.parts = std::move(p.ids);
  return w;
}

bool good_bits(int64_t bits) { return bits == 2 || bits == 4 || bits == 8; }
bool good_block(int64_t block) { return block >= 1 && block <= (int64_t{1} << 31); }

std::optional<Weight> matmul_nbits(const Model& m, const Node& n) {
  const int64_t k = n.attrs.i("K", 0), rows = n.attrs.i("N", 0), bits = n.attrs.i("bits", 4),
                block = n.attrs.i("block_size", 0);
  Parts p;
  if (k <= 0 || rows <= 0 || !good_bits(bits) || !good_block(block) || n.input(4) || !take(m, n, 1, 2, 3, p))
    return std::nullopt;
  const int64_t blocks = (k - 1) / block + 1, blob = checked_mul(block, bits) / 8;
  if (p.codes->dtype != DType::U8 || p.codes->count() != checked_mul(checked_mul(rows, blocks), blob) ||
      p.scales->count() != checked_mul(rows, blocks))
    return std::nullopt;
  auto v = std::make_shared<Dequantized>();
  v->rows = rows;
  v->cols = k;
  v->row_codes = checked_mul(blocks, block);
  v->bits = static_cast<int>(bits);
  v->block = block;
  v->step = 1;
  v->row_scales = blocks;
  v->middle = static_cast<double>(1 << (bits - 1));
  if (p.zeros && p.zeros->dtype == DType::U8) {
    v->zero_form = Dequantized::Zeros::packed_rows;
    v->zero_row_bytes = (checked_mul(blocks, bits) + 7) / 8;
    if (p.zeros->count() != checked_mul(rows, v->zero_row_bytes)) return std::nullopt;
  } else if (p.zeros && p.zeros->count() != p.scales->count()) {
    return std::nullopt;
  }
  v->codes = p.codes;
  v->scales = p.scales;
  v->zeros = p.zeros;
  return weight_of(m, p, transposed(v), {k, rows}, fmt::format("{}-bit, blocks of {}", bits, block));
}

std::optional<Weight> gather_block_quantized(const Model& m, const Node& n) {
  const int64_t bits = n.attrs.i("bits", 4), block = n.attrs.i("block_size", 128);
  Parts p;
  if (!good_bits(bits) || !good_block(block) || !take(m, n, 0, 2, 3, p)) return std::nullopt;
  const int64_t rank = p.codes->rank(), axis = n.attrs.i("quantize_axis", 1);
  if (rank < 1 || (axis != rank - 1 && axis != -1) || p.codes->count() == 0) return std::nullopt;
  const bool bytes = p.codes->dtype == DType::U8;
  if (!bytes && p.codes->dtype != DType::U4 && p.codes->dtype != DType::I4) return std::nullopt;
  auto v = std::make_shared<Dequantized>();
  std::vector<int64_t> dims = p.codes->dims;
  dims.back() = checked_mul(dims.back(), bytes ? 8 / bits : 1);
  v->cols = dims.back();
  v->rows = element_count(dims) / v->cols;
  v->row_codes = v->cols;
  v->bits = bytes ? static_cast<int>(bits) : 0;
  v->block = block;
  v->step = 1;
  v->row_scales = (v->cols - 1) / block + 1;
  v->middle = bytes ? static_cast<double>(1 << (bits - 1)) : 0;
  if (p.scales->count() != checked_mul(v->rows, v->row_scales)) return std::nullopt;
  if (p.zeros && bytes) {
    v->zero_form = Dequantized::Zeros::packed_rows;
    v->zero_row_bytes = (checked_mul(v->row_scales, bits) + 7) / 8;
    if (p.zeros->dtype != DType::U8 || p.zeros->count() != checked_mul(v->rows, v->zero_row_bytes))
      return std::nullopt;
  } else if (p.zeros && p.zeros->count() != p.scales->count()) {
    return std::nullopt;
  }
  v->codes = p.codes;
  v->scales = p.scales;
  v->zeros = p.zeros;
  return weight_of(m, p, v, dims, fmt::format("{}-bit, blocks of {}", bytes ? bits : 4, block));
}

std::optional<Weight> dequantize_linear(const Model& m, const Node& n) {
  Parts p;
  if (!take(m, n, 0, 1, 2, p) || p.codes->count() == 0) return std::nullopt;
  const std::vector<int64_t>& dims = p.codes->dims;
  const auto rank = static_cast<int64_t>(dims.size());
  const int64_t block = n.attrs.i("block_size", 0);
  int64_t axis = n.attrs.i("axis", 1);
  if (axis < 0) axis += rank;
  if (p.zeros && p.zeros->count() != p.scales->count()) return std::nullopt;
  auto v = std::make_shared<Dequantized>();
  v->bits = 0;
  v->cols = rank > 0 ? dims.back() : 1;
  v->rows = p.codes->count() / v->cols;
  v->row_codes = v->cols;
  std::string how = std::string(onnx_name(p.codes->dtype));
  if (p.scales->count() == 1) {
    how += ", one scale";
  } else {
    if (axis < 0 || axis >= rank) return std::nullopt;
    std::vector<int64_t> want = dims;
    const bool blocked = block > 0;
    if (blocked) want[static_cast<size_t>(axis)] = (dims[static_cast<size_t>(axis)] - 1) / block + 1;
    if (p.scales->dims != (blocked ? want : std::vector<int64_t>{dims[static_cast<size_t>(axis)]}))
      return std::nullopt;
    how += blocked ? fmt::format(", blocks of {}", block) : std::string(", scales by channel");
    const bool last = axis == rank - 1;
    v->block = blocked && last ? block : 1;
    v->step = blocked || last ? 1 : 0;
    int64_t inner = 1;  // rows from one index of `axis` to the next
    for (int64_t d = axis + 1; d < rank - 1; ++d) inner *= dims[static_cast<size_t>(d)];
    const int64_t size = dims[static_cast<size_t>(axis)], scale_row = want.back();
    for (int64_t r = 0; r < v->rows; ++r) {
      if (last) {
        v->base.push_back(blocked ? r * scale_row : 0);
        continue;
      }
      const int64_t index = r / inner % size, outer = r / inner / size, rest = r % inner;
      v->base.push_back(blocked ? ((outer * want[static_cast<size_t>(axis)] + index / block) * inner + rest) *
                                      scale_row
                                : index);
    }
  }
  v->codes = p.codes;
  v->scales = p.scales;
  v->zeros = p.zeros;
  return weight_of(m, p, v, dims, how);
}

}  // namespace

std::optional<Weight> quantized_weight(const Model& m, NodeId id) {
  const Node& n = m[id];
  try {
    if (n.is("MatMulNBits", "com.microsoft")) return matmul_nbits(m, n);
    if (n.is("GatherBlockQuantized", "com.microsoft")) return gather_block_quantized(m, n);
    if (n.is("DequantizeLinear") || n.is("DequantizeLinear", "com.microsoft")) return dequantize_linear(m, n);
  } catch (const Error&) {  // sizes that overflow, attributes of another type
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace lathe::diff
