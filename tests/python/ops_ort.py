"""Operators held against onnxruntime's: many one-node cases in one model, so that a group costs two processes."""

from __future__ import annotations

import collections
import dataclasses
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

MS = "com.microsoft"
ML = "ai.onnx.ml"


class Case:
    """One node; inputs by position: an array, a TensorProto (an initializer, for what numpy cannot hold), or None.
    `constant`: inputs that are initializers; `node`: attributes whose names are taken here."""

    def __init__(self, op, inputs, domain=MS, outputs=1, tol=1e-5, opset=21, ml=4, constant=(), node=(), **attrs):
        self.op, self.inputs, self.domain, self.tol, self.opset, self.ml = op, inputs, domain, tol, opset, ml
        self.attrs, self.constant = {**attrs, **dict(node)}, constant
        self.outputs = [f"y{i}" for i in range(outputs)] if isinstance(outputs, int) else outputs

    def __str__(self):
        kinds = ", ".join("-" if x is None else f"{getattr(x, 'dtype', 'constant')}{list(getattr(x, 'shape', []))}" for x in self.inputs)
        return f"{self.op}({kinds}) " + " ".join(str({k: v for k, v in self.attrs.items() if not isinstance(v, list | TensorProto)}).split())


@dataclasses.dataclass
class Group:
    """Cases as one model; names carry the case's number."""

    cases: list[Case]

    def model(self) -> onnx.ModelProto:
        nodes, inputs, constants, outputs = [], [], [], []
        for k, c in enumerate(self.cases):
            names = []
            for i, x in enumerate(c.inputs):
                names.append("" if x is None else f"c{k}_x{i}")
                if isinstance(x, TensorProto) or (x is not None and i in c.constant):
                    t = TensorProto()
                    t.CopyFrom(x if isinstance(x, TensorProto) else onnx.numpy_helper.from_array(x))
                    t.name = names[-1]
                    constants.append(t)
                elif x is not None:
                    kind = TensorProto.STRING if x.dtype.kind == "U" else helper.np_dtype_to_tensor_dtype(x.dtype)
                    inputs.append(helper.make_tensor_value_info(names[-1], kind, x.shape))
            while names and not names[-1]:
                names.pop()
            made = [f"c{k}_{o}" if o else "" for o in c.outputs]
            nodes.append(helper.make_node(c.op, names, made, domain=c.domain, **c.attrs))
            outputs += [helper.make_empty_tensor_value_info(o) for o in made if o]
        graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", self.cases[0].opset), helper.make_opsetid(MS, 1), helper.make_opsetid(ML, self.cases[0].ml)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def feeds(self) -> dict[str, np.ndarray]:
        return {
            f"c{k}_x{i}": x
            for k, c in enumerate(self.cases)
            for i, x in enumerate(c.inputs)
            if isinstance(x, np.ndarray) and i not in c.constant
        }


def ours(run, folder: pathlib.Path, group: Group):
    """The outputs of onnx-run by name."""
    onnx.save(group.model(), folder / "m.onnx")
    np.savez(folder / "in.npz", **group.feeds())
    run("onnx-run", folder / "m.onnx", "-i", folder / "in.npz", "-o", folder / "out.npz").ok()
    return np.load(folder / "out.npz")


def differences(run, folder: pathlib.Path, group: Group) -> list[str]:
    """What the two say differently, a line for each output that differs."""
    path = folder / "m.onnx"
    onnx.save(group.model(), path)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    want = dict(zip(names, session.run(names, group.feeds())))
    got = ours(run, folder, group)
    return [
        f"{group.cases[int(name[1:name.index('_')])]}, {name}: {text}"
        for name in names
        if (text := difference(got[name], want[name], group.cases[int(name[1:name.index("_")])].tol))
    ]


def difference(got: np.ndarray, want: np.ndarray, tol: float) -> str:
    if want.dtype == object:
        want = want.astype(str)
    if got.shape != want.shape or (got.dtype.kind, want.dtype.kind) != ("U", "U") and got.dtype != want.dtype:
        return f"{want.dtype}{want.shape} became {got.dtype}{got.shape}"
    if want.dtype.kind == "U":
        return "" if np.array_equal(got, want) else f"{want.tolist()} became {got.tolist()}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True):
        return f"{b[odd][:5]} became {a[odd][:5]}"
    a, b = a[~odd], b[~odd]
    scale = max(1.0, float(np.abs(b).max(initial=0))) if want.dtype.kind == "f" else 1.0
    worst = float(np.abs(a - b).max(initial=0))
    return "" if worst <= tol * scale else f"{worst} away at scale {scale}"


def check(run, folder: pathlib.Path, cases) -> None:
    by_opset = collections.defaultdict(list)
    for c in cases:
        by_opset[c.opset, c.ml].append(c)
    wrong = []
    for some in by_opset.values():
        try:
            wrong += differences(run, folder, Group(some))
        except Exception:  # which case it is, one by one
            for c in some:
                try:
                    wrong += differences(run, folder, Group([c]))
                except Exception as e:
                    wrong.append(f"{c}: {str(e)[-600:]}")
    total = sum(map(len, by_opset.values()))
    assert total > 0
    assert not wrong, f"{len(wrong)} differences in {total} cases:\n" + "\n".join(wrong[:30])
