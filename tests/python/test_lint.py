"""onnx-inspect --lint: its three forms, exit codes, and SARIF against the schema of the standard."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import fastjsonschema
import onnx
import onnx.helper
import onnx.parser
import onnxruntime as ort
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

CLEAN = """<ir_version: 10, opset_import: ["" : 21]>
net (float[batch, 4] x) => (float[batch, 3] y) <float[4, 3] w = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}>
{ [product] y = MatMul (x, w) }"""
UNUSED = CLEAN.replace("<float[4, 3] w", "<float[2] spare = {1, 2}, float[4, 3] w")


@pytest.fixture
def save(tmp_path: pathlib.Path):
    def make(name: str, text: str) -> pathlib.Path:
        onnx.save(onnx.parser.parse_model(text), tmp_path / name)
        return tmp_path / name
    return make


@pytest.fixture
def escaping(tmp_path: pathlib.Path) -> pathlib.Path:
    model = onnx.parser.parse_model(CLEAN)
    w = model.graph.initializer[0]
    w.ClearField("float_data")
    w.data_location = onnx.TensorProto.EXTERNAL
    w.external_data.add(key="location", value="../secret")
    (tmp_path / "escaping.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "escaping.onnx"


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "broken.onnx").write_bytes(b"This is no model.\n")
    return tmp_path / "broken.onnx"


@pytest.fixture(scope="module")
def sarif_schema():
    return fastjsonschema.compile(json.loads((ROOT / "tests/data/sarif-schema-2.1.0.json").read_text()))


def test_a_clean_model(run, save):
    done = run("onnx-inspect", "--lint", save("a.onnx", CLEAN)).ok()
    assert "clean" in done.out and done.out.count("\n") == 1


def test_exit_codes(run, save, escaping, broken):
    clean, unused = save("a.onnx", CLEAN), save("b.onnx", UNUSED)
    assert run("onnx-inspect", "--lint", unused).code == 0  # a warning
    assert run("onnx-inspect", "--lint", "--fail-on=warning", unused).code == 1
    assert run("onnx-inspect", "--lint", "--fail-on=warning", clean).code == 0
    assert run("onnx-inspect", "--lint", escaping, clean).code == 3
    assert run("onnx-inspect", "--lint", broken).code == 3
    run("onnx-inspect", "--lint=nonsense", clean).refused(2, "nonsense")
    run("onnx-inspect", "--lint", "--fail-on=never", clean).refused(2, "never")
    run("onnx-inspect", "--lint", "--target=toaster", clean).refused(2, "toaster")
    run("onnx-inspect", "--lint", clean.parent / "nowhere.onnx").refused(3, "nowhere.onnx")


def test_text_tells_lint_place_and_fix(run, save):
    done = run("onnx-inspect", "--lint", save("b.onnx", UNUSED)).ok()
    assert "warning: an initializer that nothing reads [unused-initializer]" in done.out
    assert "initializer 'spare'" in done.out
    assert "fix: onnx-opt --passes=dce" in done.out


def test_json(run, save):
    report = json.loads(run("onnx-inspect", "--lint", "--json", save("b.onnx", UNUSED)).ok().out)
    assert report["counts"] == {"error": 0, "note": 0, "warning": 1}
    assert report["findings"][0]["place"] == {"kind": "initializer", "name": "spare"}


def test_sarif_is_valid(run, save, escaping, broken, sarif_schema):
    odd = save("odd näme [1].onnx", UNUSED)
    done = run("onnx-inspect", "--lint", "--sarif", save("a.onnx", CLEAN), odd, escaping, broken)
    assert done.code == 3
    log = json.loads(done.out)
    sarif_schema(log)
    results = log["runs"][0]["results"]
    by_rule = {r["ruleId"]: r for r in results}
    assert {"unused-initializer", "external-path", "refused-file"} <= by_rule.keys()
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    for r in results:
        assert rules[r["ruleIndex"]]["id"] == r["ruleId"]
    place = by_rule["unused-initializer"]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("odd%20n%C3%A4me%20%5B1%5D.onnx")
    assert place["logicalLocations"][0]["name"] == "spare"
    assert by_rule["refused-file"]["level"] == "error"
    assert len({r["partialFingerprints"]["finding/v1"] for r in results}) == len(results)


def test_sarif_schema_can_refuse(run, save, sarif_schema):
    log = json.loads(run("onnx-inspect", "--lint", "--sarif", save("b.onnx", UNUSED)).ok().out)
    log["runs"][0]["results"][0]["level"] = "catastrophe"
    with pytest.raises(fastjsonschema.JsonSchemaException):
        sarif_schema(log)


def test_lints_are_listed(run):
    assert "unused-initializer" in run("onnx-inspect", "--list-lints").ok().out


# --- kernel tables against the runtime itself


def test_the_table_of_ort_cpu_is_that_of_the_installed_onnxruntime():
    done = subprocess.run([sys.executable, ROOT / "passes/core/targets/make_ort_cpu.py", "--check"], check=False)
    assert done.returncode == 0, "run passes/core/targets/make_ort_cpu.py (a new onnxruntime?)"


def single(op: str, types: list[str], opset: int, **attributes) -> onnx.ModelProto:
    """A model of one node on tensors of unknown shape."""
    dtype = {"float": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "double": 11, "bfloat16": 16, "int8": 3, "uint8": 2}
    names = [f"x{i}" for i in range(len(types))]
    inputs = [onnx.helper.make_tensor_value_info(n, dtype[t], None) for n, t in zip(names, types)]
    node = onnx.helper.make_node(op, names, ["y"], name="node", **attributes)
    graph = onnx.helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)


@pytest.mark.parametrize(("op", "types", "opset", "attributes"), [
    ("Erf", ["float"], 21, {}), ("Erf", ["double"], 21, {}), ("Add", ["int8", "int8"], 21, {}),
    ("Acos", ["double"], 21, {}), ("Relu", ["int32"], 21, {}),
    ("Relu", ["float16"], 21, {}), ("MatMul", ["int32", "int32"], 21, {}), ("MatMul", ["bfloat16", "bfloat16"], 21, {}),
    ("Gather", ["int8", "int64"], 21, {}), ("Softmax", ["float"], 8, {}), ("Clip", ["int32"], 21, {}),
    ("NonZero", ["double"], 21, {}), ("NonZero", ["float"], 21, {}), ("CumSum", ["int32", "int32"], 21, {}),
    ("ConvInteger", ["int8", "int8"], 21, {}), ("GlobalLpPool", ["double"], 21, {}), ("Sign", ["int8"], 21, {}),
    ("Cast", ["float"], 21, {"to": 9}), ("IsInf", ["float16"], 21, {}), ("Where", ["bool", "int8", "int8"], 21, {}),
])
def test_no_kernel_agrees_with_onnxruntime(run, tmp_path, op, types, opset, attributes):
    path = tmp_path / "m.onnx"
    onnx.save(single(op, types, opset, **attributes), path)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        loads = True
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:
        loads = False
    report = json.loads(run("onnx-inspect", "--lint=no-kernel", "--json", path).out)
    assert (report["counts"]["error"] == 0) == loads, report["findings"]


def test_an_optimized_model_is_nearly_silent(run, minilm, tmp_path):
    before = json.loads(run("onnx-inspect", "--lint", "--json", minilm).ok().out)
    assert before["counts"]["warning"] > 10
    assert {f["lint"] for f in before["findings"] if f["severity"] == "warning"} == {"unfused"}
    run("onnx-opt", "-O3", minilm, "-o", tmp_path / "opt.onnx").ok()
    after = json.loads(run("onnx-inspect", "--lint", "--json", tmp_path / "opt.onnx").ok().out)
    assert after["counts"]["warning"] == 0 and after["counts"]["error"] == 0, after["findings"]
    assert after["counts"]["note"] <= 2, after["findings"]


def test_every_target_looks_at_a_real_model(run, minilm):
    for target, worst in [("ort-cpu", "note"), ("ort-web", "note"), ("ort-cuda", "note"), ("tensorrt", "warning"),
                          ("coreml", "warning"), ("standard", "note")]:
        report = json.loads(run("onnx-inspect", "--lint=target", f"--target={target}", "--json", minilm).ok().out)
        order = ["note", "warning", "error"]
        assert all(order.index(f["severity"]) <= order.index(worst) for f in report["findings"]), (target, report)
