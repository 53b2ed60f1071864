"""fp16, bf16, q4f16: right in onnxruntime and in the executor, with no more Casts than its own converter makes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from conftest import session

RNG = np.random.default_rng(3)


def every_node(graph):
    for n in graph.node:
        yield n
        for a in n.attribute:
            if a.type == onnx.AttributeProto.GRAPH:
                yield from every_node(a.g)


def casts(path) -> int:
    return sum(n.op_type == "Cast" for n in every_node(onnx.load(path).graph))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def run_both(run, path, feed, folder) -> np.ndarray:
    """What onnxruntime makes of it; the executor rounds after each op, which onnxruntime does not."""
    s = session(path)
    feed = {i.name: feed[i.name].astype(np.float16) if i.type == "tensor(float16)" else feed[i.name] for i in s.get_inputs()}
    wanted = s.run(None, feed)[0]
    np.savez(folder / "in.npz", **feed)
    run("onnx-run", path, "-i", folder / "in.npz", "-o", folder / "out.npz").ok()
    assert cosine(next(iter(np.load(folder / "out.npz").values())), wanted) > 0.9999
    return wanted


def block(width: int = 64, heads: int = 4):
    """One transformer layer as exporters spell it: mask of -3.4e38, decomposed norm, exact Gelu."""
    w = lambda *d: (RNG.standard_normal(d) * 0.1).astype(np.float32)  # noqa: E731
    inits = {"one": np.float32(1), "low": np.float32(np.finfo(np.float32).min), "two": np.float32(2), "eps": np.float32(1e-12),
             "root": np.float32((width // heads) ** 0.5), "sqrt2": np.float32(2**0.5), "half": np.float32(0.5),
             "split": np.array([0, 0, heads, width // heads]), "join": np.array([0, 0, width]), "axes": np.array([1, 2]),
             **{n: w(width, width) for n in "qkvo"}, "up": w(width, 4 * width), "down": w(4 * width, width), "g": 1 + w(width), "b": w(width)}
    nodes = []

    def add(op, inputs, output, **attributes):
        nodes.append(h.make_node(op, inputs, [output], **attributes))
        return output

    add("Unsqueeze", ["mask", "axes"], "m4")
    add("Cast", ["m4"], "mf", to=T.FLOAT)
    add("Sub", ["one", "mf"], "inverse")
    add("Mul", ["inverse", "low"], "bias")
    for n, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        add("MatMul", ["x", n], n + "p")
        add("Reshape", [n + "p", "split"], n + "r")
        add("Transpose", [n + "r"], n + "t", perm=perm)
    add("MatMul", ["qt", "kt"], "scores")
    add("Div", ["scores", "root"], "scaled")
    add("Add", ["scaled", "bias"], "masked")
    add("Softmax", ["masked"], "probs", axis=-1)
    add("MatMul", ["probs", "vt"], "mixed")
    add("Transpose", ["mixed"], "back", perm=[0, 2, 1, 3])
    add("Reshape", ["back", "join"], "joined")
    add("MatMul", ["joined", "o"], "projected")
    add("Add", ["projected", "x"], "residual")
    add("ReduceMean", ["residual"], "mean", axes=[-1])
    add("Sub", ["residual", "mean"], "centred")
    add("Pow", ["centred", "two"], "squares")
    add("ReduceMean", ["squares"], "variance", axes=[-1])
    add("Add", ["variance", "eps"], "safe")
    add("Sqrt", ["safe"], "deviation")
    add("Div", ["centred", "deviation"], "normal")
    add("Mul", ["normal", "g"], "gained")
    add("Add", ["gained", "b"], "shifted")
    add("MatMul", ["shifted", "up"], "wide")
    add("Div", ["wide", "sqrt2"], "wide2")
    add("Erf", ["wide2"], "erf")
    add("Add", ["erf", "one"], "erf1")
    add("Mul", ["wide", "erf1"], "gelu2")
    add("Mul", ["gelu2", "half"], "gelu")
    add("MatMul", ["gelu", "down"], "narrow")
    add("Add", ["narrow", "shifted"], "y")
    inputs = [h.make_tensor_value_info("x", T.FLOAT, ["batch", "length", width]), h.make_tensor_value_info("mask", T.INT64, ["batch", "length"])]
    graph = h.make_graph(nodes, "g", inputs, [h.make_tensor_value_info("y", T.FLOAT, ["batch", "length", width])],
                         [numpy_helper.from_array(v, n) for n, v in inits.items()])
    mask = np.ones((2, 7), np.int64)
    mask[0, 4:] = 0
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), {
        "x": RNG.standard_normal((2, 7, width)).astype(np.float32), "mask": mask}


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    model, feed = block()
    path = tmp_path_factory.mktemp("half") / "layer.onnx"
    onnx.save(model, path)
    return path, feed, session(path).run(None, feed)[0]


def test_layer_in_float16(run, layer, tmp_path):
    """All weights become halves; the Casts are those of the interface, the mask, and the two that the mask's meeting point costs."""
    source, feed, wanted = layer
    run("onnx-opt", "--passes=fp16", source, "-o", tmp_path / "h.onnx", "--strict").ok()
    made = onnx.load(tmp_path / "h.onnx")
    onnx.checker.check_model(made, full_check=True)
    assert not any(t.data_type == T.FLOAT and np.prod(t.dims) > 1 for t in made.graph.initializer)
    assert [i.type.tensor_type.elem_type for i in made.graph.input] == [T.FLOAT, T.INT64]
    got = run_both(run, tmp_path / "h.onnx", feed, tmp_path)
    assert got.dtype == np.float32 and np.isfinite(got).all() and cosine(got, wanted) > 0.999995
    from onnxruntime.transformers.float16 import convert_float_to_float16
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), tmp_path / "peer.onnx")
    assert casts(tmp_path / "h.onnx") <= casts(tmp_path / "peer.onnx") + 1  # the mask is computed in float, and cast once


def test_interface_converts(run, layer, tmp_path):
    source, feed, wanted = layer
    run("onnx-opt", "--passes=fuse,fp16{io=convert}", source, "-o", tmp_path / "h.onnx", "--strict").ok()
    made = onnx.load(tmp_path / "h.onnx")
    assert [i.type.tensor_type.elem_type for i in (*made.graph.input, *made.graph.output)] == [T.FLOAT16, T.INT64, T.FLOAT16]
    assert cosine(run_both(run, tmp_path / "h.onnx", feed, tmp_path), wanted) > 0.99999


@pytest.mark.parametrize("passes", ["fuse,q4f16", "quant4{form=standard,min-elements=1},fp16", "quant8{min-elements=1,symmetric},fp16{io=convert}"])
def test_four_bits_and_halves(run, layer, tmp_path, passes):
    """Scales that were cast to float for float activations are read as they are."""
    source, feed, wanted = layer
    run("onnx-opt", f"--passes={passes}", source, "-o", tmp_path / "h.onnx", "--strict").ok()
    made = onnx.load(tmp_path / "h.onnx")
    constants = {t.name for t in made.graph.initializer}
    assert not any(n.op_type == "Cast" and n.input[0] in constants for n in made.graph.node)
    assert {"MatMulNBits", "DequantizeLinear"} & {n.op_type for n in made.graph.node}
    assert cosine(run_both(run, tmp_path / "h.onnx", feed, tmp_path), wanted) > 0.99


def test_bfloat16(run, layer, tmp_path):
    source, feed, wanted = layer
    run("onnx-opt", "--passes=bf16", source, "-o", tmp_path / "h.onnx", "--strict").ok()
    onnx.checker.check_model(onnx.load(tmp_path / "h.onnx"), full_check=True)
    np.savez(tmp_path / "in.npz", **feed)
    run("onnx-run", tmp_path / "h.onnx", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz").ok()
    assert cosine(np.load(tmp_path / "out.npz")["y"], wanted) > 0.9995


def test_what_overflows_stays(run, tmp_path):
    """Real inputs of a thousand, squared: seen with data, not with seeded inputs. Then the squares stay float, and nothing is lost."""
    w = (RNG.standard_normal((16, 16))).astype(np.float32)
    nodes = [h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("Mul", ["p", "p"], ["s"]), h.make_node("ReduceMean", ["s"], ["m"], axes=[-1]),
             h.make_node("Sqrt", ["m"], ["r"]), h.make_node("Div", ["p", "r"], ["n"]), h.make_node("MatMul", ["n", "w"], ["y"])]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.FLOAT, ["b", 16])], [h.make_tensor_value_info("y", T.FLOAT, ["b", 16])],
                         [numpy_helper.from_array(w, "w")])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    feed = {"x": 1000 * RNG.standard_normal((4, 16)).astype(np.float32)}
    wanted = session(tmp_path / "a.onnx").run(None, feed)[0]
    np.savez(tmp_path / "real.npz", **feed)
    said = run("onnx-opt", f"--passes=fp16{{data={tmp_path / 'real.npz'}}}", tmp_path / "a.onnx", "-o", tmp_path / "h.onnx", "--remarks=missed").ok()
    assert "ends at 65504" in said.err + said.out
    assert cosine(run_both(run, tmp_path / "h.onnx", feed, tmp_path), wanted) > 0.99999


@pytest.mark.parametrize(("bad", "code", "word"), [("keep=nothing", 2, "nothing"), ("headroom=0", 2, "headroom"), ("io=maybe", 2, "maybe"),
                                                   ("data=/not/there.npz", 3, "/not/there.npz")])
def test_bad_options(run, layer, tmp_path, bad, code, word):
    run("onnx-opt", f"--passes=fp16{{{bad}}}", layer[0], "-o", tmp_path / "h.onnx").refused(code, word)
    assert not (tmp_path / "h.onnx").exists()
