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

// The padding value takes part as one more element behind the input's.
void d_pad(Backward& b) {
  const int64_t count = b.at(b.x()).count();
  Vars in{b.leaf(numbered(b.dims(b.x()))), b.x(1), b.ints_scalar(count)};
  if (b.x(3) != kNoVar) in.push_back(b.x(3));
  const Var places = b.op("Pad", in, {{"mode", b.attrs().s("mode", "constant")}});
  const Var zeros = b.leaf(Tensor::make(b.at(b.x()).dtype, {checked_add(count, 1)}));
  const Var g =
      b.op("ScatterElements", {zeros, flat(b, places), flat(b, b.dy())}, {{"reduction", std::string("add")}});
  const auto part = [&](int64_t from, int64_t to) {
    return b.op("Slice", {g, b.ints({from}), b.ints({to})});
  };
  if (b.wants(0)) b.give(0, b.reshape(part(0, count), b.dims(b.x())));
  if (b.wants(2)) b.give(2, b.reshape(part(count, count + 1), b.dims(b.x(2))));
}

void d_top_k(Backward& b) {
  if (!b.wants(0) || b.dy() == kNoVar) return;
  AttrList attrs;
  for (const Attr& a : b.attrs().items()) attrs.emplace_back(a.name, a.value);
  const Var places = b.ops("TopK", {b.x(), b.x(1)}, attrs, 2)[1];
  b.give(0, b.op("ScatterElements", {b.zeros_like(b.x()), places, b.dy()},
                 {{"axis", b.attrs().i("axis", -1)}, {"reduction", std::string("add")}}));
}

// Elements outside the triangle get nothing.
void d_trilu(Backward& b) {
  if (!b.wants(0)) return;
  Vars in{b.dy()};
  if (b.x(1) != kNoVar) in.push_back(b.x(1));
  b.give(0, b.op("Trilu", in, {{"upper", b.attrs().i("upper", 1)}}));
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

void d_scatter_nd(Backward& b) {
  const std::string reduction = b.attrs().s("reduction", "none");
  if (reduction != "add" && reduction != "none") b.refuse("no derivative with this reduction is known");
  if (b.wants(0))
    b.give(0, reduction == "add" ? b.dy() : b.op("ScatterND", {b.dy(), b.x(1), b.zeros_like(b.x(2))}));
  if (b.wants(2)) b.give(2, b.op("GatherND", {b.dy(), b.x(1)}));
}

}  // namespace

DerivativeTable movement_derivatives() {
  return {{"Compress", d_moved},
          {"ReverseSequence", d_moved},
          {"ScatterND", d_scatter_nd},
          {"TopK", d_top_k},
          {"Trilu", d_trilu},
          {"Concat", d_concat},
          {"DepthToSpace", d_moved},
          {"Dropout", d_dropout},
          {"Expand", d_expand},
          {"Flatten", d_reshaped},
          {"Gather", d_moved},
          {"GatherElements", d_moved},
          {"GatherND", d_moved},
          {"Identity", d_reshaped},
          {"Pad", d_pad},
          {"Reshape", d_reshaped},
          {"ScatterElements", d_scatter_elements},
          {"Slice", d_moved},
          {"SpaceToDepth", d_moved},
          {"Split", d_moved},
          {"Squeeze", d_reshaped},
          {"Tile", d_moved},
          {"Transpose", d_transpose},
          {"Unsqueeze", d_reshaped}};
}

}  // namespace lathe
