// DFT, STFT, MelWeightMatrix. Computed in double and rounded once.
#include <algorithm>
#include <cmath>

#include "ir/base/parallel.h"
#include "ir/base/work_vector.h"
#include "ir/ops/convert.h"
#include "ir/ops/math/fft.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

using Complex = std::complex<double>;

int64_t scalar_int(EvalCtx& c, size_t i, const char* what) {
  const Tensor& t = c.in(i);
  if (t.count() != 1 || !is_integer(t.dtype)) fail("{} must be one integer", what);
  return t.as_i64(0);
}

bool is_complex(int64_t last) {
  if (last != 1 && last != 2) fail("the last dim must be 1 (real) or 2 (complex), it is {}", last);
  return last == 2;
}

// ---------------------------------------------------------------- DFT

std::optional<int64_t> known_scalar(const InferCtx& c, size_t i) {
  const auto v = known_ints(c, i);
  return v && v->size() == 1 ? std::optional((*v)[0]) : std::nullopt;
}

void infer_dft(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, c.dtype(0));
  const auto rank = static_cast<int64_t>(x->size());
  if (rank < 2) c.contradiction("the input has no signal dim");
  const bool inverse = c.attrs().i("inverse", 0) != 0, onesided = c.attrs().i("onesided", 0) != 0;
  Shape out = *x;
  out.back() = Dim(inverse && onesided ? 1 : 2);
  const auto axis = c.has(2) ? known_scalar(c, 2) : std::optional<int64_t>(-2);
  if (!axis) {
    for (size_t d = 1; d + 1 < out.size(); ++d) out[d] = Dim::unknown();
    out[0] = Dim::unknown();
    return c.out(0, c.dtype(0), std::move(out));
  }
  const auto a = static_cast<size_t>(normalize_axis(c, *axis, rank));
  if (a + 1 == x->size()) c.contradiction("the axis is that of the complex parts");
  Dim length = inverse && onesided ? Dim(2) * ((*x)[a] - Dim(1)) : (*x)[a];
  if (c.has(1)) {
    const auto given = c.value(1);
    length = given && given->size() == 1 ? (*given)[0] : Dim::unknown();
  }
  out[a] = onesided && !inverse ? Dim::floor_div(length, Dim(2)) + Dim(1) : length;
  c.out(0, c.dtype(0), std::move(out));
}

void eval_dft(EvalCtx& c) {
  const Tensor& given = c.in(0);
  if (given.rank() < 2) fail("the input has no signal dim");
  if (!is_floating(given.dtype)) fail("element type {} is not supported here", onnx_name(given.dtype));
  const bool inverse = c.attrs().i("inverse", 0) != 0, onesided = c.attrs().i("onesided", 0) != 0,
             complex_in = is_complex(given.dims.back()), real_out = inverse && onesided;
  const auto axis =
      static_cast<size_t>(normalize_axis(c.has(2) ? scalar_int(c, 2, "axis") : -2, given.rank()));
  if (axis + 1 == given.dims.size()) fail("the axis is that of the complex parts");
  const int64_t size = given.dims[axis];
  const int64_t length = c.has(1)   ? scalar_int(c, 1, "dft_length")
                         : real_out ? checked_mul(2, size - 1)
                                    : size;
  const Fft fft(length, inverse);
  const int64_t kept = onesided && !inverse ? length / 2 + 1 : length;
  Dims dims = given.dims;
  dims[axis] = kept;
  dims.back() = real_out ? 1 : 2;
  c.out(0, given.dtype, dims);  // refuses what is beyond the memory limit
  Tensor y = Tensor::uninitialized(DType::F64, dims);
  const Tensor x = convert(given, DType::F64);
  const int64_t inner = span_count(given.dims, axis + 1, given.dims.size() - 1),
                lines = checked_mul(span_count(given.dims, 0, axis), inner);
  // irfft reads one half of a Hermitian signal.
  const int64_t taken = std::min(size, real_out ? length / 2 + 1 : length), parts_in = complex_in ? 2 : 1;
  const double* in = x.data<double>().data();
  double* out = y.mutable_data<double>().data();
  parallel_for(lines, std::max<int64_t>(1, (1 << 14) / length), [&](int64_t begin, int64_t end) {
    WorkVector<Complex> line;
    for (int64_t l = begin; l < end; ++l) {
      line.assign(static_cast<size_t>(length), 0);
      const double* from = in + (l / inner * size * inner + l % inner) * parts_in;
      for (int64_t k = 0; k < taken; ++k)
        line[static_cast<size_t>(k)] = {from[k * inner * parts_in], complex_in ? from[k * inner * 2 + 1] : 0};
      if (real_out) {
        line[0] = line[0].real();
        if (length % 2 == 0)
          line[static_cast<size_t>(length / 2)] = line[static_cast<size_t>(length / 2)].real();
        for (int64_t k = 1; k < length - k; ++k)
          line[static_cast<size_t>(length - k)] = std::conj(line[static_cast<size_t>(k)]);
      }
      fft(line);
      const int64_t at = l / inner * kept * inner + l % inner;
      for (int64_t k = 0; k < kept; ++k) {
        const Complex v = line[static_cast<size_t>(k)];
        if (real_out) {
          out[at + k * inner] = v.real();
        } else {
          out[(at + k * inner) * 2] = v.real();
          out[(at + k * inner) * 2 + 1] = v.imag();
        }
      }
    }
  });
  c.set(0, convert(y, given.dtype));
}

// ---------------------------------------------------------------- STFT

void infer_stft(InferCtx& c) {
  const Shape *x = c.shape(0), *window = c.shape(2);
  Shape out{x != nullptr && !x->empty() ? (*x)[0] : Dim::unknown(), Dim::unknown(), Dim::unknown(), Dim(2)};
  const auto step = c.value(1), given = c.value(3);
  std::optional<Dim> length;
  if (c.has(3)) {
    if (given && given->size() == 1) length = (*given)[0];
  } else if (c.has(2)) {
    if (window != nullptr && window->size() == 1) length = (*window)[0];
  } else if (x != nullptr && x->size() == 3) {
    length = (*x)[1];
  }
  if (length) {
    out[2] = c.attrs().i("onesided", 1) != 0 ? Dim::floor_div(*length, Dim(2)) + Dim(1) : *length;
    if (x != nullptr && x->size() == 3 && step && step->size() == 1 && !(*step)[0].is_const(0))
      out[1] = Dim::floor_div((*x)[1] - *length, (*step)[0]) + Dim(1);
  }
  c.out(0, c.dtype(0), std::move(out));
}

void eval_stft(EvalCtx& c) {
  const Tensor& given = c.in(0);
  if (given.rank() != 3) fail("the signal must be [batch, length, 1 or 2]");
  if (!is_floating(given.dtype)) fail("element type {} is not supported here", onnx_name(given.dtype));
  const int64_t parts = is_complex(given.dims[2]) ? 2 : 1, size = given.dims[1],
                step = scalar_int(c, 1, "frame_step");
  const Tensor window = c.has(2) ? convert(c.in(2), DType::F64) : Tensor();
  if (window.defined() && window.rank() != 1) fail("the window must have rank 1");
  const int64_t length = c.has(3)           ? scalar_int(c, 3, "frame_length")
                         : window.defined() ? window.dims[0]
                                            : size;
  if (window.defined() && window.dims[0] != length)
    fail("frames of {}, a window of {}", length, window.dims[0]);
  if (step < 1) fail("frame_step {}", step);
  if (length < 1 || length > size) fail("frames of {} in a signal of {}", length, size);
  const int64_t frames = (size - length) / step + 1;
  const int64_t kept = c.attrs().i("onesided", 1) != 0 ? length / 2 + 1 : length;
  const Fft fft(length, false);
  const Tensor x = convert(given, DType::F64);
  c.out(0, given.dtype, {given.dims[0], frames, kept, 2});
  Tensor y = Tensor::uninitialized(DType::F64, {given.dims[0], frames, kept, 2});
  const double *in = x.data<double>().data(), *w = window.data<double>().data();
  double* out = y.mutable_data<double>().data();
  parallel_for(given.dims[0] * frames, std::max<int64_t>(1, (1 << 14) / length),
               [&](int64_t begin, int64_t end) {
                 WorkVector<Complex> frame;
                 for (int64_t f = begin; f < end; ++f) {
                   frame.assign(static_cast<size_t>(length), 0);
                   const double* from = in + (f / frames * size + f % frames * step) * parts;
                   for (int64_t k = 0; k < length; ++k) {
                     const Complex v{from[k * parts], parts == 2 ? from[k * 2 + 1] : 0};
                     frame[static_cast<size_t>(k)] = window.defined() ? v * w[k] : v;
                   }
                   fft(frame);
                   for (int64_t k = 0; k < kept; ++k) {
                     out[(f * kept + k) * 2] = frame[static_cast<size_t>(k)].real();
                     out[(f * kept + k) * 2 + 1] = frame[static_cast<size_t>(k)].imag();
                   }
                 }
               });
  c.set(0, convert(y, given.dtype));
}

// ---------------------------------------------------------------- MelWeightMatrix

DType asked_dtype(const Attrs& attrs) {
  const int64_t t = attrs.i("output_datatype", static_cast<int64_t>(DType::F32));
  const auto dtype = static_cast<DType>(t);
  if (t < 1 || t >= kDTypeCount || !(is_floating(dtype) || is_integer(dtype))) fail("output_datatype {}", t);
  return dtype;
}

void infer_mel(InferCtx& c) {
  const auto bins = c.value(0), length = c.value(1);
  const auto one = [](const std::optional<Shape>& v) {
    return v && v->size() == 1 ? (*v)[0] : Dim::unknown();
  };
  c.out(0, asked_dtype(c.attrs()), Shape{Dim::floor_div(one(length), Dim(2)) + Dim(1), one(bins)});
}

// Triangles that are even on the mel scale: 2595 log10(1 + hertz / 700).
void eval_mel(EvalCtx& c) {
  const int64_t bins = scalar_int(c, 0, "num_mel_bins"), length = scalar_int(c, 1, "dft_length"),
                rate = scalar_int(c, 2, "sample_rate");
  const auto low = c.in(3).scalar_value(), high = c.in(4).scalar_value();
  if (!low || !high || !(*low >= 0) || !(*high >= *low) || !std::isfinite(*high))
    fail("the edges are no range of hertz");
  if (bins < 0 || length < 0 || rate < 1)
    fail("{} bins of a transform of {} at {} hertz", bins, length, rate);
  const int64_t rows = length / 2 + 1;
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double from = mel(*low), step = (mel(*high) - from) / static_cast<double>(bins + 2);
  const auto edge = [&](int64_t i) {
    const double hertz = 700 * (std::pow(10, (from + step * static_cast<double>(i)) / 2595) - 1);
    const double at = std::floor((static_cast<double>(length) + 1) * hertz / static_cast<double>(rate));
    if (!(at >= 0 && at < static_cast<double>(rows))) fail("an edge lies beyond half of the sample rate");
    return static_cast<int64_t>(at);
  };
  const DType dtype = asked_dtype(c.attrs());
  c.out(0, dtype, {rows, bins});
  Tensor y = Tensor::make(dtype, {rows, bins});
  const auto put = [&](int64_t row, int64_t bin, double v) {
    store_double(dtype, y.mutable_bytes().data(), row * bins + bin, v);
  };
  for (int64_t i = 0; i < bins; ++i) {
    const int64_t left = edge(i), center = edge(i + 1), right = edge(i + 2);
    if (left == center) put(center, i, 1);
    for (int64_t j = left; left < center && j <= center; ++j)
      put(j, i, static_cast<double>(j - left) / static_cast<double>(center - left));
    for (int64_t j = center; j < right; ++j)
      put(j, i, static_cast<double>(right - j) / static_cast<double>(right - center));
  }
  c.set(0, std::move(y));
}

}  // namespace

void register_dft(OpRegistry& r) {
  r.add({"", "DFT", infer_dft, eval_dft});
  r.add({"", "MelWeightMatrix", infer_mel, eval_mel});
  r.add({"", "STFT", infer_stft, eval_stft});
}

}  // namespace lathe
