"""What the optimizer writes, onnxruntime loads and runs: at two shapes, with the values it had before.

`fuse` may not move an output by more than 1e-4 and leaves no more nodes than onnxruntime's transformers optimizer;
`fuse,quant4` stays within a cosine of what onnxruntime's own 4-bit quantizer reaches on the same graphs. Names,
dynamic dimensions and everything else of the interface stay.
"""

from __future__ import annotations

import pathlib

import numpy as np
import onnx
import pytest

import feeds
from conftest import both_shapes, cosine, largest_difference, outputs

# Nodes that onnxruntime 1.31's transformers optimizer leaves, the better of its levels 0 and 1 (bench/peers.py).
BAR = {
    "minilm-l6.ts14e": 46, "minilm-l6.ts17e": 46, "minilm-l6.ts17": 308, "minilm-l6.dyn18": 255,
    "minilm-l6.dyn18n": 355, "minilm-l6.dyn23": 182, "minilm-l6-classic.ts11": 46, "minilm-l6-classic.ts14": 46,
    "minilm-l6-classic.ts17": 46, "minilm-l6-pooled.ts17": 324, "minilm-l6-fp16.ts17e": 46,
    "mpnet-base.ts14": 524, "mpnet-base.ts17": 524, "mpnet-base.dyn18": 376,
}
OTHERS = ["codet5-enc.ts17", "codet5-enc.dyn18e", "codet5-dec.ts17", "resnet18.ts17", "resnet18.ts17b",
          "mobilenetv3s.ts17b", "mobilenetv3s.dyn18", "vit-tiny.ts17", "whisper-tiny-enc.dyn18", "lstm-text.ts17",
          "lstm-text.dyn18", "loop-greedy.ts17", "cond-mlp.dyn18"]
LARGE = ["smollm2-135m.ts17", "smollm2-135m.dyn23", "gpt2-small.dyn18"]
# Boxes of the seeded detectors come in an order that the last bit of a score decides: they only have to run.
DETECTORS = ["ssdlite320.ts17", "fasterrcnn-mb320.ts17"]
TOLERANCE = {"minilm-l6-fp16.ts17e": 6e-3}  # onnxruntime's own optimizations move it by 2e-3
# The least cosine over both shapes: 0.01 below onnxruntime's MatMulNBits (bits 4, block 32, symmetric) there.
QUANT4 = {"minilm-l6-fp16": 0.933, "minilm-l6-pooled": 0.949, "minilm-l6": 0.957, "mpnet-base": 0.976,
          "codet5-enc": 0.970, "codet5-dec": 0.968, "whisper-tiny-enc": 0.987}


def interface(path: pathlib.Path) -> list:
    """Names, types and dims of inputs and outputs, symbolic ones by name."""
    graph = onnx.load(path, load_external_data=False).graph
    return [(i.name, i.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim])
            for i in (*feeds.graph_inputs(graph), *graph.output)]


def optimised(run, source: pathlib.Path, folder: pathlib.Path, passes: str) -> pathlib.Path:
    out = folder / "out.onnx"
    run("onnx-opt", f"--passes={passes}", source, "-o", out).ok()
    assert interface(out) == interface(source)
    return out


def nodes(path: pathlib.Path) -> int:
    return sum(len(g.node) for g in feeds.subgraphs(onnx.load(path, load_external_data=False).graph))


@pytest.mark.parametrize("name", [*BAR, *OTHERS, *LARGE])
def test_fuse(run, models, tmp_path, name):
    source = models.path(name)
    out = optimised(run, source, tmp_path, "fuse")
    inputs = both_shapes(source)
    for wanted, made in zip(outputs(source, inputs), outputs(out, inputs)):
        assert list(wanted) == list(made)
        for key in wanted:
            difference = largest_difference(wanted[key], made[key])
            # 1e-4 of the output's own scale where that is above 1 (resnet18's logits go beyond 30)
            scale = max(1.0, float(np.abs(wanted[key]).max(initial=0.0)) / 10)
            assert difference <= TOLERANCE.get(name, 1e-4) * scale, f"{key}: {difference:.1e}"
    assert nodes(out) <= BAR.get(name, nodes(source))
    out.unlink()


@pytest.mark.parametrize("name", DETECTORS)
def test_fuse_runs(run, models, tmp_path, name):
    source = models.path(name)
    out = optimised(run, source, tmp_path, "fuse")
    inputs = both_shapes(source)
    for wanted, made in zip(outputs(source, inputs), outputs(out, inputs)):
        assert [v.shape[1:] for v in wanted.values()] == [v.shape[1:] for v in made.values()]
        scores = [np.sort(v["scores"])[::-1][:8] for v in (wanted, made)]
        assert np.abs(scores[0] - scores[1]).max() < 1e-2


@pytest.mark.parametrize("name", [n for n in (*BAR, *OTHERS) if any(n.startswith(k) for k in QUANT4)])
def test_fuse_quant4(run, models, tmp_path, name):
    source = models.path(name)
    out = optimised(run, source, tmp_path, "fuse,quant4")
    ops = [n.op_type for n in onnx.load(out, load_external_data=False).graph.node]
    assert "MatMulNBits" in ops and out.stat().st_size < source.stat().st_size
    bound = next(v for k, v in QUANT4.items() if name.startswith(k))
    inputs = both_shapes(source)
    for wanted, made in zip(outputs(source, inputs), outputs(out, inputs)):
        for key in wanted:
            assert wanted[key].shape == made[key].shape
            assert cosine(wanted[key], made[key]) >= bound


@pytest.mark.parametrize("name", ["minilm-l6.ts17e", "minilm-l6.dyn18"])
@pytest.mark.parametrize("preset", ["-O1", "-O2", "-O3"])
def test_presets(run, models, tmp_path, name, preset):
    source, out = models.path(name), tmp_path / "out.onnx"
    run("onnx-opt", preset, source, "-o", out).ok()
    inputs = both_shapes(source)
    for wanted, made in zip(outputs(source, inputs), outputs(out, inputs)):
        assert all(largest_difference(wanted[k], made[k]) <= 1e-4 for k in wanted)
    assert nodes(out) < nodes(source) and interface(out) == interface(source)


@pytest.mark.parametrize("name", ["minilm-l6.ts17e", "minilm-l6.dyn18"])
def test_whole_model_verification(run, models, tmp_path, name):
    run("onnx-opt", "--passes=fuse", "--verify=model", models.path(name), "-o", tmp_path / "out.onnx").ok()


def test_the_result_passes_the_checker(run, minilm, tmp_path):
    """Opset imports of what was added are there; com.microsoft ops are not in the checker's registry, so it skips them."""
    onnx.checker.check_model(str(optimised(run, minilm, tmp_path, "fuse")))


def test_names_are_kept(run, minilm, tmp_path):
    """A node that no rule touched keeps its name; every node has one, and no two share it."""
    before = onnx.load(minilm, load_external_data=False).graph
    after = onnx.load(optimised(run, minilm, tmp_path, "fuse"), load_external_data=False).graph
    names = [n.name for n in after.node]
    assert "" not in names and len(set(names)) == len(names)
    was = {tuple(n.output): n for n in before.node}
    untouched = [(was[tuple(n.output)].name, n.name) for n in after.node if tuple(n.output) in was and
                 (n.op_type, n.input) == (was[tuple(n.output)].op_type, was[tuple(n.output)].input)]
    assert untouched and [old for old, new in untouched if old != new] == []
