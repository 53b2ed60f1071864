// What the ai.onnx.ml ops share: rows of features, transforms of scores, class labels.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "ir/ops/eval_ctx.h"
#include "ir/ops/infer_ctx.h"

namespace lathe::ml {

inline constexpr const char* kDomain = "ai.onnx.ml";

// [rows, width] of a tensor of rank 1 (one row) or 2 and more, as doubles.
struct Features {
  int64_t rows = 0, width = 0;
  Tensor values;
  const double* row(int64_t i) const { return values.data<double>().data() + i * width; }
};
Features features(const Tensor& x);
// Rules: the number of rows of input 0.
Dim row_count(const InferCtx& c);

enum class PostTransform : uint8_t { none, softmax, logistic, softmax_zero, probit };
PostTransform post_transform(const Attrs& attrs);
// SOFTMAX_ZERO leaves zeros zero. PROBIT, the inverse of the normal distribution, is computed through
// Winitzki's approximation of the inverse error function, as onnx and onnxruntime do.
void transform_scores(PostTransform t, std::span<double> scores);
double logistic(double x);

// One of two lists of an op's attributes.
struct Labels {
  std::vector<std::string> strings;
  std::vector<int64_t> ints;

  Labels() = default;
  Labels(const Attrs& attrs, const char* string_list, const char* int_list);
  int64_t count() const { return static_cast<int64_t>(strings.empty() ? ints.size() : strings.size()); }
  DType dtype() const { return strings.empty() ? DType::I64 : DType::String; }
};

// The predicted labels of a classifier's rows, set at the places of a list or as a plain 0 or 1.
class LabelWriter {
 public:
  LabelWriter(const Labels& labels, int64_t rows);
  void set(int64_t row, int64_t label);
  // Of a classifier that is given fewer than two labels.
  void set_flag(int64_t row, bool positive);
  Tensor take() { return std::move(out_); }

 private:
  const Labels& labels_;
  Tensor out_;
};

// Sets output i: [rows, width] of float.
void set_floats(EvalCtx& c, size_t i, const std::vector<double>& values, int64_t rows, int64_t width);

}  // namespace lathe::ml
