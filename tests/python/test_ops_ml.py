"""ai.onnx.ml against onnxruntime, over attributes and types."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import TensorProto, helper

from ops_ort import ML, Case, check

F32, F64, I64, I32 = np.float32, np.float64, np.int64, np.int32
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
rng = np.random.default_rng(5)


def ml(op, inputs, **more):
    return Case(op, inputs, domain=ML, **{"ml": 3, "tol": 2e-5, **more})


def normal(*shape, dtype=F32):
    x = rng.standard_normal(shape)
    return (x * 3 if np.issubdtype(dtype, np.integer) else x).astype(dtype)


def floats(*shape, low=-1.0, high=1.0):
    return [float(v) for v in rng.uniform(low, high, shape).astype(F32).ravel()]


def labels(n, strings, ints="classlabels_ints"):
    return {"classlabels_strings": [f"c{i}" for i in range(n)]} if strings else {ints: [10 * i + 3 for i in range(n)]}


def linear():
    for t in (F32, F64, I64, I32):
        for targets, transform in itertools.product((1, 3), TRANSFORMS):
            if targets == 1 and transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
                continue  # onnxruntime leaves a single target as it is
            small = transform == "PROBIT"  # of probabilities
            x = np.ones((4, 5), t) if small else normal(4, 5, dtype=t)
            weights = floats(targets, 5, low=0.01, high=0.1) if small else floats(targets, 5)
            if t in (F32, F64):  # onnxruntime's kernel takes floats alone
                if t == F32:
                    yield ml("LinearRegressor", [x], coefficients=weights, intercepts=floats(targets, low=0, high=0.1), targets=targets, post_transform=transform)
                    yield ml("LinearRegressor", [x], coefficients=weights, targets=targets, post_transform=transform)
            if targets == 1 and small:
                continue  # onnxruntime writes one of the two scores
            for strings in (False, True):
                yield ml("LinearClassifier", [x], outputs=2, coefficients=weights, intercepts=floats(targets, low=0, high=0.1), post_transform=transform,
                         **labels(3 if targets == 3 else 2, strings))
        yield ml("LinearClassifier", [normal(6, 5, dtype=t)], outputs=2, coefficients=floats(5), intercepts=[0.1], **labels(2, False))
        yield ml("LinearClassifier", [normal(5, dtype=t)], outputs=2, coefficients=floats(3, 5), intercepts=[0.1, 0.2, 0.3], multi_class=1, **labels(3, True))


KERNELS = (("LINEAR", [0.0, 0.0, 0.0]), ("POLY", [0.3, 0.5, 3.0]), ("POLY", [0.3, 0.5, 2.0]), ("RBF", [0.4, 0.0, 0.0]), ("SIGMOID", [0.2, 0.1, 0.0]))


def svm():
    for kernel, params in KERNELS:
        common = {"kernel_type": kernel, "kernel_params": params}
        for one in (0, 1):
            yield ml("SVMRegressor", [normal(7, 4)], n_supports=6, support_vectors=floats(6, 4), coefficients=floats(6), rho=[0.2], one_class=one, **common)
        for n, t, strings, proba in itertools.product((2, 3, 4), (F32, F64, I64, I32), (False, True), (False, True)):
            per = [2, 3, 1, 2][:n]
            pairs = n * (n - 1) // 2
            more = {"prob_a": floats(pairs, low=-2, high=-0.5), "prob_b": floats(pairs)} if proba else {}
            transform = TRANSFORMS[:4][int(rng.integers(4))]
            yield ml("SVMClassifier", [normal(5, 4, dtype=t)], outputs=2, vectors_per_class=per, support_vectors=floats(sum(per), 4), coefficients=floats(n - 1, sum(per)),
                     rho=floats(pairs), post_transform=transform, tol=1e-4, **more, **labels(n, strings), **common)
    yield ml("SVMRegressor", [normal(7, 4)], coefficients=floats(4), rho=[0.2], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], n_supports=0)
    for n, transform in itertools.product((2, 3), TRANSFORMS[:4]):
        yield ml("SVMClassifier", [normal(5, 4)], outputs=2, coefficients=floats(n, 4), rho=[0.1], post_transform=transform, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0],
                 **labels(n, False))


MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


class Trees:
    """Random trees in the form of ai.onnx.ml 3: `kind` is the prefix of the votes."""

    def __init__(self, kind, count, depth, width, vote, modes=MODES, missing=False, splits=None):
        self.kind, self.width, self.vote, self.modes, self.splits = kind, width, vote, modes, splits
        self.nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
        self.votes = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
        for tree in range(count):
            self.grow(tree, itertools.count(), depth)
        self.missing = [int(v) for v in rng.integers(0, 2, len(self.nodes["nodeids"]))] if missing else None

    def grow(self, tree, ids, depth):
        me, at = next(ids), len(self.nodes["nodeids"])
        leaf = depth == 0 or (depth < 2 and rng.random() < 0.3)
        split = float(F32(rng.choice(self.splits) if self.splits else rng.normal()))
        row = (tree, me, int(rng.integers(self.width)), 0.0 if leaf else split, "LEAF" if leaf else str(rng.choice(self.modes)), 0, 0)
        for key, value in zip(self.nodes, row):
            self.nodes[key].append(value)
        if leaf:
            for target, weight in self.vote():
                for key, value in zip(self.votes, (tree, me, target, float(F32(weight)))):
                    self.votes[key].append(value)
        else:
            self.nodes["truenodeids"][at] = self.grow(tree, ids, depth - 1)
            self.nodes["falsenodeids"][at] = self.grow(tree, ids, depth - 1)
        return me

    def attrs(self, double=False):
        out = {f"nodes_{k}": v for k, v in self.nodes.items()} | {f"{self.kind}_{k}": v for k, v in self.votes.items()}
        if self.missing:
            out["nodes_missing_value_tracks_true"] = self.missing
        if double:
            for key in ("nodes_values", f"{self.kind}_weights"):
                out[f"{key}_as_tensor"] = helper.make_tensor(key, TensorProto.DOUBLE, [len(out[key])], out.pop(key))
        return out


def holes(x):
    x = x.copy()
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


def whole(x):
    return np.round(x * 2).astype(x.dtype)


def regression_trees():
    for targets, how, missing in itertools.product((1, 3), ("SUM", "AVERAGE", "MIN", "MAX"), (False, True)):
        trees = Trees("target", 4, 3, 5, lambda: [(int(t), rng.normal()) for t in range(targets)], missing=missing, splits=[-2, -1, 0, 1, 2])
        base = {"base_values": floats(targets)} if missing else {}
        x = whole(normal(9, 5))
        yield ml("TreeEnsembleRegressor", [holes(x) if missing else x], n_targets=targets, aggregate_function=how, **trees.attrs(), **base)
        if not base:
            yield ml("TreeEnsembleRegressor", [whole(normal(9, 5, dtype=F64))], n_targets=targets, aggregate_function=how, **trees.attrs(double=True))
    for transform in TRANSFORMS[:4]:
        trees = Trees("target", 3, 3, 5, lambda: [(t, rng.normal()) for t in range(3)])
        yield ml("TreeEnsembleRegressor", [normal(9, 5)], n_targets=3, post_transform=transform, **trees.attrs())
    probit = Trees("target", 1, 3, 5, lambda: [(0, rng.uniform(0.1, 0.9))])
    yield ml("TreeEnsembleRegressor", [normal(9, 5)], n_targets=1, post_transform="PROBIT", **probit.attrs())


def classification_trees():
    def some(n):
        return lambda: [(t, rng.random()) for t in range(n)]

    for t, n, strings, transform in itertools.product((F32, F64, I64, I32), (3, 4), (False, True), TRANSFORMS[:4]):
        trees = Trees("class", 3, 3, 5, some(n))
        base = {"base_values": floats(n)} if t == F32 and strings else {}
        yield ml("TreeEnsembleClassifier", [normal(9, 5, dtype=t)], outputs=2, post_transform=transform, **trees.attrs(t == F64), **base, **labels(n, strings, "classlabels_int64s"))
    trees = Trees("class", 3, 3, 5, some(3), missing=True)
    yield ml("TreeEnsembleClassifier", [holes(normal(9, 5))], outputs=2, **trees.attrs(), **labels(3, False, "classlabels_int64s"))
    for who, positive, transform, base in itertools.product((0, 1), (False, True), TRANSFORMS[:4], (None, [0.1])):  # one class gets all the votes
        if who == 1 and base:
            continue  # which class a single base value belongs to is onnxruntime's secret
        trees = Trees("class", 3, 3, 5, lambda: [(who, rng.uniform(0 if positive else -0.5, 0.5))])
        yield ml("TreeEnsembleClassifier", [normal(9, 5)], outputs=2, post_transform=transform, **trees.attrs(), **({"base_values": base} if base else {}),
                 **labels(2, False, "classlabels_int64s"))

    def opposed():
        v = rng.normal()
        return [(0, -v), (1, v)]

    trees = Trees("class", 3, 3, 5, opposed)  # onnxruntime's label is 1 where the second score is above 0
    for transform in TRANSFORMS[:4]:
        yield ml("TreeEnsembleClassifier", [normal(9, 5)], outputs=2, post_transform=transform, **trees.attrs(), classlabels_int64s=[0, 1])


def new_trees():
    kinds = {F32: TensorProto.FLOAT, F64: TensorProto.DOUBLE}
    for t, targets, how, transform in itertools.product((F32, F64), (1, 3), range(4), (0, 3)):  # onnxruntime takes 1 for LOGISTIC and 2 for SOFTMAX, against the specification
        if targets == 1 and transform:
            continue
        kind, members = kinds[t], []
        splits, modes, true_ids, false_ids, true_leaf, false_leaf = [], [], [], [], [], []
        weights, target_ids, roots = [], [], []

        def leaf():
            weights.append(float(t(rng.normal())))
            target_ids.append(int(rng.integers(targets)))
            return len(weights) - 1

        def grow(depth):
            me = len(splits)
            modes.append(int(rng.integers(7)))
            splits.append(float(rng.integers(-2, 3)))
            if modes[-1] == 6:
                sets[me] = [float(v) for v in rng.choice(np.arange(-3, 4), 3, replace=False)]
            for ids, leaves in ((true_ids, true_leaf), (false_ids, false_leaf)):
                ids.append(0)
                leaves.append(0)
            for ids, leaves in ((true_ids, true_leaf), (false_ids, false_leaf)):
                leaves[me] = int(depth == 0 or rng.random() < 0.3)
                ids[me] = leaf() if leaves[me] else grow(depth - 1)
            return me

        sets = {}
        for _ in range(3):
            roots.append(grow(3))
        for node in sorted(sets):
            members += [*sets[node], float("nan")]
        n = len(splits)
        more = {"membership_values": helper.make_tensor("m", kind, [len(members)], members)} if members else {}
        missing = [int(v) for v in rng.integers(0, 2, n)]
        yield ml("TreeEnsemble", [holes(whole(normal(9, 4, dtype=t)))], ml=5, n_targets=targets, aggregate_function=how, post_transform=transform, tree_roots=roots,
                 nodes_splits=helper.make_tensor("s", kind, [n], splits), nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [n], modes),
                 nodes_featureids=[int(v) for v in rng.integers(0, 4, n)], nodes_truenodeids=true_ids, nodes_falsenodeids=false_ids, nodes_trueleafs=true_leaf,
                 nodes_falseleafs=false_leaf, nodes_missing_value_tracks_true=missing, leaf_targetids=target_ids,
                 leaf_weights=helper.make_tensor("w", kind, [len(weights)], weights), **more)


def numeric_features():
    for t in (F32, F64, I64, I32):
        x = normal(4, 3, dtype=t)
        yield ml("Scaler", [x], offset=floats(3), scale=floats(3))
        yield ml("Scaler", [x], offset=[0.5], scale=[2.0])
        for norm in ("MAX", "L1", "L2"):
            y = np.abs(x) if norm == "MAX" else x.copy()
            y[1] = 0
            yield ml("Normalizer", [y], norm=norm)
            yield ml("Normalizer", [y[0]], norm=norm)
        if t == F32:
            yield ml("Binarizer", [x], threshold=0.3)
        yield ml("FeatureVectorizer", [x, normal(4, 2, dtype=t), normal(4, 5, dtype=t)], inputdimensions=[3, 3, 2])
        yield ml("FeatureVectorizer", [x[0], normal(2, dtype=t)], inputdimensions=[3, 2])
        yield ml("ArrayFeatureExtractor", [x, np.array([2, 0, 0], I64)])
        yield ml("ArrayFeatureExtractor", [normal(2, 4, 3, dtype=t), np.array([[1, 2]], I64)])
        yield ml("ArrayFeatureExtractor", [x[0], np.array([[2], [1]], I64)])
    yield ml("ArrayFeatureExtractor", [np.array([["a", "b"], ["c", "d"]]), np.array([1], I64)])
    yield ml("Imputer", [holes(normal(4, 3))], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan"))
    yield ml("Imputer", [whole(normal(4, 3))], imputed_value_floats=[7.0], replaced_value_float=0.0)
    yield ml("Imputer", [normal(4, 3, dtype=I64)], imputed_value_int64s=[7, 8, 9], replaced_value_int64=0)


def encoders():
    words = np.array([["a", "b", "?"], ["c", "a", "b"]])
    numbers = np.array([[1, 2, 9], [3, 1, 2]])
    keys = {"strings": (["a", "b", "c"], words), "int64s": ([1, 2, 3], numbers.astype(I64)), "floats": ([1.0, float("nan"), 3.0], np.where(numbers == 2, np.nan, numbers).astype(F32))}
    values = {"strings": (["x", "y", "z"], "default_string", "none"), "int64s": ([5, 6, 7], "default_int64", -7), "floats": ([0.5, 0.25, 2.0], "default_float", 8.0)}
    for (k, (key, x)), (v, (value, default, other)) in itertools.product(keys.items(), values.items()):
        for more in ({}, {default: other}):
            if k != v or k == "int64s" or k == "strings":
                yield ml("LabelEncoder", [x], ml=4, **{f"keys_{k}": key, f"values_{v}": value}, **more)
    kinds = {TensorProto.DOUBLE: F64, TensorProto.INT64: I64, TensorProto.INT16: np.int16, TensorProto.FLOAT: F32}
    for a, b in ((TensorProto.INT64, TensorProto.FLOAT), (TensorProto.DOUBLE, TensorProto.DOUBLE), (TensorProto.INT64, TensorProto.INT64)):
        for more in ({}, {"default_tensor": helper.make_tensor("d", b, [1], [42])}):
            yield ml("LabelEncoder", [numbers.astype(kinds[a])], ml=4, keys_tensor=helper.make_tensor("k", a, [3], [1, 2, 3]), values_tensor=helper.make_tensor("v", b, [3], [4, 5, 6]), **more)
    cats = {"cats_strings": ["a", "b", "c"], "cats_int64s": [1, 2, 3]}
    yield ml("CategoryMapper", [words], default_int64=-2, **cats)
    yield ml("CategoryMapper", [numbers.astype(I64)], default_string="none", **cats)
    yield ml("OneHotEncoder", [words], cats_strings=["b", "a", "c"])
    for t in (I64, F32, F64):
        yield ml("OneHotEncoder", [numbers.astype(t)], cats_int64s=[3, 1, 2], zeros=1)
    yield ml("OneHotEncoder", [np.array([1, 3], I64)], cats_int64s=[3, 1, 2], zeros=0)


GROUPS = {f.__name__: f for f in (linear, svm, regression_trees, classification_trees, new_trees, numeric_features, encoders)}


@pytest.mark.parametrize("name", GROUPS)
def test_agrees_with_onnxruntime(run, tmp_path, name):
    check(run, tmp_path, GROUPS[name]())
