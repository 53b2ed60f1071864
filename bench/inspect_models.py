"""The models that benches add to the exporters' own: gigabytes that take no disk, and two that differ."""

from __future__ import annotations

import pathlib
import random

import onnx
from onnx import TensorProto, helper

WIDTH, LAYERS = 8192, 75  # 75 weights of 8192 x 8192 float32: 20.1 GB


def sparse(folder: pathlib.Path, layers: int = LAYERS, name: str = "sparse-20gb") -> pathlib.Path:
    """A chain of products whose weights are external: the data file is a hole."""
    path, size = folder / f"{name}.onnx", 4 * WIDTH * WIDTH
    nodes, weights = [], []
    for i in range(layers):
        w = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH],
                        data_location=TensorProto.EXTERNAL)
        for key, value in (("location", f"{name}.data"), ("offset", i * size), ("length", size)):
            w.external_data.add(key=key, value=str(value))
        weights.append(w)
        nodes.append(helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"h{i}"]))
        nodes.append(helper.make_node("Relu", [f"h{i}"], [f"x{i + 1}"]))
    graph = helper.make_graph(
        nodes, "sparse", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["batch", "sequence", WIDTH])],
        [helper.make_tensor_value_info(f"x{layers}", TensorProto.FLOAT, ["batch", "sequence", WIDTH])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    with open(folder / f"{name}.data", "wb") as f:
        f.truncate(layers * size)
    return path


def edited(source: pathlib.Path, folder: pathlib.Path, seed: int = 7, edits: int = 12) -> pathlib.Path:
    """The model with every node renamed and some nodes changed: what onnx-diff is asked about."""
    model, rng = onnx.load(source, load_external_data=False), random.Random(seed)
    for i, n in enumerate(model.graph.node):
        n.name = f"renamed_{i}"
    adds = [n for n in model.graph.node if n.op_type == "Add"]
    for n in rng.sample(adds, min(edits, len(adds))):
        n.op_type = "Sub"
    path = folder / f"{source.stem}.edited.onnx"
    onnx.save(model, path)
    return path
