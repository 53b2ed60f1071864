// NonMaxSuppression and RoiAlign (He et al. 2017; bins are sampled bilinearly).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/base/work_vector.h"
#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

struct Box {
  double y1, x1, y2, x2;
  double area() const { return (y2 - y1) * (x2 - x1); }
};

Box box_of(const float* p, bool center) {
  if (center) return {p[1] - p[3] / 2.0, p[0] - p[2] / 2.0, p[1] + p[3] / 2.0, p[0] + p[2] / 2.0};
  return {std::min(p[0], p[2]), std::min(p[1], p[3]), std::max(p[0], p[2]), std::max(p[1], p[3])};
}

double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1),
               width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(height > 0) || !(width > 0)) return 0;
  const double common = height * width, total = a.area() + b.area() - common;
  return a.area() <= 0 || b.area() <= 0 || total <= 0 ? 0 : common / total;
}

double scalar(EvalCtx& c, size_t i, double otherwise) {
  if (!c.has(i)) return otherwise;
  const auto v = c.in(i).scalar_value();
  if (!v) fail("input {} must be one number", i);
  return *v;
}

void eval_nms(EvalCtx& c) {
  const Tensor boxes = convert(c.in(0), DType::F32), scores = convert(c.in(1), DType::F32);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dims[2] != 4)
    fail("boxes must be [batch, n, 4], scores [batch, classes, n]");
  const int64_t batch = boxes.dims[0], n = boxes.dims[1], classes = scores.dims[1];
  if (scores.dims[0] != batch || scores.dims[2] != n) fail("boxes and scores differ in batch or number");
  const double most = scalar(c, 2, 0), iou = scalar(c, 3, 0);
  const bool thresholded = c.has(4), center = c.attrs().i("center_point_box", 0) != 0;
  const double least = scalar(c, 4, 0);
  WorkVector<int64_t> selected;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t k = 0; k < classes; ++k) {
      const float* s = scores.data<float>().data() + (b * classes + k) * n;
      const float* at = boxes.data<float>().data() + b * n * 4;
      WorkVector<int64_t> order;
      for (int64_t i = 0; i < n; ++i)
        if (s[i] == s[i] && (!thresholded || static_cast<double>(s[i]) > least)) order.push_back(i);
      std::stable_sort(order.begin(), order.end(), [s](int64_t i, int64_t j) { return s[i] > s[j]; });
      WorkVector<Box> kept;
      for (const int64_t i : order) {
        if (static_cast<double>(kept.size()) >= most) break;
        const Box box = box_of(at + i * 4, center);
        if (std::any_of(kept.begin(), kept.end(),
                        [&](const Box& other) { return overlap(box, other) > iou; }))
          continue;
        kept.push_back(box);
        selected.insert(selected.end(), {b, k, i});
      }
    }
  }
  const auto rows = static_cast<int64_t>(selected.size() / 3);
  c.set(0, Tensor::of<int64_t>(DType::I64, {rows, 3}, selected));
}

void infer_nms(InferCtx& c) { c.out(0, DType::I64, Shape{Dim::unknown(), Dim(3)}); }

// Four neighbours of a sampling point and their weights.
struct Sample {
  int64_t at[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};
};

Sample sample_at(double y, double x, int64_t height, int64_t width) {
  Sample s;
  if (!(y >= -1) || y > static_cast<double>(height) || !(x >= -1) || x > static_cast<double>(width)) return s;
  y = std::max(y, 0.0);
  x = std::max(x, 0.0);
  auto low_y = static_cast<int64_t>(y), low_x = static_cast<int64_t>(x);
  if (low_y >= height - 1) y = static_cast<double>(low_y = height - 1);
  if (low_x >= width - 1) x = static_cast<double>(low_x = width - 1);
  const int64_t high_y = std::min(low_y + 1, height - 1), high_x = std::min(low_x + 1, width - 1);
  const double ly = y - static_cast<double>(low_y), lx = x - static_cast<double>(low_x), hy = 1 - ly,
               hx = 1 - lx;
  return {{low_y * width + low_x, low_y * width + high_x, high_y * width + low_x, high_y * width + high_x},
          {hy * hx, hy * lx, ly * hx, ly * lx}};
}

struct RoiGrid {
  int64_t bins_y, bins_x, per_y, per_x;  // bins, and sampling points in each
  WorkVector<Sample> samples;            // bin by bin
};

RoiGrid grid_of(EvalCtx& c, const double* roi, int64_t height, int64_t width) {
  const Attrs& a = c.attrs();
  const std::string how = a.s("coordinate_transformation_mode", "half_pixel");
  if (how != "half_pixel" && how != "output_half_pixel")
    fail("coordinate_transformation_mode '{}' is not known", how);
  const bool half_pixel = how == "half_pixel";
  const double scale = a.f("spatial_scale", 1), shift = half_pixel ? 0.5 : 0;
  const double x = roi[0] * scale - shift, y = roi[1] * scale - shift;
  double w = roi[2] * scale - shift - x, h = roi[3] * scale - shift - y;
  if (!half_pixel) {  // boxes without area count as 1 x 1
    w = std::max(w, 1.0);
    h = std::max(h, 1.0);
  }
  RoiGrid g;
  g.bins_y = a.i("output_height", 1);
  g.bins_x = a.i("output_width", 1);
  const int64_t ratio = a.i("sampling_ratio", 0);
  const double bin_h = h / static_cast<double>(g.bins_y), bin_w = w / static_cast<double>(g.bins_x);
  const auto points = [&](double size) {
    const double n = ratio > 0 ? static_cast<double>(ratio) : std::ceil(size);
    if (!(n <= 65536)) fail("a bin of size {} needs too many sampling points", size);
    return std::max<int64_t>(0, static_cast<int64_t>(n));
  };
  g.per_y = points(bin_h);
  g.per_x = points(bin_w);
  const int64_t total = checked_mul(checked_mul(g.bins_y, g.bins_x), checked_mul(g.per_y, g.per_x));
  if (total > (int64_t{1} << 26)) fail("a region needs {} sampling points", total);
  g.samples.reserve(static_cast<size_t>(total));
  for (int64_t by = 0; by < g.bins_y; ++by)
    for (int64_t bx = 0; bx < g.bins_x; ++bx)
      for (int64_t iy = 0; iy < g.per_y; ++iy)
        for (int64_t ix = 0; ix < g.per_x; ++ix) {
          const double py =
              y + (static_cast<double>(by) + (static_cast<double>(iy) + 0.5) / static_cast<double>(g.per_y)) *
                      bin_h;
          const double px =
              x + (static_cast<double>(bx) + (static_cast<double>(ix) + 0.5) / static_cast<double>(g.per_x)) *
                      bin_w;
          g.samples.push_back(sample_at(py, px, height, width));
        }
  return g;
}

// In max mode the largest weighted neighbour counts, as runtimes have it.
template <class T>
double pool_bin(const T* plane, const Sample* s, int64_t n, bool average) {
  double acc = 0;
  for (int64_t i = 0; i < n; ++i) {
    double v[4];
    for (int k = 0; k < 4; ++k) v[k] = s[i].weight[k] * static_cast<double>(load_element(plane[s[i].at[k]]));
    const double value = average ? v[0] + v[1] + v[2] + v[3] : std::max({v[0], v[1], v[2], v[3]});
    acc = average ? acc + value : i == 0 ? value : std::max(acc, value);
  }
  return average ? acc / static_cast<double>(std::max<int64_t>(n, 1)) : acc;
}

void eval_roi_align(EvalCtx& c) {
  const Tensor& x = c.in(0);
  const Tensor rois = convert(c.in(1), DType::F64);
  const std::vector<int64_t> batch_of = c.in(2).to_i64();
  if (x.rank() != 4 || rois.rank() != 2 || rois.dims[1] != 4) fail("x must have rank 4 and rois be [n, 4]");
  const std::string mode = c.attrs().s("mode", "avg");
  if (mode != "avg" && mode != "max") fail("mode '{}' is neither avg nor max", mode);
  const int64_t n = rois.dims[0], channels = x.dims[1], height = x.dims[2], width = x.dims[3];
  const int64_t out_h = c.attrs().i("output_height", 1), out_w = c.attrs().i("output_width", 1);
  if (static_cast<int64_t>(batch_of.size()) != n) fail("{} batch indices for {} regions", batch_of.size(), n);
  for (const int64_t b : batch_of)
    if (b < 0 || b >= x.dims[0]) fail("batch index {} is outside of 0..{}", b, x.dims[0] - 1);
  if (out_h < 1 || out_w < 1) fail("output size {} x {}", out_h, out_w);
  Tensor& y = c.out(0, x.dtype, {n, channels, out_h, out_w});
  if (y.count() == 0) return;
  if (height == 0 || width == 0) fail("x has no pixels");
  dispatch<Floats>(x.dtype, [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const RoiGrid g = grid_of(c, rois.data<double>().data() + r * 4, height, width);
        const int64_t per_bin = g.per_y * g.per_x, bins = out_h * out_w;
        for (int64_t k = 0; k < channels; ++k) {
          const T* plane = in + (batch_of[static_cast<size_t>(r)] * channels + k) * height * width;
          for (int64_t b = 0; b < bins; ++b)
            out[(r * channels + k) * bins + b] = store_element<T>(static_cast<Compute<T>>(
                pool_bin(plane, g.samples.data() + b * per_bin, per_bin, mode == "avg")));
        }
      }
    });
  });
}

void infer_roi_align(InferCtx& c) {
  Shape out(4, Dim::unknown());
  if (const Shape* rois = c.shape(1); rois != nullptr && !rois->empty()) out[0] = rois->front();
  if (const Shape* x = c.shape(0); x != nullptr && x->size() == 4) out[1] = (*x)[1];
  out[2] = Dim(c.attrs().i("output_height", 1));
  out[3] = Dim(c.attrs().i("output_width", 1));
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_object_detection(OpRegistry& r) {
  r.add({.domain = "",
         .type = "NonMaxSuppression",
         .infer = infer_nms,
         .eval = eval_nms,
         .exactness = Exactness::bitwise});
  r.add({.domain = "", .type = "RoiAlign", .infer = infer_roi_align, .eval = eval_roi_align});
}

}  // namespace lathe
