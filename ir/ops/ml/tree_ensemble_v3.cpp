// TreeEnsembleClassifier, TreeEnsembleRegressor (ai.onnx.ml 1 to 5): leaves among the nodes, nodes named by
// tree and number.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "ir/ops/ml/trees.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

using namespace ml;

// Floats, or doubles as a tensor.
std::vector<double> numbers(const Attrs& attrs, const std::string& name) {
  if (const TensorPtr t = attrs.tensor(name + "_as_tensor")) return t->to_doubles();
  const auto v = attrs.floats(name);
  return {v.begin(), v.end()};
}

Branch branch_of(const std::string& mode) {
  constexpr const char* kModes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                    "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
  for (size_t i = 0; i < std::size(kModes); ++i)
    if (mode == kModes[i]) return static_cast<Branch>(i);
  fail("node mode '{}'", mode);
}

// kind: "class" or "target", the prefix of the votes.
Forest forest_of(const Attrs& attrs, const std::string& kind) {
  const auto trees = attrs.ints("nodes_treeids"), ids = attrs.ints("nodes_nodeids"),
             features = attrs.ints("nodes_featureids"), if_true = attrs.ints("nodes_truenodeids"),
             if_false = attrs.ints("nodes_falsenodeids"),
             missing = attrs.ints("nodes_missing_value_tracks_true");
  const auto modes = attrs.strings("nodes_modes");
  const auto splits = numbers(attrs, "nodes_values");
  const size_t n = ids.size();
  for (const size_t size :
       {trees.size(), features.size(), if_true.size(), if_false.size(), modes.size(), splits.size()})
    if (size != n) fail("the lists of nodes have {} and {} entries", n, size);
  if (!missing.empty() && missing.size() != n)
    fail("nodes_missing_value_tracks_true has {} entries", missing.size());

  Forest f;
  std::map<std::pair<int64_t, int64_t>, int64_t> place;  // by tree and number: a node, or -1 - leaf
  std::set<int64_t> started;
  int64_t inner = 0, outer = 0;
  for (size_t i = 0; i < n; ++i) {
    const int64_t at = modes[i] == "LEAF" ? -1 - outer++ : inner++;
    if (!place.emplace(std::pair(trees[i], ids[i]), at).second)
      fail("node {} of tree {} is there twice", ids[i], trees[i]);
    if (started.insert(trees[i]).second) f.roots.push_back(at);  // a tree's first node is its root
  }
  const auto find = [&](int64_t tree, int64_t id) {
    const auto it = place.find({tree, id});
    if (it == place.end()) fail("tree {} has no node {}", tree, id);
    return it->second;
  };
  for (size_t i = 0; i < n; ++i) {
    if (modes[i] == "LEAF") continue;
    f.nodes.push_back({.mode = branch_of(modes[i]),
                       .missing_is_true = !missing.empty() && missing[i] != 0,
                       .feature = features[i],
                       .split = splits[i],
                       .if_true = find(trees[i], if_true[i]),
                       .if_false = find(trees[i], if_false[i])});
  }

  const auto vote_trees = attrs.ints(kind + "_treeids"), vote_nodes = attrs.ints(kind + "_nodeids"),
             targets = attrs.ints(kind + "_ids");
  const auto weights = numbers(attrs, kind + "_weights");
  if (vote_trees.size() != vote_nodes.size() || targets.size() != vote_nodes.size() ||
      weights.size() != vote_nodes.size())
    fail("the lists of votes differ in length");
  std::vector<std::pair<int64_t, size_t>> by_leaf;  // stable: a leaf's votes keep their order
  for (size_t i = 0; i < vote_nodes.size(); ++i) {
    const int64_t at = find(vote_trees[i], vote_nodes[i]);
    if (at < 0) by_leaf.emplace_back(-1 - at, i);  // votes of inner nodes are never counted
  }
  std::sort(by_leaf.begin(), by_leaf.end());
  f.leaves.assign(static_cast<size_t>(outer), {0, 0});
  for (const auto& [leaf, i] : by_leaf) {
    auto& [begin, end] = f.leaves[static_cast<size_t>(leaf)];
    if (end == 0) begin = f.votes.size();
    f.votes.push_back({targets[i], weights[i]});
    end = f.votes.size();
  }
  return f;
}

// ---------------------------------------------------------------- TreeEnsembleRegressor

Aggregate aggregate(const Attrs& attrs) {
  const std::string name = attrs.s("aggregate_function", "SUM");
  if (name == "AVERAGE") return Aggregate::average;
  if (name == "SUM") return Aggregate::sum;
  if (name == "MIN") return Aggregate::min;
  if (name == "MAX") return Aggregate::max;
  fail("aggregate_function '{}'", name);
}

void infer_regressor(InferCtx& c) {
  const int64_t targets = c.attrs().i("n_targets", 0);
  c.out(0, DType::F32, Shape{row_count(c), targets > 0 ? Dim(targets) : Dim::unknown()});
}

void eval_regressor(EvalCtx& c) {
  const Features x = features(c.in(0));
  const int64_t targets = c.attrs().i("n_targets", 0);
  if (targets < 1) fail("{} targets", targets);
  const auto base = numbers(c.attrs(), "base_values");
  if (!base.empty() && static_cast<int64_t>(base.size()) != targets)
    fail("{} base values for {} targets", base.size(), targets);
  const PostTransform t = post_transform(c.attrs());
  Scores s = score(forest_of(c.attrs(), "target"), x, targets, aggregate(c.attrs()));
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto row =
        std::span(s.values).subspan(static_cast<size_t>(r * targets), static_cast<size_t>(targets));
    for (size_t k = 0; k < base.size(); ++k) row[k] += base[k];
    transform_scores(t, row);
  }
  set_floats(c, 0, s.values, x.rows, targets);
}

// ---------------------------------------------------------------- TreeEnsembleClassifier

Labels labels_of(const Attrs& attrs) { return {attrs, "classlabels_strings", "classlabels_int64s"}; }

void infer_classifier(InferCtx& c) {
  const Labels labels = labels_of(c.attrs());
  c.out(0, labels.dtype(), Shape{row_count(c)});
  c.out(1, DType::F32, Shape{row_count(c), labels.count()});
}

// Two classes of which only one gets votes: its score, probability or log odds, decides between them.
struct OneSided {
  size_t id = 0;
  bool positive = true;  // no weight is below zero: scores are probabilities

  static std::optional<OneSided> of(const Forest& f, int64_t classes) {
    const auto all = [&](const auto& test) { return std::all_of(f.votes.begin(), f.votes.end(), test); };
    if (classes != 2 || f.votes.empty()) return std::nullopt;
    const int64_t id = f.votes[0].target;
    if (id < 0 || id > 1 || !all([&](const Vote& v) { return v.target == id; })) return std::nullopt;
    return OneSided{static_cast<size_t>(id), all([](const Vote& v) { return v.weight >= 0; })};
  }
  int64_t label(double s) const { return s > (positive ? 0.5 : 0) ? 1 : 0; }
  // Votes for class 0 are those of the positive class: the other's score follows from them. Votes for class 1
  // stand beside a zero.
  void spread(PostTransform t, std::span<double> scores) const {
    if (id == 0) {
      const double s = scores[0];
      scores[0] = t == PostTransform::logistic || !positive ? -s : 1 - s;
      scores[1] = s;
      if (t != PostTransform::logistic && t != PostTransform::probit) return;
    }
    transform_scores(t, scores);
  }
};

void eval_classifier(EvalCtx& c) {
  const Features x = features(c.in(0));
  const Labels labels = labels_of(c.attrs());
  const int64_t classes = labels.count();
  const auto base = numbers(c.attrs(), "base_values");
  const Forest forest = forest_of(c.attrs(), "class");
  const auto side = OneSided::of(forest, classes);
  if (!base.empty() && static_cast<int64_t>(base.size()) != classes && !(side && base.size() == 1))
    fail("{} base values for {} classes", base.size(), classes);
  const PostTransform t = post_transform(c.attrs());
  Scores s = score(forest, x, classes, Aggregate::sum);
  LabelWriter out(labels, x.rows);
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto row =
        std::span(s.values).subspan(static_cast<size_t>(r * classes), static_cast<size_t>(classes));
    if (side) {
      if (!base.empty()) row[side->id] += base[base.size() == 1 ? 0 : side->id];
      out.set(r, side->label(row[side->id]));
      side->spread(t, row);
      continue;
    }
    int64_t best = -1;  // among the classes that got a vote or a base value
    for (int64_t k = 0; k < classes; ++k) {
      const auto i = static_cast<size_t>(k);
      if (!base.empty()) row[i] += base[i];
      if (base.empty() && s.voted[static_cast<size_t>(r * classes + k)] == 0) continue;
      if (best < 0 || row[i] > row[static_cast<size_t>(best)]) best = k;
    }
    if (classes == 1)
      out.set_flag(r, row[0] > 0);
    else
      out.set(r, std::max<int64_t>(best, 0));
    transform_scores(t, row);
  }
  c.set(0, out.take());
  set_floats(c, 1, s.values, x.rows, classes);
}

}  // namespace

void register_ml_tree_ensemble_v3(OpRegistry& r) {
  r.add({kDomain, "TreeEnsembleClassifier", infer_classifier, eval_classifier});
  r.add({kDomain, "TreeEnsembleRegressor", infer_regressor, eval_regressor});
}

}  // namespace lathe
