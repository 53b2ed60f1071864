"""Policies that give fp16 and bf16: the weights that rules name and what is computed with them, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from conftest import session
from test_half import block, casts, cosine, run_both
from test_policy import measure, perceptron, policy  # noqa: F401  fixtures
from test_quant import text  # noqa: F401  a fixture

IDS = {"ids": np.random.default_rng(1).integers(0, 400, (10, 12))}


def types(path) -> dict[str, int]:
    return {t.name: t.data_type for t in onnx.load(path).graph.initializer}


def apply(run, source, folder, rules: str, *options: str, passes: str = ""):
    file = policy(folder / "p.xml", rules)
    out = folder / "h.onnx"
    said = run("onnx-opt", f"--passes={passes}", f"--policy={file}", "--strict", *options, source, "-o", out).ok()
    return out, said.out


def explained(said: str, weight: str) -> str:
    return next(line for line in said.splitlines() if re.match(rf"\s+(-|\d+)\s.*\s{re.escape(weight)}\s", line))


def model(path, nodes, inits: dict, inputs: dict, outputs: dict, opset: int = 17):
    info = [[h.make_tensor_value_info(k, T.INT64 if k == "ids" else T.FLOAT, d) for k, d in v.items()] for v in (inputs, outputs)]
    graph = h.make_graph(nodes, "g", *info, [numpy_helper.from_array(v.astype(np.float32), k) for k, v in inits.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), path)
    return path


@pytest.mark.parametrize(("rules", "halves", "most"), [
    ('<rule op="Gather" scheme="fp16"/>', {"table"}, 1),
    ('<rule name="one" scheme="fp16"/>', {"first"}, 2),
    ('<rule op="MatMul" scheme="fp16"/>', {"first", "second"}, 2),  # the Tanh between goes along
    ('<rule op="MatMul" scheme="fp16"/><rule scheme="float"/>', {"first", "second"}, 2),
    ('<rule op="Tanh" scheme="float"/><rule op="MatMul" scheme="fp16"/>', {"first", "second"}, 4),
    ('<rule role="norm" scheme="float"/><rule scheme="fp16"/>', {"table", "first", "second"}, 3),
    ('<rule scheme="fp16"/>', {"table", "first", "second", "scale", "shift"}, 1),
])
def test_halves_are_what_rules_name(run, tmp_path, perceptron, rules, halves, most):  # noqa: F811
    out, said = apply(run, perceptron, tmp_path, rules, "--explain")
    assert {n for n, t in types(out).items() if t == T.FLOAT16} == halves
    assert casts(out) == most
    made, wanted = session(out).run(None, IDS)[0], session(perceptron).run(None, IDS)[0]
    assert made.dtype == np.float32 and cosine(made, wanted) > 0.99999
    before, after = 400 * 96 * 4, 400 * 96 * 2
    if "table" in halves:
        line = explained(said, "table")
        assert re.search(r"\sfp16\s", line) and "rule p.xml:1" in line and "154 kB" in line and "76.8 kB" in line
        assert 1e-4 < float(re.search(r"(0\.\d{4})\s+rule", line).group(1)) < 3e-4, "eleven bits"
        assert perceptron.stat().st_size - out.stat().st_size > (before - after) - 1000


def test_all_in_halves_is_the_pass(run, tmp_path, perceptron):  # noqa: F811
    out, _ = apply(run, perceptron, tmp_path, '<rule scheme="fp16"/>')
    run("onnx-opt", "--passes=fp16", perceptron, "-o", tmp_path / "pass.onnx").ok()
    ours, its = onnx.load(out).graph, onnx.load(tmp_path / "pass.onnx").graph
    assert [n.op_type for n in ours.node] == [n.op_type for n in its.node]
    assert [(t.name, t.data_type, t.raw_data) for t in ours.initializer] == [(t.name, t.data_type, t.raw_data) for t in its.initializer]


def test_halves_beside_four_bits(run, tmp_path, perceptron):  # noqa: F811
    """A float16 scale is widened where its product computes in float, and read as it is inside of halves."""
    out, said = apply(run, perceptron, tmp_path, '<rule name="one" scheme="fp16"/><rule scheme="quant4"/>', "--explain")
    assert types(out)["first"] == T.FLOAT16 and "quant4" in explained(said, "second")
    assert {"MatMulNBits", "GatherBlockQuantized"} <= {n.op_type for n in onnx.load(out).graph.node}
    assert cosine(run_both(run, out, IDS, tmp_path), session(perceptron).run(None, IDS)[0]) > 0.98
    rng = np.random.default_rng(4)
    nodes = [h.make_node("MatMul", ["x", "a"], ["1"], name="one"), h.make_node("MatMul", ["1", "b"], ["2"], name="two"),
             h.make_node("MatMul", ["2", "c"], ["y"], name="three")]
    source = model(tmp_path / "three.onnx", nodes, {n: rng.standard_normal((96, 96)) / 10 for n in "abc"}, {"x": ["n", 96]}, {"y": ["n", 96]})
    out, _ = apply(run, source, tmp_path, '<rule name="two" scheme="quant4"/><rule scheme="fp16"/>')
    assert casts(out) == 2, "in and out"
    out, _ = apply(run, source, tmp_path, '<rule name="two" scheme="fp16"/><rule scheme="quant4"/>')
    assert sum(n.op_type == "Cast" and n.input[0] not in types(out) for n in onnx.load(out).graph.node) == 2, "around the one"


def test_convolutions_and_gemms(run, tmp_path):
    rng = np.random.default_rng(5)
    inits = {"k": rng.standard_normal((32, 3, 3, 3)) / 5, "kb": rng.standard_normal(32), "k2": rng.standard_normal((64, 32, 3, 3)) / 15,
             "g": rng.standard_normal((10, 64)) / 8, "gb": rng.standard_normal(10)}
    nodes = [h.make_node("Conv", ["x", "k", "kb"], ["1"], name="stem"), h.make_node("Relu", ["1"], ["2"]),
             h.make_node("Conv", ["2", "k2"], ["3"], name="body"), h.make_node("Relu", ["3"], ["4"]),
             h.make_node("GlobalAveragePool", ["4"], ["5"]), h.make_node("Flatten", ["5"], ["6"]),
             h.make_node("Gemm", ["6", "g", "gb"], ["y"], name="fc", transB=1)]
    source = model(tmp_path / "c.onnx", nodes, inits, {"x": ["n", 3, 12, 12]}, {"y": ["n", 10]})
    feed = {"x": rng.standard_normal((2, 3, 12, 12)).astype(np.float32)}
    wanted = session(source).run(None, feed)[0]
    for rules, halves in (('<rule role="convolution" scheme="fp16"/>', {"k2"}), ('<rule name="body" scheme="fp16"/>', {"k2"}),
                          ('<rule op="Conv" min-elements="10" scheme="fp16"/><rule scheme="quant8"/>', {"k2"})):
        out, _ = apply(run, source, tmp_path, rules)
        assert {n for n, t in types(out).items() if t == T.FLOAT16 and len(n) < 3} >= halves
        assert types(out)["g"] == T.FLOAT, "too small to be worth its Casts"
        assert casts(out) <= 2 and cosine(session(out).run(None, feed)[0], wanted) > 0.99999
    file = policy(tmp_path / "p.xml", '<rule op="Gemm" scheme="fp16"/>')
    out = tmp_path / "h.onnx"
    run("onnx-opt", f"--passes=policy{{file={file},min-elements=100}}", source, "-o", out).ok()
    assert {n for n, t in types(out).items() if t == T.FLOAT16} == {"g", "gb"} and casts(out) == 2


def test_a_weight_is_not_stored_twice(run, tmp_path):
    """A table in halves whose head stays float would be there in both types."""
    rng = np.random.default_rng(6)
    nodes = [h.make_node("Gather", ["t", "ids"], ["e"], name="lookup"), h.make_node("Tanh", ["e"], ["a"]),
             h.make_node("Transpose", ["t"], ["tt"], perm=[1, 0], name="turn"), h.make_node("MatMul", ["a", "tt"], ["y"], name="head")]
    source = model(tmp_path / "t.onnx", nodes, {"t": rng.standard_normal((400, 96))}, {"ids": ["n", "l"]}, {"y": ["n", "l", 400]})
    wanted = session(source).run(None, IDS)[0]
    out, said = apply(run, source, tmp_path, '<rule op="Gather" scheme="fp16"/>', "--explain")
    assert types(out) == {"t": T.FLOAT} and casts(out) == 0
    assert "also reads the weight and stays" in explained(said, "t")
    out, _ = apply(run, source, tmp_path, '<rule scheme="fp16"/>')
    assert types(out) == {"t": T.FLOAT16} and casts(out) == 1 and cosine(session(out).run(None, IDS)[0], wanted) > 0.99999


def test_what_overflows_stays_and_says_so(run, tmp_path):
    rng = np.random.default_rng(7)
    w = rng.standard_normal((96, 96))
    nodes = [h.make_node("MatMul", ["x", "large"], ["1"], name="one"), h.make_node("Tanh", ["1"], ["2"]),
             h.make_node("MatMul", ["2", "small"], ["y"], name="two")]
    source = model(tmp_path / "o.onnx", nodes, {"large": 50 * w, "small": w / 10}, {"x": ["n", 96]}, {"y": ["n", 96]})
    feed = {"x": 100 * rng.standard_normal((4, 96)).astype(np.float32)}
    np.savez(tmp_path / "real.npz", **feed)
    out, said = apply(run, source, tmp_path, '<rule op="MatMul" scheme="fp16"/>', "--explain", "--remarks=missed",
                      f"--calibrate={tmp_path / 'real.npz'}")
    assert types(out) == {"large": T.FLOAT, "small": T.FLOAT16}
    line = explained(said, "large")
    assert re.search(r"\sfloat\s", line) and "rule p.xml:1: '1' reaches" in line and "ends at 65504" in line
    assert re.search(r"fp16.*one.*ends at 65504", said.split("layer")[0])
    assert cosine(session(out).run(None, feed)[0], session(source).run(None, feed)[0]) > 0.99999


def test_masks_change_only_for_halves_that_meet_them(run, tmp_path):
    source, feed = block()
    onnx.save(source, tmp_path / "a.onnx")
    wanted = session(tmp_path / "a.onnx").run(None, feed)[0]
    lows = []
    for rules in ('<rule role="feed-forward" scheme="fp16"/>', '<rule role="attention" scheme="fp16"/>'):
        out, _ = apply(run, tmp_path / "a.onnx", tmp_path, rules)
        inits = {t.name: numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
        lows.append(float(inits["low"]))
        assert (inits["up"].dtype == np.float16) == ("feed" in rules) and (inits["q"].dtype == np.float16) == ("attention" in rules)
        assert inits["g"].dtype == np.float32, "norms stay"
        assert cosine(run_both(run, out, feed, tmp_path), wanted) > 0.99999
    assert lows[0] < -3e38 and lows[1] == -32752


def test_bfloat16(run, tmp_path, perceptron):  # noqa: F811
    out, said = apply(run, perceptron, tmp_path, '<rule name="one" scheme="bf16"/><rule op="Gather" scheme="fp16"/>', "--explain", "--target=standard")
    assert [types(out)[n] for n in ("table", "first", "second")] == [T.FLOAT16, T.BFLOAT16, T.FLOAT]
    assert re.search(r"\sbf16\s", explained(said, "first")) and re.search(r"\sfp16\s", explained(said, "table"))
    np.savez(tmp_path / "in.npz", **IDS)
    run("onnx-run", out, "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz").ok()
    assert cosine(np.load(tmp_path / "out.npz")["y"], session(perceptron).run(None, IDS)[0]) > 0.9999


@pytest.mark.parametrize(("rules", "code", "words"), [
    ('<rule scheme="fp16" block="32"/>', 3, ["p.xml:1:", 'scheme "fp16" has no block']),
    ('<rule scheme="bf16" scales="float16"/>', 3, ["p.xml:1:", 'scheme "bf16" has no scales']),
    ('<rule role="convolution" scheme="fp16"/>', 3, ["decides about none of the 3 weights"]),
])
def test_what_makes_no_sense(run, tmp_path, perceptron, rules, code, words):  # noqa: F811
    file = policy(tmp_path / "p.xml", rules)
    run("onnx-opt", "--passes=", f"--policy={file}", perceptron, "-o", tmp_path / "q.onnx").refused(code, *words)
    assert not (tmp_path / "q.onnx").exists()


def test_mixed_halves_on_minilm(run, measure, tmp_path, minilm):  # noqa: F811
    """fp16 feed-forward, 4-bit attention, 8-bit tables: as close as the quantized parts alone."""
    quantized = '<rule role="attention" scheme="quant4"/><rule role="embedding" scheme="quant8"/>'
    halves = '<rule role="feed-forward" scheme="fp16"/>'
    mean, least, ratio = measure(f"--policy={policy(tmp_path / 'h.xml', halves)}")
    assert mean > 0.99999 and least > 0.9999 and ratio < 0.85
    plain = measure(f"--policy={policy(tmp_path / 'q.xml', quantized)}")
    both = measure(f"--policy={policy(tmp_path / 'b.xml', quantized + halves)}")
    assert both[0] > plain[0] - 0.0005 and both[1] > plain[1] - 0.001 and both[2] < plain[2] - 0.15
    out = tmp_path / "m.onnx"
    said = run("onnx-opt", f"--policy={tmp_path / 'b.xml'}", "--explain", "--verify=off", minilm, "-o", out).ok().out
    made = onnx.load(out)
    assert len(re.findall(r"\sfeed-forward (?:up|down).*\sfp16\s", said)) == 12
    assert [i.type.tensor_type.elem_type for i in made.graph.output] == [T.FLOAT]
    constants = {t.name for t in made.graph.initializer}
    floats = [n for n in made.graph.node if n.op_type == "Cast" and n.attribute[0].i != T.INT32 and n.input[0] not in constants]
    assert len(floats) == 2 * 6, "one into each feed-forward and one out of it"
    assert {t.name for t in made.graph.initializer if t.data_type == T.FLOAT and np.prod(t.dims) >= 4096} == set()
