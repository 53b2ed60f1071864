// The derivative of Einsum is an Einsum of dy and the other operands.
#include <algorithm>
#include <map>
#include <set>

#include "ir/ops/broadcast.h"
#include "ir/ops/math/einsum.h"
#include "ir/ops/training/tape.h"

namespace lathe {
namespace {

using Labels = EinsumTerms::Labels;

class EinsumBackward {
 public:
  explicit EinsumBackward(Backward& b) : b_(b) {
    std::vector<size_t> ranks;
    for (size_t i = 0; i < b.inputs(); ++i) ranks.push_back(b.dims(b.x(i)).size());
    terms_ = einsum_terms(b.attrs().s("equation", ""), ranks);
    for (const Labels& term : terms_.in)
      for (const int label : term) free_label_ = std::max(free_label_, label + 1);
  }

  void give(size_t i) {
    operands_ = {b_.dy()};
    labels_ = {terms_.out};
    for (size_t j = 0; j < b_.inputs(); ++j)
      if (j != i) add(b_.x(j), terms_.in[j]);
    const Labels wanted = unrepeated(terms_.in[i], b_.dims(b_.x(i)));
    // A label that nothing else has was summed alone: the same gradient along it.
    std::set<int> known;
    for (const Labels& l : labels_) known.insert(l.begin(), l.end());
    Labels kept = wanted;
    std::erase_if(kept, [&](int label) { return !known.contains(label); });
    const Var g = b_.op("Einsum", operands_, {{"equation", equation(kept)}});
    Dims shape(wanted.size(), 1);
    for (size_t d = 0, k = 0; d < wanted.size(); ++d)
      if (known.contains(wanted[d])) shape[d] = b_.dims(g)[k++];
    b_.give(i, b_.reshape(g, shape));
  }

 private:
  void add(Var v, Labels labels) {
    operands_.push_back(v);
    labels_.push_back(std::move(labels));
  }

  // A diagonal (a label that occurs again) gets its gradient from an identity matrix of the label and a new
  // one.
  Labels unrepeated(const Labels& term, const Dims& dims) {
    Labels out;
    for (size_t d = 0; d < term.size(); ++d) {
      int label = term[d];
      if (std::find(out.begin(), out.end(), label) != out.end()) {
        label = free_label_++;
        const Var square = b_.leaf(Tensor::make(b_.at(b_.x()).dtype, {dims[d], dims[d]}));
        add(b_.op("EyeLike", {square}), {term[d], label});
      }
      out.push_back(label);
    }
    return out;
  }

  std::string equation(const Labels& out) {
    std::string text;
    for (size_t i = 0; i < labels_.size(); ++i) {
      if (i > 0) text += ',';
      text += letters(labels_[i]);
    }
    text += "->";
    return text += letters(out);
  }

  std::string letters(const Labels& labels) {
    constexpr size_t kLetters = 26;
    std::string text;
    for (const int label : labels) {
      const size_t k = letter_.try_emplace(label, letter_.size()).first->second;
      if (k >= 2 * kLetters) b_.refuse("more than 52 labels to differentiate");
      text +=
          static_cast<char>(k < kLetters ? 'a' + static_cast<int>(k) : 'A' + static_cast<int>(k - kLetters));
    }
    return text;
  }

  Backward& b_;
  EinsumTerms terms_;
  int free_label_ = 0;
  Vars operands_;
  std::vector<Labels> labels_;
  std::map<int, size_t> letter_;
};

}  // namespace

void d_einsum(Backward& b) {
  for (size_t i = 0; i < b.inputs(); ++i)
    if (b.wants(i)) EinsumBackward(b).give(i);
}

}  // namespace lathe
