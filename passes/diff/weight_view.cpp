#include "passes/diff/weight_view.h"

#include <algorithm>
#include <cstring>

#include "ir/base/narrow_types.h"

namespace lathe::diff {
namespace {

class Plain : public WeightView {
 public:
  explicit Plain(TensorPtr t) : t_(std::move(t)) {
    const int64_t count = t_->count();
    cols = t_->rank() > 0 ? t_->dims.back() : 1;
    rows = cols > 0 ? count / cols : 0;
  }
  void read(int64_t r, int64_t nr, int64_t c, int64_t nc, double* out) const override {
    for (int64_t i = 0; i < nr; ++i, out += nc) row((r + i) * cols + c, nc, out);
  }

 private:
  template <class T, class F>
  void convert(int64_t first, int64_t n, double* out, F&& f) const {
    const std::byte* p = t_->bytes().data() + first * static_cast<int64_t>(sizeof(T));
    for (int64_t i = 0; i < n; ++i, p += sizeof(T)) {
      T x;
      std::memcpy(&x, p, sizeof x);
      out[i] = f(x);
    }
  }
  void row(int64_t first, int64_t n, double* out) const {
    const auto number = [](auto x) { return static_cast<double>(x); };
    switch (t_->dtype) {
      case DType::F32:
        return convert<float>(first, n, out, number);
      case DType::F64:
        return convert<double>(first, n, out, number);
      case DType::F16:
        return convert<uint16_t>(first, n, out, [](uint16_t x) {
          return static_cast<double>(static_cast<float>(Eigen::numext::bit_cast<Half>(x)));
        });
      case DType::I8:
        return convert<int8_t>(first, n, out, number);
      case DType::U8:
        return convert<uint8_t>(first, n, out, number);
      default:
        for (int64_t i = 0; i < n; ++i) out[i] = t_->as_double(first + i);
    }
  }
  TensorPtr t_;
};

class Transposed : public WeightView {
 public:
  explicit Transposed(WeightViewPtr w) : w_(std::move(w)) {
    rows = w_->cols;
    cols = w_->rows;
  }
  void read(int64_t r, int64_t nr, int64_t c, int64_t nc, double* out) const override {
    std::vector<double> other(static_cast<size_t>(nr * nc));
    w_->read(c, nc, r, nr, other.data());
    for (int64_t i = 0; i < nr; ++i)
      for (int64_t k = 0; k < nc; ++k) out[i * nc + k] = other[static_cast<size_t>(k * nr + i)];
  }

 private:
  WeightViewPtr w_;
};

class Columns : public WeightView {
 public:
  Columns(WeightViewPtr w, int64_t first, int64_t count) : w_(std::move(w)), first_(first) {
    rows = w_->rows;
    cols = count;
  }
  void read(int64_t r, int64_t nr, int64_t c, int64_t nc, double* out) const override {
    w_->read(r, nr, first_ + c, nc, out);
  }

 private:
  WeightViewPtr w_;
  int64_t first_;
};

}  // namespace

std::optional<Weight> plain_weight(const Model& m, ValueId constant) {
  TensorPtr t = m.constant_ptr(constant);
  if (!t || t->dtype == DType::String || t->dtype == DType::C64 || t->dtype == DType::C128)
    return std::nullopt;
  if (t->count() > 0 && t->bytes().empty()) return std::nullopt;
  Weight w;
  w.dims = t->dims;
  w.name = m[constant].name;
  w.stored = onnx_name(t->dtype);
  w.bytes = static_cast<int64_t>(t->byte_size());
  w.parts = {constant};
  w.counts = t->dtype == DType::I32 || t->dtype == DType::I64;
  w.view = std::make_shared<Plain>(std::move(t));
  return w;
}

WeightViewPtr transposed(WeightViewPtr w) { return std::make_shared<Transposed>(std::move(w)); }

WeightViewPtr columns_of(WeightViewPtr w, int64_t first, int64_t cols) {
  return std::make_shared<Columns>(std::move(w), first, cols);
}

}  // namespace lathe::diff
