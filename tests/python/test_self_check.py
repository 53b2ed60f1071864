"""onnx-inspect --sha256, --verify-sha, --self-check, --provenance, --why."""

from __future__ import annotations

import hashlib
import json
import pathlib

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

MODEL = """<ir_version: 10, opset_import: ["" : 17]>
net (int64[batch, seq] ids) => (float[batch, seq, 4] y) <float[3, 4] table = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
  float half = {0.5}, float one = {1}, float root = {1.4142135}>
{
  [look] e = Gather (table, ids)
  [scale] d = Div (e, root)
  [erf] f = Erf (d)
  [plus] p = Add (f, one)
  [half] h = Mul (e, half)
  [times] y = Mul (h, p)
}"""


@pytest.fixture
def plain(tmp_path: pathlib.Path) -> pathlib.Path:
    onnx.save(onnx.parser.parse_model(MODEL), tmp_path / "plain.onnx")
    return tmp_path / "plain.onnx"


@pytest.fixture
def fused(run, plain: pathlib.Path) -> pathlib.Path:
    out = plain.with_name("fused.onnx")
    run("onnx-opt", plain, "-o", out, "--provenance").ok()
    return out


@pytest.fixture
def apart(plain: pathlib.Path) -> pathlib.Path:
    """With its table in a file of its own."""
    model = onnx.load(plain)
    (table,) = [t for t in model.graph.initializer if t.name == "table"]
    (plain.parent / "table.bin").write_bytes(onnx.numpy_helper.to_array(table).tobytes())
    table.ClearField("float_data")
    table.data_location = onnx.TensorProto.EXTERNAL
    table.external_data.add(key="location", value="table.bin")
    (plain.parent / "apart.onnx").write_bytes(model.SerializeToString())
    return plain.parent / "apart.onnx"


def sha(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_sha256(run, plain, apart):
    assert run("onnx-inspect", "--sha256", plain).ok().out == f"{sha(plain)}  {plain}\n"
    done = run("onnx-inspect", "--sha256", apart).ok()
    table = apart.parent / "table.bin"
    assert done.out == f"{sha(apart)}  {apart}\n{sha(table)}  {table}\n"
    report = json.loads(run("onnx-inspect", "--sha256", "--json", apart).ok().out)
    assert report["external"] == [{"location": "table.bin", "sha256": sha(table)}]


def test_verify_sha(run, plain, apart, tmp_path):
    run("onnx-inspect", f"--verify-sha={sha(plain).upper()}", plain).ok()
    wrong = run("onnx-inspect", f"--verify-sha={'0' * 64}", "--self-check", plain)
    wrong.refused(1, sha(plain), "0" * 64)
    assert wrong.out == ""
    # Before anything is parsed.
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    run("onnx-inspect", f"--verify-sha={'0' * 64}", broken).refused(1, sha(broken))
    run("onnx-inspect", "--verify-sha=12", plain).refused(2, "hexadecimal")
    run("onnx-inspect", f"--verify-sha={sha(plain)}", tmp_path / "nowhere.onnx").refused(3, "nowhere.onnx")
    assert "does not cover its external data (table.bin)" in run("onnx-inspect", f"--verify-sha={sha(apart)}", apart).ok().err


def test_self_check(run, plain, apart):
    for path in (plain, apart):
        done = run("onnx-inspect", "--self-check", path).ok()
        for part in ("loads    6 nodes", "6 of 6 values", "reference executor", "int64[batch, seq]  ran as int64[2, 3]", "output   y"):
            assert part in done.out
    report = json.loads(run("onnx-inspect", "--self-check", "--json", plain).ok().out)
    assert report["inputs"] == [{"name": "ids", "declared": "int64[batch, seq]", "ran": "int64[2, 3]"}]
    assert report["outputs"][0]["is"]["shape"] == [2, 3, 4]


def test_self_check_of_what_does_not_run(run, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 17, "mine" : 1]>
      g (float[2] x) => (float[2] y) { y = mine.Frobnicate (x) }"""), path)
    run("onnx-inspect", "--self-check", path).refused(1, "does not run", "Frobnicate")
    path.write_bytes(b"no model")
    run("onnx-inspect", "--self-check", path).refused(3)


def test_provenance(run, plain, fused):
    assert "no record" in run("onnx-inspect", "--provenance", plain).ok().out
    done = run("onnx-inspect", "--provenance", fused).ok()
    assert sha(plain) in done.out and "fuse-gelu" in done.out
    report = json.loads(run("onnx-inspect", "--provenance", "--json", fused).ok().out)
    assert report["input_sha256"] == sha(plain)
    (gelu,) = [r for r in report["rewrites"] if r["pass"] == "fuse-gelu"]
    assert sorted(gelu["taken"]) == ["erf", "half", "plus", "scale", "times"]


def test_why(run, fused):
    (gelu,) = [n.name for n in onnx.load(fused).graph.node if n.op_type == "Gelu"]
    done = run("onnx-inspect", "--why", gelu, fused).ok()
    assert f"'{gelu}' was made by fuse-gelu" in done.out and "'erf'" in done.out
    assert "as the input had it" in run("onnx-inspect", "--why", "look", fused).ok().out
    run("onnx-inspect", "--why", "nobody", fused).refused(2, "nobody")
    report = json.loads(run("onnx-inspect", "--why", gelu, "--json", fused).ok().out)
    assert report["rewrites"][0]["made"] == gelu


def test_self_check_is_deterministic(run, plain):
    first, second = (json.loads(run("onnx-inspect", "--self-check", "--json", plain).ok().out)["outputs"] for _ in range(2))
    assert first == second
    assert np.isfinite(first[0]["is"]["max"])
