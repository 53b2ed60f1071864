// Einsum: operands are contracted pairwise, left to right, each pair as one batched matrix product. Halves
// are computed in float and rounded once.
#include "ir/ops/math/einsum.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/base/quote.h"
#include "ir/ops/convert.h"
#include "ir/ops/math/matmul.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/strided.h"

namespace lathe {
namespace {

using Labels = EinsumTerms::Labels;

constexpr int kEllipsis = 256;  // where the labels of dims under an ellipsis start

struct Terms : EinsumTerms {  // an ellipsis is the one label kEllipsis
  bool explicit_out = false;
};

Labels parse_labels(std::string_view text) {
  Labels out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto ch = static_cast<unsigned char>(text[i]);
    if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')) {
      out.push_back(ch);
    } else if (text.substr(i, 3) == "..." && std::find(out.begin(), out.end(), kEllipsis) == out.end()) {
      out.push_back(kEllipsis);
      i += 2;
    } else {
      fail("equation: {} is no list of letters with at most one ellipsis", quote(text));
    }
  }
  return out;
}

Terms parse(std::string equation) {
  std::erase(equation, ' ');
  Terms t;
  const size_t arrow = equation.find("->");
  const std::string left = equation.substr(0, arrow);
  for (size_t at = 0;;) {
    const size_t end = left.find(',', at);
    t.in.push_back(
        parse_labels(std::string_view(left).substr(at, end == std::string::npos ? end : end - at)));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  t.explicit_out = arrow != std::string::npos;
  if (t.explicit_out) t.out = parse_labels(std::string_view(equation).substr(arrow + 2));
  return t;
}

// Replaces ellipses by labels, one a dim, right-aligned; settles the output's labels.
Terms expand(Terms t, const std::vector<size_t>& ranks) {
  if (t.in.size() != ranks.size())
    fail("equation has {} terms, there are {} inputs", t.in.size(), ranks.size());
  size_t widest = 0;
  std::vector<size_t> hidden(ranks.size());
  for (size_t k = 0; k < ranks.size(); ++k) {
    const bool dots = std::find(t.in[k].begin(), t.in[k].end(), kEllipsis) != t.in[k].end();
    const size_t letters = t.in[k].size() - (dots ? 1 : 0);
    if (ranks[k] < letters || (!dots && ranks[k] != letters))
      fail("equation: term {} has {} letters, input {} has rank {}", k, letters, k, ranks[k]);
    hidden[k] = ranks[k] - letters;
    widest = std::max(widest, hidden[k]);
  }
  const auto spread = [&](Labels& labels, size_t dims) {
    const auto it = std::find(labels.begin(), labels.end(), kEllipsis);
    if (it == labels.end()) return;
    Labels dots;
    for (size_t i = widest - dims; i < widest; ++i) dots.push_back(kEllipsis + static_cast<int>(i));
    labels.insert(labels.erase(it), dots.begin(), dots.end());
  };
  std::map<int, int> seen;
  for (size_t k = 0; k < ranks.size(); ++k) {
    spread(t.in[k], hidden[k]);
    for (const int label : t.in[k]) ++seen[label];
  }
  if (t.explicit_out) {
    spread(t.out, widest);
    std::set<int> once;
    for (const int label : t.out)
      if (!seen.contains(label) || !once.insert(label).second)
        fail("equation: an output label is repeated or in no input");
    return t;
  }
  for (size_t i = 0; i < widest; ++i) t.out.push_back(kEllipsis + static_cast<int>(i));
  for (const auto& [label, count] : seen)
    if (label < kEllipsis && count == 1) t.out.push_back(label);
  return t;
}

struct Operand {
  Tensor t;  // one dim a label, no label twice
  Labels labels;
};

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// A copy with the dims in another order; a label that occurs twice in `from` reads the diagonal.
Tensor arrange(const Tensor& t, const Labels& from, const Labels& order) {
  const auto strides = row_major(t.dims);
  StridedBox box;
  for (const int label : order) {
    int64_t size = 1, stride = 0;
    for (size_t d = 0; d < from.size(); ++d) {
      if (from[d] != label) continue;
      size = t.dims[d];
      stride += strides[d];
    }
    box.dims.push_back(size);
    box.from.push_back(stride);
  }
  box.to = row_major(box.dims);
  Tensor out = Tensor::uninitialized(t.dtype, box.dims);
  if (out.count() > 0) copy_strided(t.dtype, out.mutable_bytes().data(), t.bytes().data(), std::move(box));
  return out;
}

class Contraction {
 public:
  explicit Contraction(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Sums over the labels of a and b that nobody needs later.
  Operand operator()(const Operand& a, const Operand& b, const std::set<int>& needed) const {
    Labels batch, rows, inner, columns;
    for (const int label : a.labels) {
      if (has(b.labels, label))
        (needed.contains(label) ? batch : inner).push_back(label);
      else
        rows.push_back(label);
    }
    for (const int label : b.labels)
      if (!has(a.labels, label)) columns.push_back(label);
    const Tensor x = side(a, batch, rows, inner), y = side(b, batch, inner, columns);
    if (max_bytes_ > 0 && checked_mul(checked_mul(x.dims[0], x.dims[1]),
                                      checked_mul(y.dims[2], bit_width(x.dtype) / 8)) > max_bytes_)
      fail("an intermediate result is larger than the memory limit");
    Operand out;
    std::vector<int64_t> dims;
    const auto append = [&](const Operand& from, const Labels& labels) {
      for (const int label : labels) {
        out.labels.push_back(label);
        dims.push_back(from.t.dims[static_cast<size_t>(
            std::find(from.labels.begin(), from.labels.end(), label) - from.labels.begin())]);
      }
    };
    append(a, batch);
    append(a, rows);
    append(b, columns);
    out.t = matmul(x, y).reshaped(std::move(dims));
    return out;
  }

 private:
  static Tensor side(const Operand& o, const Labels& first, const Labels& second, const Labels& third) {
    Labels order = first;
    order.insert(order.end(), second.begin(), second.end());
    order.insert(order.end(), third.begin(), third.end());
    const Tensor t = arrange(o.t, o.labels, order);
    const std::span<const int64_t> d = t.dims;
    return t.reshaped({element_count(d.first(first.size())),
                       element_count(d.subspan(first.size(), second.size())),
                       element_count(d.last(third.size()))});
  }

  int64_t max_bytes_;
};

// Labels of size 1 that are larger elsewhere broadcast: the operand does without them.
void check_sizes(std::vector<Operand>& operands) {
  std::map<int, int64_t> sizes;
  for (const Operand& o : operands)
    for (size_t d = 0; d < o.labels.size(); ++d) {
      int64_t& size = sizes.try_emplace(o.labels[d], 1).first->second;
      const int64_t own = o.t.dims[d];
      if (own != 1 && size != 1 && own != size)
        fail("equation: one label has the sizes {} and {}", size, own);
      if (own != 1) size = own;
    }
  for (Operand& o : operands) {
    Labels kept, unique;
    std::vector<int64_t> dims;
    for (size_t d = 0; d < o.labels.size(); ++d) {
      if (o.t.dims[d] == 1 && sizes[o.labels[d]] != 1) continue;
      kept.push_back(o.labels[d]);
      dims.push_back(o.t.dims[d]);
      if (!has(unique, o.labels[d])) unique.push_back(o.labels[d]);
    }
    o.t = o.t.reshaped(std::move(dims));
    if (unique.size() != kept.size()) o.t = arrange(o.t, kept, unique);
    o.labels = std::move(unique);
  }
}

DType working_type(DType t) {
  if (t == DType::F16 || t == DType::BF16) return DType::F32;
  if (t == DType::F32 || t == DType::F64) return t;
  if (is_integer(t) && bit_width(t) >= 8) return DType::I64;  // wraps as the narrower type does
  fail("element type {} is not supported here", onnx_name(t));
}

void eval_einsum(EvalCtx& c) {
  if (c.inputs() == 0) fail("there are no inputs");
  const DType dtype = c.in(0).dtype, work = working_type(dtype);
  std::vector<size_t> ranks;
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (c.in(i).dtype != dtype)
      fail("element types {} and {} meet", onnx_name(dtype), onnx_name(c.in(i).dtype));
    ranks.push_back(c.in(i).dims.size());
  }
  const Terms t = expand(parse(c.attrs().s("equation", "")), ranks);
  std::vector<Operand> operands;
  for (size_t i = 0; i < c.inputs(); ++i) operands.push_back({convert(c.in(i), work), t.in[i]});
  check_sizes(operands);
  const Contraction contract(c.max_bytes);
  Operand acc = std::move(operands[0]);
  // Labels of one operand alone are summed by a product with ones.
  const auto sum_lonely = [&](Operand& o, const std::set<int>& needed) {
    Operand ones;
    std::vector<int64_t> dims;
    for (size_t d = 0; d < o.labels.size(); ++d) {
      if (needed.contains(o.labels[d])) continue;
      ones.labels.push_back(o.labels[d]);
      dims.push_back(o.t.dims[d]);
    }
    if (dims.empty()) return;
    ones.t = Tensor::full(work, std::move(dims), 1);
    o = contract(o, ones, needed);
  };
  const auto needed_after = [&](size_t i) {
    std::set<int> needed(t.out.begin(), t.out.end());
    for (size_t k = i; k < operands.size(); ++k)
      needed.insert(operands[k].labels.begin(), operands[k].labels.end());
    return needed;
  };
  sum_lonely(acc, needed_after(1));
  for (size_t i = 1; i < operands.size(); ++i) {
    std::set<int> needed = needed_after(i + 1), here = needed;
    here.insert(acc.labels.begin(), acc.labels.end());
    sum_lonely(operands[i], here);
    acc = contract(acc, operands[i], needed);
  }
  c.set(0, convert(arrange(acc.t, acc.labels, t.out), dtype));
}

void infer_einsum(InferCtx& c) {
  std::vector<size_t> ranks;
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (c.shape(i) == nullptr) return c.out(0, c.dtype(0));
    ranks.push_back(c.shape(i)->size());
  }
  const Terms t = expand(parse(c.attrs().s("equation", "")), ranks);
  std::map<int, Dim> sizes;
  for (size_t i = 0; i < t.in.size(); ++i)
    for (size_t d = 0; d < t.in[i].size(); ++d) {
      const auto [it, fresh] = sizes.try_emplace(t.in[i][d], (*c.shape(i))[d]);
      if (!fresh) it->second = broadcast_shapes(c, {it->second}, {(*c.shape(i))[d]})[0];
    }
  Shape out;
  for (const int label : t.out) out.push_back(sizes.at(label));
  c.out(0, c.dtype(0), std::move(out));
}

}  // namespace

EinsumTerms einsum_terms(const std::string& equation, const std::vector<size_t>& ranks) {
  return expand(parse(equation), ranks);
}

void register_einsum(OpRegistry& r) { r.add({"", "Einsum", infer_einsum, eval_einsum}); }

}  // namespace lathe
