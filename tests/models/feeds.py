"""Seeded inputs for a model, from its graph alone.

`feed(model, binding)` gives every graph input of an onnx.ModelProto a value: token ids inside the vocabulary (found
from the Gather that reads them), ragged masks of 0 and 1 with at least one 1 per row, positions that count on from
the past, floats from a normal distribution. Two bindings of the symbolic dimensions are provided.
"""

from __future__ import annotations

import zlib

import numpy as np
import onnx

SEED = 20261121
BINDINGS = (
    dict(batch=2, sequence=7, enc_sequence=11, past_sequence=5, height=320, width=320, steps=3),
    dict(batch=1, sequence=16, enc_sequence=9, past_sequence=3, height=240, width=352, steps=6),
)
BENCH = dict(batch=1, sequence=128, enc_sequence=128, past_sequence=128, height=320, width=320, steps=32)
# What only hands its first input on: an id is still an id behind these.
_PASSES_ON = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Slice"}


def subgraphs(graph: onnx.GraphProto):
    """The graph and every graph below it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from subgraphs(attribute.g)
            for inner in attribute.graphs:
                yield from subgraphs(inner)


def graph_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller must give: old models list their initializers among the inputs too."""
    held = {t.name for t in graph.initializer}
    return [i for i in graph.input if i.name not in held]


def _tables(model: onnx.ModelProto):
    """(name of the ids, rows) of each Gather that reads rows of a constant matrix, and who hands what on."""
    rows, reads, moves = {}, [], {}
    for graph in subgraphs(model.graph):
        for t in graph.initializer:
            if len(t.dims) == 2:
                rows[t.name] = t.dims[0]
        for node in graph.node:
            if node.op_type == "Constant":
                value = [a.t for a in node.attribute if a.name == "value"]
                if value and len(value[0].dims) == 2:
                    rows[node.output[0]] = value[0].dims[0]
            elif node.op_type == "Gather" and node.input[0] in rows:
                reads.append((node.input[1], rows[node.input[0]]))
            elif node.op_type in _PASSES_ON:
                moves.setdefault(node.input[0], []).append(node.output[0])
    return reads, moves


def vocabulary(model: onnx.ModelProto, name: str) -> int:
    """How many values an integer input may take: the rows of the smallest table it indexes."""
    reads, moves = _tables(model)
    reached, todo = set(), [name]
    while todo:
        value = todo.pop()
        if value not in reached:
            reached.add(value)
            todo += moves.get(value, [])
    direct = [rows for value, rows in reads if value in reached]
    return min(direct or [rows for _, rows in reads] or [2])


def _shape(info: onnx.ValueInfoProto, sizes: dict[str, int]) -> list[int]:
    dims = []
    for d in info.type.tensor_type.shape.dim:
        if d.HasField("dim_value"):
            dims.append(d.dim_value)
        elif d.dim_param == "total_sequence":
            dims.append(sizes["past_sequence"] + sizes["sequence"])
        elif d.dim_param in sizes:
            dims.append(sizes[d.dim_param])
        else:
            raise ValueError(f"input '{info.name}': no size is known for dimension '{d.dim_param}'")
    return dims


def ragged_mask(rng: np.random.Generator, batch: int, length: int, first: int = 1) -> np.ndarray:
    """Rows of ones, then zeros, of different lengths (at least `first` ones); the first of several rows is full."""
    lengths = rng.integers(max(first, 1), length + 1, batch)
    if batch > 1:
        lengths[0] = length
        if length > first and (lengths == length).all():
            lengths[-1] = length - 1
    elif length > first:
        lengths[0] = max(first, length * 2 // 3)
    return (np.arange(length)[None, :] < lengths[:, None]).astype(np.int64)


def feed(model: onnx.ModelProto, sizes: dict[str, int], seed: int = SEED) -> dict[str, np.ndarray]:
    """One value per graph input; the same model, sizes and seed give the same bytes."""
    values = {}
    # A RoPE cache that does not broadcast over the batch lets only batch 1 run.
    if any(n.op_type == "RotaryEmbedding" and n.domain == "" for n in model.graph.node):
        sizes = dict(sizes, batch=1)
    for info in graph_inputs(model.graph):
        rng = np.random.default_rng([seed, zlib.crc32(info.name.encode()), *sizes.values()])
        kind = info.type.tensor_type.elem_type
        dtype, shape = onnx.helper.tensor_dtype_to_np_dtype(kind), _shape(info, sizes)
        if np.issubdtype(dtype, np.integer) or dtype == np.bool_:
            if not shape:
                value = np.array(sizes.get(info.name, 3))
            elif "mask" in info.name:
                past = sizes["past_sequence"] if shape[1] == sizes["past_sequence"] + sizes["sequence"] else 0
                value = ragged_mask(rng, shape[0], shape[1], past + 1)
            elif "position" in info.name:
                value = np.tile(np.arange(shape[1]) + sizes["past_sequence"], (shape[0], 1))
            else:
                value = rng.integers(0, vocabulary(model, info.name), shape)
        elif shape[-2:] == [sizes["height"], sizes["width"]]:
            value = rng.random(shape, np.float32)
        else:
            scale = 0.3 if "hidden_states" in info.name else 1.0
            value = rng.standard_normal(shape, np.float32) * np.float32(scale)
        values[info.name] = np.ascontiguousarray(value, dtype)
    return values
