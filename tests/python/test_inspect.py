"""onnx-inspect --axes, --roles and --cost on exporter-made graphs (their weights are not needed)."""

import json

import pytest

import conftest

MODELS = conftest.ROOT / "tests" / "models"


def inspect(run, name, *options):
    return json.loads(run("onnx-inspect", "--json", *options, MODELS / f"{name}.onnx").ok().out)


# (batch verdict, sequence verdict, longest sequence)
VERDICTS = {
    "minilm-l6.ts17": ("free", "free", 512),
    "minilm-l6.dyn18": ("free", "free", 512),
    "minilm-l6-classic.ts11": ("free", "free", 512),
    "mpnet-base.ts17": ("free", "free", 512),
    "gpt2-small.dyn18": ("free", "free", 1024),
    "codet5-enc.ts17": ("free", "free", None),
    "smollm2-135m.ts17": ("free", "free", None),
    "smollm2-135m.dyn23": ("clamped", "free", None),
    "resnet18.ts17": ("free", "none", None),
    "vit-tiny.ts17": ("free", "none", None),
    "fasterrcnn-mb320.ts17": ("none", "none", None),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(run, name):
    report = inspect(run, name, "--axes")
    batch, sequence, most = VERDICTS[name]
    assert report["batch"]["verdict"] == batch, report["batch"]
    assert report["sequence"]["verdict"] == sequence, report["sequence"]
    assert report["sequence"]["max"] == most, report["sequence"]
    assert report["batch"]["may_exceed_one"] == (batch == "free")
    assert bool(report["warnings"]) == (batch == "clamped")


# repeats, and what one of the layers' attentions is
ROLES = {
    "minilm-l6.ts17": (6, dict(heads=12, head_size=32, kv_heads=12, causal=False, rotary=False)),
    "minilm-l6.ts14e": (6, dict(heads=12, head_size=32, causal=False)),
    "minilm-l6.dyn23": (6, dict(heads=12, head_size=32)),
    "minilm-l6-fp16.ts17e": (6, dict(heads=12, head_size=32)),
    "mpnet-base.ts17": (12, dict(heads=12, head_size=64, relative_bias=True, causal=False)),
    "gpt2-small.dyn18": (12, dict(heads=12, head_size=64, causal=True, rotary=False)),
    "smollm2-135m.ts17": (30, dict(heads=9, head_size=64, kv_heads=3, causal=True, rotary=True)),
    "smollm2-135m.dyn23": (30, dict(heads=9, head_size=64, kv_heads=3, rotary=True)),
    "codet5-dec.ts17": (6, dict(heads=8, head_size=64, relative_bias=True, causal=True)),
    "vit-tiny.ts17": (12, dict(heads=3, head_size=64, causal=False)),
    "whisper-tiny-enc.dyn18": (4, dict(heads=6, head_size=64)),
}


@pytest.mark.parametrize("name", ROLES)
def test_layers(run, name):
    report = inspect(run, name, "--roles")
    layers, facts = ROLES[name]
    assert [b["count"] for b in report["blocks"]] == [layers]
    attention = next(u for u in report["units"] if u["role"] == "attention" and u["layer"] == 0)
    assert {k: attention[k] for k in facts} == facts
    roles = {n["role"] for n in report["nodes"]}
    assert {"attention", "feed-forward", "norm"} <= roles


def test_names_do_not_matter(run, tmp_path):
    import onnx

    model = onnx.load(MODELS / "minilm-l6.ts17.onnx")
    for i, node in enumerate(model.graph.node):
        node.name = f"n{i}"
    onnx.save(model, tmp_path / "m.onnx")
    renamed = json.loads(run("onnx-inspect", "--json", "--roles", tmp_path / "m.onnx").ok().out)
    assert renamed["units"] == inspect(run, "minilm-l6.ts17", "--roles")["units"]


def test_cost_of_minilm(run):
    report = inspect(run, "minilm-l6.ts17", "--cost", "--dim", "batch=2,sequence=10")
    # Per token and layer: four products of 384 x 384, two of 384 x 1536; attention: two of 384 a pair of tokens.
    tokens, layers = 2 * 10, 6
    macs = layers * (tokens * (4 * 384 * 384 + 2 * 384 * 1536) + 2 * 384 * tokens * 10)
    assert report["macs"]["value"] == macs
    assert report["macs"]["formula"].startswith("4608*batch*sequence*sequence") or "batch*sequence" in report["macs"]["formula"]
    assert 22e6 < report["parameters"] < 23e6
    assert report["weight_bytes"] >= 4 * 22e6
    assert sum(r["flops"] for r in report["by_op"]) == report["flops"]["value"]
    assert sum(r["flops"] for r in report["by_role"]) == report["flops"]["value"]
    assert sum(r["flops"] for r in report["by_layer"]) == report["flops"]["value"]


def test_unknown_dim_is_a_usage_error(run):
    run("onnx-inspect", "--cost", "--dim", "b=2", MODELS / "minilm-l6.ts17.onnx").refused(2, "'b'", "sequence")


def test_contradiction_names_both_nodes(run, tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np

    def table(name, rows):
        return numpy_helper.from_array(np.zeros((rows, 2), np.float32), name)

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "a"], ["y"], "one"), helper.make_node("MatMul", ["x", "c"], ["z"], "other")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "n"])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", 2]) for n in "yz"],
        [table("a", 3), table("c", 4)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    run("onnx-inspect", "--axes", tmp_path / "m.onnx").refused(3, "'one'", "'other'", "n = 3")


def full_shapes(model):
    """Names of values whose every dim is a size or a symbol of the inputs."""
    import onnx

    def dims(t):
        if not t.HasField("tensor_type") or not t.tensor_type.HasField("shape"):
            return None
        return [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in t.tensor_type.shape.dim]

    symbols = {d for i in model.graph.input for d in dims(i.type) or [] if isinstance(d, str)}
    found = {}

    def visit(graph):
        for value in [*graph.value_info, *graph.output]:
            shape = dims(value.type)
            if shape is not None and all(isinstance(d, int) or d in symbols for d in shape):
                found[value.name] = shape
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    visit(attribute.g)

    visit(model.graph)
    return found


@pytest.mark.parametrize("name", sorted(p.stem for p in MODELS.glob("*.onnx")))
def test_no_fewer_shapes_than_onnx(run, name, tmp_path):
    import onnx

    model = onnx.load(MODELS / f"{name}.onnx")

    def strip(graph):
        del graph.value_info[:]
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    strip(attribute.g)

    strip(model.graph)
    onnx.save(model, tmp_path / "m.onnx")
    theirs = full_shapes(onnx.shape_inference.infer_shapes(model, data_prop=True))
    ours = json.loads(run("onnx-inspect", "--json", "--shapes", tmp_path / "m.onnx").ok().out)["values"]
    for value, shape in theirs.items():
        if value not in ours:  # lifting removes a node now and then
            continue
        assert ours[value]["known"], f"{value}: {ours[value]['dims']}, onnx has {shape}"
        if all(isinstance(d, int) for d in shape) and all(isinstance(d, int) for d in ours[value]["dims"]):
            assert ours[value]["dims"] == shape, value
