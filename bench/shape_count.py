#!/usr/bin/env python3
"""Counts the values of a model's main graph whose shape is fully known: by one tool, in a process of its own.

  shape_count.py onnx|ort MODEL        prints {"seconds": inference alone, "full": [names]} as JSON

A shape is full when every size is a number or a formula over the symbols of the model's inputs. Both tools make up
symbols of their own (unk__3, or the name of a node's output) for what they do not know: such a size is not known.
"""

from __future__ import annotations

import json
import re
import sys
import time

import onnx

NAME = re.compile(r"[A-Za-z_][\w.]*")
FUNCTIONS = {"floor", "ceiling", "Max", "Min", "Mod", "Abs", "max", "min"}


def symbols(model: onnx.ModelProto) -> set[str]:
    found = set()
    for i in model.graph.input:
        for d in i.type.tensor_type.shape.dim:
            found |= set(NAME.findall(d.dim_param))
    return found


def full(info: onnx.ValueInfoProto, known: set[str]) -> bool:
    t = info.type.tensor_type
    if info.type.WhichOneof("value") != "tensor_type" or not t.HasField("shape"):
        return False
    for d in t.shape.dim:
        if d.HasField("dim_value"):
            continue
        if not d.dim_param or set(NAME.findall(d.dim_param)) - FUNCTIONS - known:
            return False
    return True


def made(model: onnx.ModelProto) -> set[str]:
    """What the nodes of the main graph make: constants are no result of an inference."""
    return {o for n in model.graph.node if n.op_type != "Constant" for o in n.output if o}


def infer(tool: str, path: str) -> dict:
    model = onnx.load(path)
    known, names = symbols(model), made(model)
    start = time.perf_counter()
    if tool == "onnx":
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    else:
        from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
        model = SymbolicShapeInference.infer_shapes(model, auto_merge=True)
    seconds = time.perf_counter() - start
    shapes = [*model.graph.value_info, *model.graph.output]
    return {"seconds": seconds, "full": sorted({i.name for i in shapes if i.name in names and full(i, known)})}


if __name__ == "__main__":
    print(json.dumps(infer(sys.argv[1], sys.argv[2])))
