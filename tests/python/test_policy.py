"""Policies and searches under a budget: what they decide, what they keep, what they refuse."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from conftest import ROOT, session
from test_minilm import embed
from test_quant import sentences, text  # noqa: F401  a fixture

MIXED = ROOT / "samples" / "policies" / "mixed.xml"


@pytest.fixture(scope="module")
def perceptron(tmp_path_factory):
    """Two matrices, one of them far more sensitive, and a table."""
    rng = np.random.default_rng(3)
    inits = {"table": rng.standard_normal((400, 96)), "first": rng.standard_normal((96, 128)) / 10,
             "second": rng.standard_normal((128, 32)) / 10, "scale": np.ones(96), "shift": np.zeros(96)}
    nodes = [h.make_node("Gather", ["table", "ids"], ["e"], name="lookup"),
             h.make_node("LayerNormalization", ["e", "scale", "shift"], ["n"], axis=-1),
             h.make_node("MatMul", ["n", "first"], ["a"], name="one"), h.make_node("Tanh", ["a"], ["t"]),
             h.make_node("MatMul", ["t", "second"], ["y"], name="two")]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("ids", T.INT64, ["batch", "length"])],
                         [h.make_tensor_value_info("y", T.FLOAT, ["batch", "length", 32])],
                         [numpy_helper.from_array(v.astype(np.float32), k) for k, v in inits.items()])
    path = tmp_path_factory.mktemp("policy") / "p.onnx"
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


def policy(path, rules: str, attributes: str = ""):
    path.write_text(f"<policy {attributes}>{rules}</policy>")
    return path


def bits(path) -> dict[str, int]:
    made = {}
    for node in onnx.load(path).graph.node:
        for a in node.attribute:
            if a.name == "bits":
                made[re.sub(r"_q\d.*", "", node.input[0 if "Gather" in node.op_type else 1])] = a.i
    return made


@pytest.mark.parametrize("rules, wanted", [
    ('<rule op="Gather" scheme="quant8"/><rule scheme="quant4"/>', {"table": 8, "first": 4, "second": 4}),
    ('<rule name="*first" scheme="float"/><rule name="two" scheme="quant8"/>', {"second": 8}),
    ('<rule role="embedding" scheme="quant4"/>', {"table": 4}),
    ('<rule share-above="0.5" scheme="quant4"/><rule scheme="quant8"/>', {"table": 4, "first": 8, "second": 8}),
    ('<rule min-elements="10000" scheme="quant2" rounding="rtn"/>', {"table": 2, "first": 2}),
    ('<rule scheme="float" name="t*"/><rule scheme="quant8" block="32"/>', {"first": 8}),
])
def test_the_first_rule_that_matches_decides(run, tmp_path, perceptron, rules, wanted):
    file = policy(tmp_path / "p.xml", rules)
    if "t*" in rules:  # nodes' names count too: "two" and "table"
        wanted = {"first": 8}
    run("onnx-opt", "--passes=", f"--policy={file}", perceptron, "-o", tmp_path / "q.onnx", "--strict").ok()
    assert bits(tmp_path / "q.onnx") == wanted


def test_explain_tells_every_weight(run, tmp_path, perceptron):
    file = policy(tmp_path / "p.xml", '<rule op="Gather" scheme="quant8"/>\n<rule name="first" scheme="quant4"/>')
    said = run("onnx-opt", "--passes=", f"--policy={file}", "--explain", perceptron, "-o", tmp_path / "q.onnx").ok().out
    lines = {line.split()[2]: line for line in said.splitlines() if re.match(r"\s+-\s", line)}
    assert "quant8 block 128" in lines["table"] and "154 kB" in lines["table"]
    assert "quant4 block 16" in lines["first"] and "rule p.xml:2" in lines["first"]
    assert "float" in lines["second"] and "no rule of the policy matches" in lines["second"]
    error = float(re.search(r"(0\.\d{4})\s+rule", lines["first"]).group(1))
    assert 0.03 < error < 0.1, "4 bits of a bell"
    assert "norms stay" in said


@pytest.mark.parametrize("rules, code, words", [
    ('<rule role="convolution" scheme="quant4"/>', 3, ["decides about none of the 3 weights"]),
    ('<rule scheme="quant5"/>', 3, ["p.xml:1:", "quant5", "known are"]),
    ("<rule", 3, ["p.xml:1:", "not well-formed"]),
    ('<rule scheme="float"/>' * 60_000, 3, ["more than 1 MB"]),
])
def test_bad_policies(run, tmp_path, perceptron, rules, code, words):
    file = policy(tmp_path / "p.xml", rules)
    run("onnx-opt", "--passes=", f"--policy={file}", perceptron, "-o", tmp_path / "q.onnx").refused(code, *words)
    assert not (tmp_path / "q.onnx").exists()


def test_entities_are_not_expanded(run, tmp_path, perceptron):
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    (tmp_path / "p.xml").write_text(f'<?xml version="1.0"?>\n<!DOCTYPE policy [<!ENTITY l0 "ha">{laughs}]>\n<policy name="&l11;"/>')
    run("onnx-opt", f"--policy={tmp_path / 'p.xml'}", perceptron, "-o", tmp_path / "q.onnx").refused(3, "p.xml:")


def test_the_schema_knows_what_the_reader_knows(run, tmp_path, perceptron):
    """Every attribute of docs/policy.xsd is read, and every word of its lists."""
    xs = "{http://www.w3.org/2001/XMLSchema}"
    root = ET.parse(ROOT / "docs" / "policy.xsd").getroot()
    rule = next(t for t in root.iter(f"{xs}complexType") if t.get("name") == "rule")
    plain = {"name": "*", "op": "MatMul", "layers": "0", "share-above": "0.1", "share-below": "0.9", "min-elements": "1",
             "symmetric": "true", "accuracy-level": "1"}
    rules = []
    for a in rule.iter(f"{xs}attribute"):
        words = [e.get("value") for e in a.iter(f"{xs}enumeration")] or [plain[a.get("name")]]
        for word in words:
            given = {"scheme": "quant4", a.get("name"): word}
            rules.append("<rule " + " ".join(f'{k}="{v}"' for k, v in given.items()) + "/>")
    assert len(rules) > 40
    file = policy(tmp_path / "p.xml", "\n".join(rules))
    run("onnx-opt", "--passes=", f"--policy={file}", perceptron, "-o", tmp_path / "q.onnx").ok()
    for sample in (ROOT / "samples" / "policies").glob("*.xml"):
        for e in ET.parse(sample).getroot().iter("rule"):
            assert set(e.attrib) <= {a.get("name") for a in rule.iter(f"{xs}attribute")}


def near(path, other, feed) -> float:
    a, b = session(path).run(None, feed)[0].astype(np.float64), session(other).run(None, feed)[0].astype(np.float64)
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def test_auto_keeps_its_promise_and_repeats(run, tmp_path, perceptron):
    sizes = []
    for promise in ("0.95", "0.99", "0.9995"):
        out = tmp_path / f"{promise}.onnx"
        said = run("onnx-opt", f"--passes=auto{{min-cosine={promise},min-elements=1000}}", perceptron, "-o", out,
                   f"--front={tmp_path / 'front.json'}").ok().out
        assert "Pareto front" in said
        feed = {"ids": np.random.default_rng(1).integers(0, 400, (40, 12))}
        assert near(perceptron, out, feed) > float(promise)
        sizes.append(out.stat().st_size)
        front = json.loads((tmp_path / "front.json").read_text())
        assert sum(p["chosen"] for p in front) == 1
        assert all(a["bytes"] < b["bytes"] and a["predicted_loss"] > b["predicted_loss"] for a, b in zip(front, front[1:]))
        # the written policy gives the same file
        run("onnx-opt", "--passes=policy{file=" + str(tmp_path / f"{promise}.policy.xml") + ",min-elements=1000}", perceptron,
            "-o", tmp_path / "again.onnx").ok()
        assert (tmp_path / "again.onnx").read_bytes() == out.read_bytes()
    assert sizes == sorted(sizes)


def test_auto_meets_a_size(run, tmp_path, perceptron):
    source = perceptron.stat().st_size
    for most in (source // 2, source // 4, source // 6):
        run("onnx-opt", f"--passes=auto{{max-bytes={most},min-elements=1000}}", perceptron, "-o", tmp_path / "q.onnx",
            "--write-policy=none").ok()
        assert (tmp_path / "q.onnx").stat().st_size <= most
    assert not list(tmp_path.glob("*.xml"))
    run("onnx-opt", "--passes=auto{max-bytes=1000}", perceptron, "-o", tmp_path / "r.onnx").refused(1, "no choice", "1000")


def test_auto_keeps_probabilities(run, tmp_path, perceptron):
    """The last product makes scores: their KL divergence is what counts."""
    def log_softmax(x):
        x = x - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))
    feed = {"ids": np.random.default_rng(2).integers(0, 400, (40, 12))}
    wanted = log_softmax(session(perceptron).run(None, feed)[0].astype(np.float64))
    sizes = []
    for most in (0.05, 0.001):
        out = tmp_path / f"{most}.onnx"
        run("onnx-opt", f"--passes=auto{{max-kl={most},min-elements=1000}}", perceptron, "-o", out).ok()
        got = log_softmax(session(out).run(None, feed)[0].astype(np.float64))
        assert (np.exp(wanted) * (wanted - got)).sum(-1).mean() <= most
        sizes.append(out.stat().st_size)
    assert sizes[0] < sizes[1] < perceptron.stat().st_size


@pytest.mark.parametrize("options, word", [("", "wants a budget"), ("min-cosine=2", "min-cosine"), ("max-bytes=-5", "negative"),
                                           ("max-latency=0.01", "max-latency")])
def test_budgets_that_make_no_sense(run, tmp_path, perceptron, options, word):
    done = run("onnx-opt", f"--passes=auto{{{options}}}", perceptron, "-o", tmp_path / "q.onnx")
    assert done.code in (1, 2) and word in done.err


@pytest.fixture(scope="module")
def measure(run, minilm, text, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("minilm")
    (folder / "data").mkdir()
    for i in range(0, 96, 24):
        np.savez(folder / "data" / f"{i:03}.npz", **text(sentences.CALIBRATION[i:i + 24]))
    evaluation = text(sentences.EVALUATION)
    wanted = embed(minilm, evaluation)

    def made(*options: str) -> tuple[float, float, float]:
        out = folder / "out.onnx"
        run("onnx-opt", *(o.replace("{data}", str(folder / "data")) for o in options), minilm, "-o", out).ok()
        close = (embed(out, evaluation) * wanted).sum(1)
        return close.mean(), close.min(), out.stat().st_size / minilm.stat().st_size
    return made


def test_the_mixed_policy_on_minilm(measure):
    mean, _, ratio = measure(f"--policy={MIXED}")
    assert mean >= 0.99 and ratio <= 0.25
    mean, least, ratio = measure(f"--policy={MIXED}", "--calibrate={data}")
    assert mean >= 0.99 and least >= 0.955 and ratio <= 0.25


def test_reports_tell_sizes_accuracy_and_latency(run, tmp_path, perceptron):
    for name in ("r.json", "r.md", "r.html"):
        run("onnx-opt", "--passes=quant4{min-elements=1000}", perceptron, "-o", tmp_path / "q.onnx", f"--report={tmp_path / name}",
            "--data=seeded").ok()
    told = json.loads((tmp_path / "r.json").read_text())
    feed = {"ids": np.random.default_rng(1).integers(0, 400, (40, 12))}
    assert abs(told["accuracy"]["min_cosine"] - near(perceptron, tmp_path / "q.onnx", feed)) < 0.02
    assert 0.9 < told["accuracy"]["min_cosine"] <= told["accuracy"]["mean_cosine"] < 1
    assert told["accuracy"]["top1_agreement"] > 0.5 and told["accuracy"]["kl"] > 0
    assert told["latency"]["before"]["p50"] <= told["latency"]["before"]["p95"]
    assert told["roles"]["embedding"]["after"] < told["roles"]["embedding"]["before"] == 153600
    assert told["machine"]["cores"] > 0 and len(told["output"]["sha256"]) == 64
    for name in ("r.md", "r.html"):
        page = (tmp_path / name).read_text()
        for word in ("Size by role", "cosine, least", "mean squared error", "P95", "SHA-256", "cores", told["output"]["sha256"]):
            assert word in page


def test_forecast_is_what_comes_out(run, tmp_path, minilm):
    said = run("onnx-opt", "--forecast", minilm, cwd=tmp_path).ok().out
    assert not list(tmp_path.iterdir()), "nothing is made"
    told = {m[2]: float(m[1]) for m in re.finditer(r"^\s+\S+ \S+\s+([\d.]+)  (\S*)", said, re.MULTILINE)}
    assert len(told) >= 12
    for passes in ("fuse,quant8", "fuse,quant4", "fuse,quant4{block=32}", "fuse,fp16", "fuse,quant-dynamic"):
        run("onnx-opt", f"--passes={passes}", "--verify=off", minilm, "-o", tmp_path / "q.onnx").ok()
        assert abs((tmp_path / "q.onnx").stat().st_size / minilm.stat().st_size / told[passes] - 1) < 0.01, passes


def test_a_policy_may_mix_in_int8_activations(run, tmp_path, perceptron):
    file = policy(tmp_path / "p.xml", '<rule name="first" scheme="quant-dynamic"/><rule scheme="quant4"/>')
    said = run("onnx-opt", "--passes=", f"--policy={file}", "--explain", perceptron, "-o", tmp_path / "q.onnx").ok().out
    kinds = [n.op_type for n in onnx.load(tmp_path / "q.onnx").graph.node]
    assert "MatMulNBits" in kinds and "GatherBlockQuantized" in kinds and "DynamicQuantizeMatMul" in kinds
    assert re.search(r"first\s+quant-dynamic", said) and re.search(r"second\s+quant4", said)
    feed = {"ids": np.random.default_rng(1).integers(0, 400, (10, 12))}
    assert near(perceptron, tmp_path / "q.onnx", feed) > 0.97


@pytest.mark.parametrize("scheme", ["quant-dynamic", "quant-static"])
def test_layers_beside_bytes_keep_their_numbers(run, tmp_path, minilm, scheme):
    """Some layers on bytes no longer look like the others; rules mean the model as it came."""
    file = policy(tmp_path / "p.xml", '<rule role="feed-forward" part="down" layers="1-2" scheme="quant8" accuracy-level="4"/>'
                  f'<rule role="feed-forward" scheme="{scheme}"/><rule role="attention" scheme="{scheme}"/>')
    out = tmp_path / "q.onnx"
    said = run("onnx-opt", f"--passes=fuse,policy{{file={file}}}", "--explain", "--verify=off", minilm, "-o", out).ok().out
    assert len(re.findall(rf"\s{scheme}\s", said)) == 22
    made = [n for n in onnx.load(out).graph.node if n.op_type == "MatMulNBits"]
    assert len(made) == 2 and all("layer.1" in n.name or "layer.2" in n.name for n in made)
    assert onnx.load(out).ByteSize() < 0.8 * minilm.stat().st_size


def test_auto_with_bytes_repeats_on_minilm(run, tmp_path, minilm):
    """Fused attention, evened channels, mixed schemes: the written policy gives the same file."""
    out, again = tmp_path / "q.onnx", tmp_path / "again.onnx"
    said = run("onnx-opt", "--passes=fuse,auto{max-bytes=19000000,max-latency=0.65,points=2}", "--verify=off", minilm, "-o", out).ok().out
    assert "int8" in said and out.stat().st_size <= 19_000_000
    run("onnx-opt", f"--passes=fuse,policy{{file={tmp_path / 'q.policy.xml'}}}", "--verify=off", minilm, "-o", again).ok()
    assert again.read_bytes() == out.read_bytes()
