#include "passes/quant/sites.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "ir/base/mapped_file.h"
#include "ir/core/walk.h"
#include "passes/core/addition.h"

namespace lathe {
namespace {

bool is_vector(const Model& m, ValueId v, int64_t n) {
  const Tensor* t = m.constant(v);
  return t != nullptr && t->rank() == 1 && t->dims[0] == n;
}

TensorPtr as_matrix(const Tensor& t, int64_t rows, int64_t columns) {
  return std::make_shared<const Tensor>(t.reshaped({rows, columns}));
}

// The addition of a constant vector right behind, if nothing else reads the product.
void take_bias(const Model& m, WeightSite& s) {
  const auto& uses = m[s.result].uses;
  if (uses.size() != 1 || !is_addition(m[uses[0].node])) return;
  const Node& add = m[uses[0].node];
  const ValueId other = add.input(1 - uses[0].slot);
  if (add.parent != m[s.node].parent || !is_vector(m, other, s.n())) return;
  s.bias = other;
  s.result = add.output(0);
  s.taken.push_back(uses[0].node);
}

// The constant behind v, through a Transpose that folding left alone (a tied head).
bool find_weight(const Model& m, ValueId v, WeightSite& s) {
  s.stored = v;
  s.weight = m.constant_ptr(v);
  if (s.weight) return true;
  const NodeId t = m[v].def;
  if (!t || !m[t].is("Transpose") || m[t].attrs.ints("perm", {1, 0}) != std::vector<int64_t>{1, 0})
    return false;
  s.stored = m[t].input(0);
  s.weight = m.constant_ptr(s.stored);
  s.transposed = !s.transposed;
  s.taken.push_back(t);
  return s.weight != nullptr;
}

WeightSite site_of(const Model& m, NodeId n, WeightSite::Kind kind, size_t input) {
  WeightSite s;
  s.kind = kind;
  s.node = n;
  s.taken = {n};
  s.input = m[n].input(input);
  s.result = m[n].output(0);
  return s;
}

std::optional<WeightSite> product(const Model& m, NodeId n) {
  const Node& node = m[n];
  WeightSite s = site_of(m, n, WeightSite::Kind::product, 0);
  if (node.is("Gemm")) {
    if (node.attrs.f("alpha", 1) != 1 || node.attrs.f("beta", 1) != 1)
      s.refusal = "alpha or beta is not 1";
    else if (node.attrs.i("transA", 0) != 0)
      s.refusal = "the input is transposed";
    s.transposed = node.attrs.i("transB", 0) != 0;
    s.bias = node.input(2);
  } else if (node.is("FusedMatMul", "com.microsoft")) {
    const Attrs& a = node.attrs;
    if (a.f("alpha", 1) != 1)
      s.refusal = "alpha is not 1";
    else if (a.i("transA", 0) != 0 || a.i("transBatchA", 0) != 0 || a.i("transBatchB", 0) != 0)
      s.refusal = "the input is transposed";
    s.transposed = a.i("transB", 0) != 0;
  } else if (!node.is("MatMul")) {
    return std::nullopt;
  }
  if (!s.input || !node.input(1) || !s.result || !find_weight(m, node.input(1), s)) return std::nullopt;
  const std::vector<int64_t>& d = s.weight->dims;
  if (d.size() < 2) return std::nullopt;
  if (d.size() > 2) {  // a batch of one is a matrix, as long as the result keeps its rank
    const int rank = m[s.input].type.rank();
    if (std::any_of(d.begin(), d.end() - 2, [](int64_t x) { return x != 1; }))
      s.refusal = "the weight is a batch of matrices";
    else if (rank < static_cast<int>(d.size()))
      s.refusal = "the weight has more dims than the input";
    if (!s.refusal.empty() || s.taken.size() > 1) return std::nullopt;
    s.weight = as_matrix(*s.weight, d[d.size() - 2], d[d.size() - 1]);
  }
  if (m[s.input].type.rank() == 1) s.refusal = "the input is a vector";
  if (s.bias && !is_vector(m, s.bias, s.n())) s.refusal = "the bias is not a constant vector";
  if (!s.bias && s.refusal.empty()) take_bias(m, s);
  return s;
}

bool all_are(const std::vector<int64_t>& v, int64_t x) {
  return std::all_of(v.begin(), v.end(), [&](int64_t i) { return i == x; });
}

std::optional<WeightSite> conv(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (!node.is("Conv") || !node.input(0) || !node.input(1)) return std::nullopt;
  WeightSite s = site_of(m, n, WeightSite::Kind::conv, 0);
  s.stored = node.input(1);
  const Tensor* w = m.constant(s.stored);
  if (w == nullptr || w->rank() != 4 || w->dims[2] != 1 || w->dims[3] != 1 || !s.result) return std::nullopt;
  s.weight = as_matrix(*w, w->dims[0], w->dims[1]);
  s.transposed = true;
  s.bias = node.input(2);
  const std::string pad = node.attrs.s("auto_pad", "NOTSET");
  if (node.attrs.i("group", 1) != 1)
    s.refusal = "the convolution is in groups";
  else if (!all_are(node.attrs.ints("strides", {}), 1))
    s.refusal = "the convolution strides";
  else if (pad == "NOTSET" && !all_are(node.attrs.ints("pads", {}), 0))
    s.refusal = "the convolution pads";
  else if (s.bias && !is_vector(m, s.bias, s.n()))
    s.refusal = "the bias is not a constant vector";
  return s;
}

std::optional<WeightSite> table(const Model& m, NodeId n) {
  const Node& node = m[n];
  if (!node.is("Gather") || node.attrs.i("axis", 0) != 0 || !node.input(0) || !node.input(1))
    return std::nullopt;
  WeightSite s = site_of(m, n, WeightSite::Kind::table, 1);
  s.stored = node.input(0);
  s.weight = m.constant_ptr(s.stored);
  s.transposed = true;
  if (!s.weight || s.weight->rank() != 2) return std::nullopt;
  return s;
}

template <class Word>
bool twins(const std::byte* a, const std::byte* b, int64_t rows, int64_t columns, int64_t first,
           int64_t last) {
  constexpr int64_t kSide = 32;
  const auto at = [](const std::byte* from, int64_t i) {
    Word w;
    std::memcpy(&w, from + i * static_cast<int64_t>(sizeof(Word)), sizeof(Word));
    return w;
  };
  for (int64_t i0 = first; i0 < last; i0 += kSide)
    for (int64_t j0 = 0; j0 < columns; j0 += kSide)
      for (int64_t i = i0; i < std::min(last, i0 + kSide); ++i)
        for (int64_t j = j0; j < std::min(columns, j0 + kSide); ++j)
          if (at(a, i * columns + j) != at(b, j * rows + i)) return false;
  return true;
}

// Is a[i, j] == b[j, i] for all of them, bit by bit?
bool transposed_twins(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.dims[0] != b.dims[1] || a.dims[1] != b.dims[0]) return false;
  const int bits = bit_width(a.dtype);
  if (bits != 16 && bits != 32) return false;
  const std::byte *pa = a.bytes().data(), *pb = b.bytes().data();
  const int64_t rows = a.dims[0], columns = a.dims[1];
  constexpr int64_t kRows = 2048;  // pages that were compared leave memory after so many
  bool same = true;
  for (int64_t first = 0; first < rows && same; first += kRows) {
    const int64_t last = std::min(rows, first + kRows);
    same = bits == 16 ? twins<uint16_t>(pa, pb, rows, columns, first, last)
                      : twins<uint32_t>(pa, pb, rows, columns, first, last);
    const auto row = static_cast<size_t>(columns * bits / 8);
    MappedFile::forget(
        a.bytes().subspan(static_cast<size_t>(first) * row, static_cast<size_t>(last - first) * row));
    MappedFile::forget(b.bytes());
  }
  return same;
}

}  // namespace

std::vector<WeightSite> find_weight_sites(const Model& m) {
  std::vector<WeightSite> sites;
  for (const GraphId g : nested_graphs(m, m.main()))
    for (const NodeId n : m.nodes(g)) {
      auto s = product(m, n);
      if (!s) s = conv(m, n);
      if (!s) s = table(m, n);
      if (s) sites.push_back(std::move(*s));
    }
  for (WeightSite& p : sites) {
    if (p.kind != WeightSite::Kind::product || p.transposed) continue;
    for (const WeightSite& t : sites) {
      if (t.kind != WeightSite::Kind::table || t.stored == p.stored ||
          !transposed_twins(*t.weight, *p.weight))
        continue;
      p.stored = t.stored;
      p.weight = t.weight;
      p.transposed = true;
      break;
    }
  }
  return sites;
}

std::string too_small(int64_t elements, int64_t least) {
  if (elements >= least) return {};
  return fmt::format("the weight has {} elements, fewer than min-elements={}", elements, least);
}

}  // namespace lathe
