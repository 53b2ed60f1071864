// Ops that only move elements. Applied to the flat indices of its input, such an op says where each output
// element came from; the gradient goes back there.
#include <numeric>

#include "ir/ops/broadcast.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

Var flat(Backward& b, Var v) { return b.reshape(v, {b.at(v).count()}); }

Tensor numbered(const std::vector<int64_t>& dims) {
  Tensor t = Tensor::uninitialized(DType::I64, dims);
  const auto at = t.mutable_data<int64_t>();
  std::iota(at.begin(), at.end(), int64_t{0});
  return t;
}

void d_moved(Backward& b) {
  if (!b.wants(0)) return;
  const Vars places = b.repeat(b.leaf(numbered(b.dims(b.x()))));
  const Var zeros = b.leaf(Tensor::make(b.at(b.x()).dtype, {b.at(b.x()).count()}));
  for (size_t i = 0; i < b.outputs(); ++i)
    if (b.dy(i) != kNoVar) {
      const Var g = b.op("ScatterElements", {zeros, flat(b, places[i]), flat(b, b.dy(i))},
                         {{"reduction", std::string("add")}});
      b.give(0, b.reshape(g, b.dims(b.x())));
    }
}

// The same without copies where the elements keep their order.
void d_reshaped(Backward& b) {
  if (b.wants(0)) b.give(0, b.reshape(b.dy(), b.dims(b.x())));
}

void d_dropout(Backward& b) {
  if (b.x(2) != kNoVar && b.at(b.x(2)).as_i64(0) != 0) b.refuse("no derivative in training mode is known");
  d_reshaped(b);
}

void d_expand(Backward& b) { b.give(0, b.dy()); }

void d_transpose(Backward& b) {
  if (!b.wants(0)) return;
  const auto rank = static_cast<int64_t>(b.dims(b.x()).size());
  std::vector<int64_t> reversed(static_cast<size_t>(rank)), back(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) reversed[static_cast<size_t>(i)] = rank - 1 - i;
  const auto perm = b.attrs().ints("perm", reversed);
  for (size_t i = 0; i < perm.size(); ++i)
    back[static_cast<size_t>(normalize_axis(perm[i], rank))] = static_cast<int64_t>(i);
  b.give(0, b.op("Transpose", {b.dy()}, {{"perm", back}}));
}

void d_concat(Backward& b) {
  const auto rank = static_cast<int64_t>(b.dims(b.y()).size());
  const int64_t axis = normalize_axis(b.attrs().i("axis", 0), rank);
  int64_t at = 0;
  for (size_t i = 0; i < b.inputs(); ++i) {
    const int64_t size = b.dims(b.x(i))[static_cast<size_t>(axis)];
    if (b.wants(i)) b.give(i, b.op("Slice", {b.dy(), b.ints({at}), b.ints({at + size}), b.ints({axis})}));
    at += size;
  }
}

void d_pad(Backward& b) {
  if (b.attrs().s("mode", "constant") != "constant")
    b.refuse("only for constant padding a derivative is known");
  if (b.wants(2)) b.refuse("no derivative by the padding value is known");
  if (!b.wants(0)) return;
  const auto rank = static_cast<int64_t>(b.dims(b.x()).size());
  std::vector<int64_t> axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (b.x(3) != kNoVar) axes = b.at(b.x(3)).to_i64();
  const auto pads = b.at(b.x(1)).to_i64();
  std::vector<int64_t> starts, ends;
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i] = normalize_axis(axes[i], rank);
    if (pads[i] < 0 || pads[axes.size() + i] < 0) b.refuse("no derivative with negative padding is known");
    starts.push_back(pads[i]);
    ends.push_back(pads[i] + b.dims(b.x())[static_cast<size_t>(axes[i])]);
  }
  b.give(0, b.op("Slice", {b.dy(), b.ints(starts), b.ints(ends), b.ints(axes)}));
}

// What ends up in the sum: all of `data` (reduction add), or what no update replaces.
void d_scatter_elements(Backward& b) {
  const std::string reduction = b.attrs().s("reduction", "none");
  if (reduction != "add" && reduction != "none") b.refuse("no derivative with this reduction is known");
  const AttrValue axis = b.attrs().i("axis", 0);
  if (b.wants(0)) {
    Var g = b.dy();
    if (reduction == "none") g = b.op("ScatterElements", {g, b.x(1), b.zeros_like(b.x(2))}, {{"axis", axis}});
    b.give(0, g);
  }
  if (b.wants(2)) b.give(2, b.op("GatherElements", {b.dy(), b.x(1)}, {{"axis", axis}}));
}

}  // namespace

DerivativeTable movement_derivatives() {
  return {{"Concat", d_concat},        {"DepthToSpace", d_moved},
          {"Dropout", d_dropout},      {"Expand", d_expand},
          {"Flatten", d_reshaped},     {"Gather", d_moved},
          {"GatherElements", d_moved}, {"GatherND", d_moved},
          {"Identity", d_reshaped},    {"Pad", d_pad},
          {"Reshape", d_reshaped},     {"ScatterElements", d_scatter_elements},
          {"Slice", d_moved},          {"SpaceToDepth", d_moved},
          {"Split", d_moved},          {"Squeeze", d_reshaped},
          {"Tile", d_moved},           {"Transpose", d_transpose},
          {"Unsqueeze", d_reshaped}};
}

}  // namespace lathe
