#include "ir/ops/nn/window.h"

#include "ir/base/checked.h"

namespace lathe {
namespace {

// Windows reach no further than this, so that sums of a few such sizes stay inside int64.
constexpr int64_t kMaxExtent = int64_t{1} << 40;

Dims list_of(const Attrs& attrs, const char* name, size_t rank, int64_t otherwise, int64_t least) {
  Dims v = attrs.ints(name);
  if (v.empty()) v.assign(rank, otherwise);
  if (v.size() != rank) fail("{} has {} entries, {} are needed", name, v.size(), rank);
  for (const int64_t x : v)
    if (x < least || x > kMaxExtent) fail("{} has the value {}", name, x);
  return v;
}

struct Geometry {
  Dims strides, dilations, pads;
  bool same = false, extra_at_end = true;  // auto_pad SAME_UPPER, SAME_LOWER
  bool ceil_mode = false;
};

Geometry geometry_of(const Attrs& attrs, size_t rank, bool ceil_mode) {
  Geometry g;
  g.strides = list_of(attrs, "strides", rank, 1, 1);
  g.dilations = list_of(attrs, "dilations", rank, 1, 1);
  g.pads = list_of(attrs, "pads", 2 * rank, 0, 0);
  const std::string how = attrs.s("auto_pad", "NOTSET");
  if (!how.empty() && how != "NOTSET" && how != "VALID" && how != "SAME_UPPER" && how != "SAME_LOWER")
    fail("auto_pad '{}' is not known", how);
  g.same = how.starts_with("SAME_");
  g.extra_at_end = how != "SAME_LOWER";
  if (how == "VALID") g.pads.assign(2 * rank, 0);
  g.ceil_mode = ceil_mode && how != "VALID";
  return g;
}

int64_t effective(int64_t kernel, int64_t dilation) {
  return checked_add(checked_mul(kernel - 1, dilation), 1);
}

// Output size and padding of one spatial dim.
struct Extent {
  int64_t out, begin, end;
};
Extent extent_of(const Geometry& g, size_t d, int64_t kernel, int64_t in) {
  if (kernel < 1 || kernel > kMaxExtent) fail("the kernel has size {}", kernel);
  if (in > kMaxExtent) fail("the input has size {}", in);
  const int64_t reach = effective(kernel, g.dilations[d]), stride = g.strides[d];
  if (reach > kMaxExtent) fail("the kernel reaches over {} elements", reach);
  if (g.same) {
    const int64_t out = (in + stride - 1) / stride,
                  total = std::max<int64_t>(0, (out - 1) * stride + reach - in);
    const int64_t less = total / 2, more = total - less;
    return g.extra_at_end ? Extent{out, less, more} : Extent{out, more, less};
  }
  Extent e{0, g.pads[d], g.pads[g.strides.size() + d]};
  const int64_t room = in + e.begin + e.end - reach;
  if (room < 0) fail("the kernel reaches over {} elements, the padded input has {}", reach, room + reach);
  e.out = room / stride + 1;
  if (g.ceil_mode && room % stride != 0 && e.out * stride < in + e.begin) ++e.out;
  return e;
}

}  // namespace

Window make_window(const Attrs& attrs, Dims kernel, Dims in, bool ceil_mode) {
  const size_t rank = in.size();
  if (rank == 0) fail("there are no spatial dims");
  if (kernel.empty()) kernel = attrs.ints("kernel_shape");
  if (kernel.size() != rank) fail("the kernel has {} dims, the input {}", kernel.size(), rank);
  const Geometry g = geometry_of(attrs, rank, ceil_mode);
  Window w;
  w.in = std::move(in);
  w.kernel = std::move(kernel);
  w.strides = g.strides;
  w.dilations = g.dilations;
  for (size_t d = 0; d < rank; ++d) {
    const Extent e = extent_of(g, d, w.kernel[d], w.in[d]);
    w.out.push_back(e.out);
    w.begin.push_back(e.begin);
    w.end.push_back(e.end);
  }
  return w;
}

Shape window_shape(InferCtx& c, Shape kernel, const Shape& in, bool ceil_mode) {
  const size_t rank = in.size();
  if (kernel.empty())
    for (const int64_t k : c.attrs().ints("kernel_shape")) kernel.emplace_back(k);
  if (kernel.size() != rank)
    c.contradiction(fmt::format("the kernel has {} dims, the input {}", kernel.size(), rank));
  const Geometry g = geometry_of(c.attrs(), rank, ceil_mode);
  Shape out;
  for (size_t d = 0; d < rank; ++d) {
    const Dim stride = g.strides[d];
    if (in[d].is_const() && kernel[d].is_const()) {
      out.emplace_back(extent_of(g, d, kernel[d].value(), in[d].value()).out);
    } else if (g.same) {
      out.push_back(Dim::ceil_div(in[d], stride));
    } else if (g.ceil_mode && !stride.is_const(1)) {
      out.push_back(Dim::unknown());  // rounded up, unless the last window starts outside: no formula
    } else {
      const Dim reach = (kernel[d] - Dim(1)) * Dim(g.dilations[d]) + Dim(1);
      const Dim room = in[d] + Dim(g.pads[d]) + Dim(g.pads[rank + d]) - reach;
      out.push_back(Dim::floor_div(room, stride) + Dim(1));
    }
  }
  return out;
}

}  // namespace lathe
