// MaxRoiPool (Girshick, "Fast R-CNN", 2015, section 2.1).
#include <algorithm>
#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

struct Range {
  int64_t begin, end;
};

// Bin `i` of `bins` over the pixels [low, high] (both included), cut at the plane's edge.
Range bin_of(double low, double high, int64_t i, int64_t bins, int64_t size) {
  const double width = std::max(high - low + 1, 1.0) / static_cast<double>(bins),
               n = static_cast<double>(size);
  const double begin = low + std::floor(static_cast<double>(i) * width),
               end = low + std::ceil(static_cast<double>(i + 1) * width);
  return {static_cast<int64_t>(std::clamp(begin, 0.0, n)), static_cast<int64_t>(std::clamp(end, 0.0, n))};
}

std::vector<int64_t> pooled_shape(const Attrs& attrs) {
  auto shape = attrs.ints("pooled_shape");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) fail("pooled_shape must be two positive sizes");
  return shape;
}

void eval_max_roi_pool(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() != 4 || c.in(1).rank() != 2 || c.in(1).dims[1] != 5)
    fail("x must have rank 4 and rois be [n, 5]");
  const auto pooled = pooled_shape(c.attrs());
  const double scale = static_cast<double>(c.attrs().f("spatial_scale", 1));
  const auto rois = c.in(1).to_doubles();
  const int64_t n = c.in(1).dims[0], channels = x.dims[1], height = x.dims[2], width = x.dims[3];
  for (size_t i = 0; i < rois.size(); ++i)
    if (!std::isfinite(rois[i]) || std::fabs(rois[i] * scale) > 1e15)
      fail("region {} has the entry {}", i / 5, rois[i]);
  Tensor& y = c.out(0, x.dtype, {n, channels, pooled[0], pooled[1]});
  dispatch<Floats>(x.dtype, [&]<class T>() {
    using C = Compute<T>;
    T* out = y.mutable_data<T>().data();
    for (int64_t r = 0; r < n; ++r) {
      const double* roi = rois.data() + r * 5;
      if (!(roi[0] >= 0 && roi[0] < static_cast<double>(x.dims[0])))
        fail("batch index {} is outside of 0..{}", roi[0], x.dims[0] - 1);
      const auto batch = static_cast<int64_t>(roi[0]);
      const double x1 = std::round(roi[1] * scale), y1 = std::round(roi[2] * scale),
                   x2 = std::round(roi[3] * scale), y2 = std::round(roi[4] * scale);
      for (int64_t k = 0; k < channels; ++k) {
        const T* plane = x.data<T>().data() + (batch * channels + k) * height * width;
        for (int64_t py = 0; py < pooled[0]; ++py) {
          for (int64_t px = 0; px < pooled[1]; ++px) {
            const Range rows = bin_of(y1, y2, py, pooled[0], height),
                        columns = bin_of(x1, x2, px, pooled[1], width);
            bool any = false;
            C top = 0;  // of an empty bin
            for (int64_t i = rows.begin; i < rows.end; ++i)
              for (int64_t j = columns.begin; j < columns.end; ++j) {
                const C v = load_element(plane[i * width + j]);
                if (!any || v > top || v != v) top = v;
                any = true;
              }
            *out++ = static_cast<T>(top);
          }
        }
      }
    }
  });
}

void infer_max_roi_pool(InferCtx& c) {
  const auto pooled = pooled_shape(c.attrs());
  Shape out{Dim::unknown(), Dim::unknown(), Dim(pooled[0]), Dim(pooled[1])};
  if (const Shape* rois = c.shape(1); rois != nullptr && rois->size() == 2) out[0] = (*rois)[0];
  if (const Shape* x = c.shape(0); x != nullptr && x->size() == 4) out[1] = (*x)[1];
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

void register_roi_pool(OpRegistry& r) {
  r.add({"", "MaxRoiPool", infer_max_roi_pool, eval_max_roi_pool, Exactness::bitwise});
}

}  // namespace lathe
