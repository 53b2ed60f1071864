"""onnx-run: bad input at run time is one line that names node, op and value; reports are what they say."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import onnx
import onnx.parser
import pytest

HEAD = '<ir_version: 10, opset_import: ["" : 21]>\n'

ENDLESS = """
endless (float[2] x) => (float[2] y) {
  true_ = Constant <value = bool {1}> ()
  [spin] y = Loop (, true_, x) <body = inner (int64 i, bool go, float[2] a) => (bool again, float[2] b) {
    again = Identity (go)
    b = Add (a, a)
  }>
}"""

BAD = {
    "integer division by zero": ("g (int64[2] x) => (int64[2] y) { zero = Constant <value = int64[2] {1, 0}> () [halve] y = Div (x, zero) }",
                                 [], ["halve", "Div", "division by zero"]),
    "index out of range": ("g (float[3, 2] x) => (float[1, 2] y) { at = Constant <value = int64[1] {7}> () [pick] y = Gather (x, at) }",
                           [], ["pick", "Gather", "7"]),
    "shapes that do not meet": ("g (float[n] x, float[m] z) => (float[k] y) { [sum] y = Add (x, z) }",
                                ["-i", "x=1,2,3", "-i", "z=1,2"], ["sum", "Add", "[3]", "[2]"]),
    "memory beyond the limit": ("g (float[256, 256] x) => (float[256, 256] y) { [grow] y = Add (x, x) }",
                                ["--max-memory", "300000"], ["grow", "Add", "262144"]),
    "memory in pieces": ("g (float[64, 64] x) => (seq(float[?, 64]) y) { [cut] y = SplitToSequence <axis = 0> (x) }",
                         ["--max-memory", "20000"], ["cut", "SplitToSequence", "memory limit"]),
    "memory inside a kernel": ("g (float16[64, 4096] x, float16[4096, 4] w) => (float16[64, 4] y) { [product] y = MatMul (x, w) }",
                               ["--max-memory", "700000"], ["product", "MatMul", "1048576", "memory limit"]),
}


@pytest.fixture
def model(tmp_path: pathlib.Path):
    def make(text: str) -> pathlib.Path:
        path = tmp_path / "m.onnx"
        onnx.save(onnx.parser.parse_model(HEAD + text), path)
        return path
    return make


@pytest.mark.parametrize("what", BAD)
def test_bad_input(run, model, what):
    text, options, words = BAD[what]
    run("onnx-run", model(text), *options).refused(3, *words)


def test_an_endless_loop_ends(run, model):
    run("onnx-run", model(ENDLESS), timeout=300).refused(3, "spin", "Loop", "1048576")


def test_inputs_that_do_not_fit(run, model, tmp_path):
    path = model("g (float[2, n] x) => (float[2, n] y) { y = Relu (x) }")
    np.save(tmp_path / "wide.npy", np.zeros((3, 4), np.float32))
    run("onnx-run", path, "-i", f"x={tmp_path / 'wide.npy'}").refused(3, "x", "[3, 4]")
    np.save(tmp_path / "int.npy", np.zeros((2, 4), np.int64))
    run("onnx-run", path, "-i", f"x={tmp_path / 'int.npy'}").refused(3, "x", "int64")
    run("onnx-run", path, "-i", f"x={tmp_path / 'none.npy'}").refused(3, "none.npy")
    run("onnx-run", path, "-i", "z=1").refused(2, "z")


SMALL = """g (float[2, 3] x) => (float[2, 3] y, int64[1] n) {
  h = Relu (x)
  [last] y = Mul (h, h)
  n = Constant <value = int64[1] {5}> ()
}"""


def test_bench_profile_and_trace(run, model, tmp_path):
    path, trace = model(SMALL), tmp_path / "trace.json"
    done = run("onnx-run", path, "--bench", "5", "--profile", "--trace", "--json", "--chrome-trace", trace).ok()
    report = json.loads(done.out)
    bench = report["bench"]
    assert bench["runs"] == 5
    assert 0 < bench["least_ms"] <= bench["p50_ms"] <= bench["p95_ms"]
    assert {o["op"]: (o["calls"], o["bytes"]) for o in report["profile"]["ops"]} == {"Relu": (1, 24), "Mul": (1, 24)}
    assert {n["node"] for n in report["profile"]["nodes"]} == {"h", "last"}
    assert {t["value"] for t in report["trace"]} >= {"h", "y"}
    assert report["outputs"]["y"]["shape"] == [2, 3]
    events = json.loads(trace.read_text())["traceEvents"]
    assert len(events) == 10 and all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    assert [e["ts"] for e in events[:2]] == sorted(e["ts"] for e in events[:2])


def test_outputs_as_json(run, model, tmp_path):
    out = tmp_path / "out.json"
    np.save(tmp_path / "x.npy", np.array([[1, 2, np.inf], [-1, np.nan, 0.5]], np.float32))
    run("onnx-run", model(SMALL), "-i", f"x={tmp_path / 'x.npy'}", "-o", out).ok()
    values = json.loads(out.read_text())
    assert values["y"]["type"] == "float" and values["y"]["shape"] == [2, 3]
    assert values["y"]["data"] == [1, 4, "Infinity", 0, "NaN", 0.25]
    assert values["n"]["data"] == [5]
