// TfIdfVectorizer: counts n-grams of a pool in rows of words or numbers, with skips between their items.
#include <algorithm>
#include <map>

#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

// A trie of the pool's n-grams; `gram` is the place in ngram_indexes, -1 on the way to longer ones.
template <class Key>
struct Trie {
  int64_t gram = -1;
  std::map<Key, Trie> next;
};

struct Settings {
  int64_t least, most, skips;  // gram lengths, items that may be skipped
  std::vector<int64_t> counts, columns;
  int64_t width = 0;
};

Settings settings_of(const Attrs& a) {
  Settings s{a.i("min_gram_length", 0), a.i("max_gram_length", 0), a.i("max_skip_count", 0),
             a.ints("ngram_counts"),    a.ints("ngram_indexes"),   0};
  if (s.least < 1 || s.most < s.least) fail("gram lengths from {} to {}", s.least, s.most);
  if (s.skips < 0) fail("max_skip_count {}", s.skips);
  if (s.columns.empty()) fail("ngram_indexes is empty");
  for (const int64_t column : s.columns) {
    if (column < 0 || column >= (int64_t{1} << 40)) fail("ngram_indexes holds {}", column);
    s.width = std::max(s.width, column + 1);
  }
  return s;
}

template <class Key>
Trie<Key> build(const Settings& s, const std::vector<Key>& pool) {
  Trie<Key> root;
  const auto total = static_cast<int64_t>(pool.size());
  int64_t gram = 0;
  for (size_t k = 0; k < s.counts.size(); ++k) {
    const int64_t size = static_cast<int64_t>(k) + 1, begin = s.counts[k];
    const int64_t end = k + 1 < s.counts.size() ? s.counts[k + 1] : total;
    if (begin < 0 || end < begin || end > total || (end - begin) % size != 0)
      fail("ngram_counts: {} to {} are no {}-grams of a pool of {}", begin, end, size, total);
    for (int64_t at = begin; at < end; at += size, ++gram) {
      if (size < s.least || size > s.most) continue;
      if (gram >= static_cast<int64_t>(s.columns.size()))
        fail("ngram_indexes has {} entries, more are needed", gram);
      Trie<Key>* node = &root;
      for (int64_t i = at; i < at + size; ++i) node = &node->next[pool[static_cast<size_t>(i)]];
      node->gram = gram;
    }
  }
  return root;
}

template <class Key, class Get>
void count_row(const Settings& s, const Trie<Key>& root, int64_t n, Get&& item, float* out) {
  int64_t least = s.least;
  for (int64_t step = 1; step <= s.skips + 1; ++step) {
    if (least > 1 && step > (n - 1) / (least - 1)) break;  // no gram is that far apart
    for (int64_t start = 0; start < n && start + step * (least - 1) < n; ++start) {
      const Trie<Key>* node = &root;
      int64_t size = 1;
      for (int64_t at = start; at < n && size <= s.most; at += step, ++size) {
        const auto hit = node->next.find(item(at));
        if (hit == node->next.end()) break;
        node = &hit->second;
        if (size >= least && node->gram >= 0) ++out[s.columns[static_cast<size_t>(node->gram)]];
      }
    }
    // Single items are no further apart when items between are skipped: they count once.
    if (least == 1 && ++least > s.most) break;
  }
}

void infer_tfidf(InferCtx& c) {
  const auto columns = c.attrs().ints("ngram_indexes");
  if (columns.empty()) return c.out(0, DType::F32);
  const Dim width(*std::max_element(columns.begin(), columns.end()) + 1);
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, DType::F32);
  if (x->size() > 2) c.contradiction("the input must be [C] or [N, C]");
  c.out(0, DType::F32, x->size() == 2 ? Shape{(*x)[0], width} : Shape{width});
}

void eval_tfidf(EvalCtx& c) {
  const Tensor& x = c.in(0);
  if (x.rank() > 2) fail("the input must be [C] or [N, C]");
  const Settings s = settings_of(c.attrs());
  const int64_t rows = x.rank() == 2 ? x.dims[0] : 1, n = x.rank() == 0 ? 1 : x.dims.back();
  Tensor& y = c.out(0, DType::F32, x.rank() == 2 ? Dims{rows, s.width} : Dims{s.width});
  float* out = y.mutable_data<float>().data();
  std::fill_n(out, y.count(), 0.0f);
  if (x.dtype == DType::String) {
    const auto root = build(s, c.attrs().strings("pool_strings"));
    for (int64_t r = 0; r < rows; ++r)
      count_row(
          s, root, n,
          [&](int64_t i) -> const std::string& { return x.strings()[static_cast<size_t>(r * n + i)]; },
          out + r * s.width);
  } else if (x.dtype == DType::I32 || x.dtype == DType::I64) {
    const auto root = build(s, c.attrs().ints("pool_int64s"));
    for (int64_t r = 0; r < rows; ++r)
      count_row(s, root, n, [&](int64_t i) { return x.as_i64(r * n + i); }, out + r * s.width);
  } else {
    fail("element type {} is not supported here", onnx_name(x.dtype));
  }
  const std::string mode = c.attrs().s("mode", "TF");
  if (mode == "TF") return;
  if (mode != "IDF" && mode != "TFIDF") fail("mode {} is none of TF, IDF, TFIDF", mode);
  // A weight belongs to a column (as in onnx's evaluator and onnxruntime).
  const auto weights = c.attrs().floats("weights");
  if (!weights.empty() && static_cast<int64_t>(weights.size()) < s.width)
    fail("{} weights for {} columns", weights.size(), s.width);
  for (int64_t i = 0; i < y.count(); ++i) {
    const float weight = weights.empty() ? 1 : weights[static_cast<size_t>(i % s.width)];
    out[i] = weight * (mode == "IDF" ? (out[i] > 0 ? 1.0f : 0.0f) : out[i]);
  }
}

}  // namespace

void register_tfidf(OpRegistry& r) {
  r.add({"", "TfIdfVectorizer", infer_tfidf, eval_tfidf, Exactness::rounding});
}

}  // namespace lathe
