"""onnx-diff: what it reports, in every form; exit codes."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import onnx
import onnx.parser
import onnx.numpy_helper
import pytest

MODEL = """<ir_version: 10, opset_import: ["" : 21]>
net (float[batch, 4] x) => (float[batch, 3] y)
<float[4, 3] w = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, float[3] bias = {0.5, 0.25, 0.125}>
{
  [product] p = MatMul (x, w)
  [sum] s = Add (p, bias)
  [soft] y = Softmax <axis = -1> (s)
}"""


@pytest.fixture
def save(tmp_path: pathlib.Path):
    def make(name: str, text: str = MODEL, *changes: tuple[str, str]) -> pathlib.Path:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        onnx.save(onnx.parser.parse_model(text), path)
        return path
    return make


def report(run, *args) -> dict:
    done = run("onnx-diff", "--json", *args)
    assert done.code in (0, 1), done.err
    out = json.loads(done.out)
    assert (done.code == 0) == out["same"]
    return out


def test_the_same_whatever_the_names(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("p = MatMul", "other = MatMul"), ("Add (p, bias)", "Add (bias, other)"), ("[sum] s", "[plus] t"),
             ("(s)", "(t)"))
    done = run("onnx-diff", a, b).ok()
    assert "same" in done.out
    out = report(run, a, b)
    assert out["names"] == {"nodes": 1, "values": 2}
    assert out["nodes"]["aligned"] == 3


def test_a_changed_attribute(run, save):
    out = report(run, save("a.onnx"), save("b.onnx", MODEL, ("axis = -1", "axis = 0")))
    [change] = out["nodes"]["changes"]
    assert change["name"] == "soft"
    assert change["attributes"] == [{"name": "axis", "before": "-1", "after": "0"}]
    assert out["hunks"] == [] and out["interface"] == [] and out["weights"]["changes"] == []


def test_a_default_written_out_is_no_change(run, save):
    run("onnx-diff", save("a.onnx"), save("b.onnx", MODEL, ("Softmax <axis = -1>", "Softmax"))).ok()


def test_an_inserted_and_a_removed_node(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("[soft] y = Softmax <axis = -1> (s)", "[act] r = Relu (s)\n [soft] y = Softmax (r)"))
    for x, y, side in ((a, b, "added"), (b, a, "removed")):
        out = report(run, x, y)
        [group] = out["hunks"]
        [place] = group["places"]
        assert [n["op"] for n in place[side]] == ["Relu"]
        assert place["added" if side == "removed" else "removed"] == []
        assert place["readers"][0]["name"] == "soft"
        assert "has no Relu" in place[side][0]["why"]
        assert out["nodes"]["changes"] == []


def test_weights(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("10, 11}", "10, 13}"))
    out = report(run, a, b)
    [w] = out["weights"]["changes"]
    assert (w["a"], w["dims_a"], w["type_b"]) == ("w", [4, 3], "float")
    x = np.arange(12.0)
    y = x.copy()
    y[11] = 13
    d = w["difference"]
    assert d["differing"] == 1 and d["count"] == 12
    assert d["max"] == 2 and d["mean"] == pytest.approx(2 / 12)
    assert d["cosine"] == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert d["relative"] == pytest.approx(2 / np.linalg.norm(x))
    limit = 2 / np.linalg.norm(x)
    run("onnx-diff", f"--fail-on=weights>{limit * 1.01}", a, b).ok()
    assert run("onnx-diff", f"--fail-on=weights>{limit * 0.99}", a, b).code == 1
    run("onnx-diff", "--fail-on=ops,interface", a, b).ok()
    assert run("onnx-diff", "-q", a, b).code == 1


def test_interface(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("float[batch, 4] x", "float[1, 4] x"), ('"" : 21', '"" : 22'))
    out = report(run, a, b)
    assert {(c["kind"], c["name"], c["before"], c["after"]) for c in out["interface"]} == {
        ("input", "x", "float[batch, 4]", "float[1, 4]"), ("opset", "ai.onnx", "21", "22")}
    run("onnx-diff", "--fail-on=ops,weights", a, b).ok()
    assert run("onnx-diff", "--fail-on=interface", a, b).code == 1


def test_inside_a_body(run, save):
    text = """<ir_version: 10, opset_import: ["" : 21]>
branch (bool c, float[4] x) => (float[4] y) {
  k = Constant <value = float {2}> ()
  y = If (c) <then_branch = t () => (float[4] a) { [inner] h = LeakyRelu <alpha = 0.1> (x)  a = Mul (h, k) },
              else_branch = e () => (float[4] b) { b = Neg (x) }>
}"""
    out = report(run, save("a.onnx", text), save("b.onnx", text, ("alpha = 0.1", "alpha = 0.3")))
    [change] = out["nodes"]["changes"]
    assert change["name"] == "inner"
    assert out["hunks"] == []


@pytest.mark.parametrize("args, words", [
    ([], ["two models"]), (["a.onnx"], ["two models"]), (["a.onnx", "a.onnx", "a.onnx"], ["two models"]), (["-", "-"], ["standard input"]),
    (["--fail-on=color", "a.onnx", "a.onnx"], ["'color'", "interface"]), (["--fail-on=weights>x", "a.onnx", "a.onnx"], ["weights>x"]),
    (["--nonsense", "a.onnx", "a.onnx"], ["nonsense"]),
])
def test_usage(run, save, args, words):
    folder = save("a.onnx").parent
    run("onnx-diff", *args, cwd=folder).refused(2, *words)


def test_help_has_examples(run):
    out = run("onnx-diff", "--help").ok().out
    assert "Examples:" in out and "onnx-diff old.onnx new.onnx" in out
