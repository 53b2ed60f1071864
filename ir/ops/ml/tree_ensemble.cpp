// TreeEnsemble (ai.onnx.ml 5): nodes and leaves in arrays of their own.
#include <algorithm>
#include <cmath>

#include "ir/ops/convert.h"
#include "ir/ops/ml/trees.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

using namespace ml;

std::vector<double> numbers(const Attrs& attrs, const char* name) {
  const TensorPtr t = attrs.tensor(name);
  return t ? t->to_doubles() : std::vector<double>();
}

Forest forest_of(const Attrs& attrs) {
  Forest f;
  const auto features = attrs.ints("nodes_featureids"), if_true = attrs.ints("nodes_truenodeids"),
             if_false = attrs.ints("nodes_falsenodeids"), true_leaf = attrs.ints("nodes_trueleafs"),
             false_leaf = attrs.ints("nodes_falseleafs"),
             missing = attrs.ints("nodes_missing_value_tracks_true"), targets = attrs.ints("leaf_targetids");
  const auto modes = numbers(attrs, "nodes_modes"), splits = numbers(attrs, "nodes_splits"),
             members = numbers(attrs, "membership_values"), weights = numbers(attrs, "leaf_weights");
  const size_t n = features.size();
  for (const size_t size :
       {if_true.size(), if_false.size(), true_leaf.size(), false_leaf.size(), modes.size(), splits.size()})
    if (size != n) fail("the lists of nodes have {} and {} entries", n, size);
  if (!missing.empty() && missing.size() != n)
    fail("nodes_missing_value_tracks_true has {} entries", missing.size());
  if (weights.size() != targets.size())
    fail("{} leaf weights for {} leaf targets", weights.size(), targets.size());
  const auto child = [](int64_t id, int64_t leaf) {
    if (id < 0) fail("node {}", id);
    return leaf != 0 ? -1 - id : id;
  };
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    Forest::Node node;
    if (!(modes[i] >= 0 && modes[i] <= 6)) fail("node mode {}", modes[i]);
    node.mode = static_cast<Branch>(static_cast<uint8_t>(modes[i]));
    node.missing_is_true = !missing.empty() && missing[i] != 0;
    node.feature = features[i];
    node.split = splits[i];
    node.if_true = child(if_true[i], true_leaf[i]);
    node.if_false = child(if_false[i], false_leaf[i]);
    if (node.mode == Branch::member) {  // sets follow each other, a NaN ends each
      node.members_begin = f.members.size();
      for (; at < members.size() && !std::isnan(members[at]); ++at) f.members.push_back(members[at]);
      if (at++ >= members.size()) fail("membership_values hold fewer sets than the nodes ask for");
      node.members_end = f.members.size();
      std::sort(f.members.begin() + static_cast<std::ptrdiff_t>(node.members_begin), f.members.end());
    }
    f.nodes.push_back(node);
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    f.leaves.emplace_back(i, i + 1);
    f.votes.push_back({targets[i], weights[i]});
  }
  for (const int64_t root : attrs.ints("tree_roots")) f.roots.push_back(child(root, 0));
  return f;
}

void infer_tree_ensemble(InferCtx& c) {
  const int64_t targets = c.attrs().i("n_targets", 0);
  c.out(0, c.dtype(0), Shape{row_count(c), targets > 0 ? Dim(targets) : Dim::unknown()});
}

void eval_tree_ensemble(EvalCtx& c) {
  const Features x = features(c.in(0));
  const int64_t targets = c.attrs().i("n_targets", 0), how = c.attrs().i("aggregate_function", 1),
                transform = c.attrs().i("post_transform", 0);
  if (targets < 1) fail("{} targets", targets);
  if (how < 0 || how > 3 || transform < 0 || transform > 4)
    fail("aggregate_function {}, post_transform {}", how, transform);
  Scores s = score(forest_of(c.attrs()), x, targets, static_cast<Aggregate>(how));
  for (int64_t r = 0; r < x.rows; ++r)
    transform_scores(
        static_cast<PostTransform>(transform),
        std::span(s.values).subspan(static_cast<size_t>(r * targets), static_cast<size_t>(targets)));
  c.set(0, convert(Tensor::of<double>(DType::F64, {x.rows, targets}, s.values), c.in(0).dtype));
}

}  // namespace

void register_ml_tree_ensemble(OpRegistry& r) {
  r.add({kDomain, "TreeEnsemble", infer_tree_ensemble, eval_tree_ensemble});
}

}  // namespace lathe
