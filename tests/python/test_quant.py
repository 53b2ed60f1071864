"""Weight-only quantization: right in onnxruntime and in the executor alike, however the weight is spelled."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

import fill
from conftest import ROOT, session
from test_minilm import embed, wordpiece

sys.path.append(str(ROOT / "bench"))
import sentences  # noqa: E402

K, N, ROWS = 96, 80, 5


def weight(*dims: int, seed: int = 0, dtype=np.float32) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(dims) * 0.05).astype(dtype)


def make(path, nodes, inits: dict[str, np.ndarray], inputs=None, outputs=("y",), opset=17, float_type=T.FLOAT):
    inputs = inputs or {"x": (float_type, ["batch", "length", K])}
    kind, dims = inputs["x"]
    rank = len(dims) + (kind == T.INT64)
    graph = h.make_graph(
        nodes, "g", [h.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [h.make_tensor_value_info(o, float_type, [f"{o}{i}" for i in range(rank)] if o == "y" else None) for o in outputs],
        [numpy_helper.from_array(v, n) for n, v in inits.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), path)
    return path


SPELLINGS = {
    "matmul": ([h.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight(K, N)}),
    "biased": ([h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("Add", ["b", "p"], ["y"])],
               {"w": weight(K, N), "b": weight(N)}),
    "transposed": ([h.make_node("Transpose", ["w"], ["t"], perm=[1, 0]), h.make_node("MatMul", ["x", "t"], ["y"])],
                   {"w": weight(N, K)}),
    "batch of one": ([h.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight(1, K, N)}),
    "twice": ([h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("Relu", ["x"], ["r"]),
               h.make_node("MatMul", ["r", "w"], ["q"]), h.make_node("Add", ["p", "q"], ["y"])], {"w": weight(K, N)}),
}
FLAT = {"x": (T.FLOAT, ["rows", K])}
IMAGE = {"x": (T.FLOAT, ["batch", K, 7, 5])}
IDS = {"x": (T.INT64, ["batch", "length"])}
MORE = {
    "gemm": ([h.make_node("Gemm", ["x", "w", "b"], ["y"])], {"w": weight(K, N), "b": weight(N)}, FLAT),
    "gemm transposed": ([h.make_node("Gemm", ["x", "w"], ["y"], transB=1)], {"w": weight(N, K)}, FLAT),
    "conv": ([h.make_node("Conv", ["x", "w", "b"], ["y"])], {"w": weight(N, K, 1, 1), "b": weight(N)}, IMAGE),
    "table": ([h.make_node("Gather", ["t", "x"], ["y"])], {"t": weight(300, K)}, IDS),
    "ragged table": ([h.make_node("Gather", ["t", "x"], ["y"])], {"t": weight(300, 72)}, IDS),
}
CASES = {**{k: (n, w, None) for k, (n, w) in SPELLINGS.items()}, **MORE}
RNG = np.random.default_rng(5)
FEEDS = {
    None: {"x": RNG.standard_normal((2, ROWS, K)).astype(np.float32)},
    id(FLAT): {"x": RNG.standard_normal((ROWS, K)).astype(np.float32)},
    id(IMAGE): {"x": RNG.standard_normal((2, K, 7, 5)).astype(np.float32)},
    id(IDS): {"x": RNG.integers(0, 300, (2, ROWS))},
}
STEP = {"quant2": 0.9, "quant4": 0.16, "quant8": 0.012}  # relative error of a product of bell-shaped weights


def relative(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def quantize(run, source, out, passes: str):
    return run("onnx-opt", f"--passes={passes}", source, "-o", out, "--remarks=all", "--strict").ok()


def ops(path) -> list[str]:
    return [n.op_type for n in onnx.load(path).graph.node]


def run_both(run, path, feed, folder) -> np.ndarray:
    """What onnxruntime makes of it, and the executor within the rounding of a product. Without onnxruntime's own
    optimizer, which gives MatMulNBits made of DequantizeLinear 8-bit activations (accuracy_level 4)."""
    wanted = session(path, optimise=False).run(None, feed)[0]
    assert relative(session(path).run(None, feed)[0].astype(np.float32), wanted.astype(np.float32)) < 0.01
    np.savez(folder / "in.npz", **feed)
    run("onnx-run", path, "-i", folder / "in.npz", "-o", folder / "out.npz").ok()
    got = np.load(folder / "out.npz")["y"]
    assert relative(got.astype(np.float32), wanted.astype(np.float32)) < (2e-3 if wanted.dtype == np.float16 else 1e-5)
    return wanted


@pytest.mark.parametrize("options", ["", "symmetric", "rounding=rtn,scales=float32,block=32", "scales=bfloat16", "form=standard",
                                     "form=standard,symmetric,block=64"])
@pytest.mark.parametrize("name", ["quant4", "quant8"])
@pytest.mark.parametrize("case", CASES)
def test_every_spelling(run, tmp_path, case, name, options):
    nodes, inits, inputs = CASES[case]
    source = make(tmp_path / "a.onnx", nodes, inits, inputs)
    feed = FEEDS[id(inputs) if inputs else None]
    passes = f"{name}{{{options + ',' if options else ''}min-elements=100,embeddings=8}}"
    quantize(run, source, tmp_path / "b.onnx", passes)
    made = onnx.load(tmp_path / "b.onnx")
    if "standard" in options:
        onnx.checker.check_model(made)
    kinds = set(ops(tmp_path / "b.onnx"))
    if "standard" in options:
        assert "DequantizeLinear" in kinds and {o.domain for o in made.opset_import} <= {"", "ai.onnx"}
    else:
        assert kinds & {"MatMulNBits", "GatherBlockQuantized"}
    assert not any(t.data_type == T.FLOAT and np.prod(t.dims) > 1000 for t in made.graph.initializer), "float weights stayed"
    wanted = session(source).run(None, feed)[0]
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), wanted) < STEP[name]


@pytest.mark.parametrize("case", ["matmul", "table"])
def test_two_bits(run, tmp_path, case):
    """At least in the executor; onnxruntime where it has the kernel."""
    nodes, inits, inputs = CASES[case]
    source = make(tmp_path / "a.onnx", nodes, inits, inputs)
    feed = FEEDS[id(inputs) if inputs else None]
    quantize(run, source, tmp_path / "b.onnx", "quant2{min-elements=100,embeddings=2}")
    np.savez(tmp_path / "in.npz", **feed)
    run("onnx-run", tmp_path / "b.onnx", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz").ok()
    assert relative(np.load(tmp_path / "out.npz")["y"], session(source).run(None, feed)[0]) < STEP["quant2"]


TIES = {
    "one tensor": ([h.make_node("Transpose", ["t"], ["u"], perm=[1, 0])], {}),
    "transposed twin": ([], {"u": weight(300, K).T.copy()}),
}


@pytest.mark.parametrize("case", TIES)
@pytest.mark.parametrize("options", ["", "symmetric", "rounding=rtn,scales=float32"])
def test_tied_head(run, tmp_path, case, options):
    """Embedding and head become one blob, which both read."""
    before, more = TIES[case]
    nodes = [h.make_node("Gather", ["t", "x"], ["e"]), *before, h.make_node("Tanh", ["e"], ["f"]), h.make_node("MatMul", ["f", "u"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"t": weight(300, K), **more}, IDS)
    quantize(run, source, tmp_path / "b.onnx", f"quant4{{{options + ',' if options else ''}min-elements=100}}")
    kinds = ops(tmp_path / "b.onnx")
    assert "MatMulNBits" in kinds and "GatherBlockQuantized" in kinds
    codes = [t for t in onnx.load(tmp_path / "b.onnx").graph.initializer if t.data_type == T.UINT8 and np.prod(t.dims) > 2000]
    assert len(codes) == 1, [t.name for t in codes]
    feed = {"x": RNG.integers(0, 300, (2, ROWS))}
    wanted = session(source).run(None, feed)[0]
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), wanted) < 0.2


@pytest.mark.parametrize("opset", [11, 14, 21])
def test_standard_form_lifts_the_opset(run, tmp_path, opset):
    nodes, inits, _ = CASES["matmul"]
    nodes = [h.make_node("ReduceMean", ["x"], ["m"], axes=[-1]) if opset < 18 else h.make_node("Identity", ["x"], ["m"]),
             h.make_node("Sub", ["x", "m"], ["c"]), h.make_node("MatMul", ["c", "w"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, inits, opset=opset)
    quantize(run, source, tmp_path / "b.onnx", "quant4{form=standard,min-elements=100}")
    made = onnx.load(tmp_path / "b.onnx")
    onnx.checker.check_model(made, full_check=True)
    assert max(o.version for o in made.opset_import) >= 21
    wanted = session(source).run(None, FEEDS[None])[0]
    if opset < 21:
        assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path), wanted) < STEP["quant4"]


def test_half_weights(run, tmp_path):
    source = make(tmp_path / "a.onnx", [h.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight(K, N, dtype=np.float16)},
                  float_type=T.FLOAT16)
    quantize(run, source, tmp_path / "b.onnx", "quant4{min-elements=100}")
    feed = {"x": FEEDS[None]["x"].astype(np.float16)}
    wanted = session(source).run(None, feed)[0].astype(np.float32)
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path).astype(np.float32), wanted) < STEP["quant4"]


def unchanged(run, source, out, why: str, passes="quant4{min-elements=100}"):
    done = quantize(run, source, out, passes)
    before, after = onnx.load(source), onnx.load(out)
    assert [(n.op_type, list(n.input)) for n in before.graph.node] == [(n.op_type, list(n.input)) for n in after.graph.node]
    assert why in done.out, done.out


def spoiled(value: float) -> np.ndarray:
    w = weight(K, N)
    w[3, 7] = value
    return w


@pytest.mark.parametrize("value, why", [(np.nan, "NaN"), (np.inf, "NaN or an infinity"), (3e38, "beyond the range")])
def test_weights_that_cannot_be_held(run, tmp_path, value, why):
    source = make(tmp_path / "a.onnx", CASES["matmul"][0], {"w": spoiled(value)})
    unchanged(run, source, tmp_path / "b.onnx", why)


def test_a_weight_that_something_else_reads_stays(run, tmp_path):
    nodes = [*CASES["matmul"][0][:1], h.make_node("ReduceSum", ["w"], ["z"], keepdims=0)]
    source = make(tmp_path / "a.onnx", nodes, CASES["matmul"][1], outputs=("y", "z"))
    unchanged(run, source, tmp_path / "b.onnx", "also reads the weight")


def test_small_and_empty_weights_stay(run, tmp_path):
    source = make(tmp_path / "a.onnx", CASES["matmul"][0], {"w": np.zeros((K, 0), np.float32)})
    unchanged(run, source, tmp_path / "b.onnx", "the weight is empty", "quant4{min-elements=0}")
    source = make(tmp_path / "a.onnx", CASES["matmul"][0], CASES["matmul"][1])
    unchanged(run, source, tmp_path / "b.onnx", "fewer than min-elements", "quant4{min-elements=100000}")


def test_zero_blocks_and_tiny_weights(run, tmp_path):
    w = weight(K, N)
    w[16:32] = 0
    w[32:48] *= 1e-39
    source = make(tmp_path / "a.onnx", CASES["matmul"][0], {"w": w})
    for options in ("rounding=rtn", "rounding=mse", "rounding=hqq", "symmetric", "scales=float32"):
        quantize(run, source, tmp_path / "b.onnx", f"quant4{{{options},min-elements=100}}")
        made = run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path)
        assert relative(made, session(source).run(None, FEEDS[None])[0]) < STEP["quant4"]


def test_quantized_models_are_left_alone(run, tmp_path):
    source = make(tmp_path / "a.onnx", *CASES["matmul"][:2])
    quantize(run, source, tmp_path / "b.onnx", "quant4{min-elements=100}")
    quantize(run, tmp_path / "b.onnx", tmp_path / "c.onnx", "quant4{min-elements=100}")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


def test_large_weights_take_little_memory(run, tmp_path):
    """1.2 GB of float32 in a sparse file: pages that were read go, results go to disk."""
    rows, width, layers = 20000, 2048, 16
    inits, at = [], 0
    for name, dims in [("t", (rows, width)), *((f"w{i}", (width, 4 * width) if i % 2 == 0 else (4 * width, width)) for i in range(layers))]:
        t = T(name=name, data_type=T.FLOAT, dims=dims, data_location=T.EXTERNAL)
        for key, value in (("location", "w.data"), ("offset", at), ("length", 4 * dims[0] * dims[1])):
            t.external_data.add(key=key, value=str(value))
        at += 4 * dims[0] * dims[1]
        inits.append(t)
    with open(tmp_path / "w.data", "wb") as f:
        f.truncate(at)
    nodes = [h.make_node("Gather", ["t", "x"], ["h0"]), *(h.make_node("MatMul", [f"h{i}", f"w{i}"], [f"h{i + 1}"]) for i in range(layers))]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.INT64, ["b", "n"])],
                         [h.make_tensor_value_info(f"h{layers}", T.FLOAT, ["b", "n", width])], inits)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    # From a small process: the kernel counts a child's memory from the fork on.
    small = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    command = [run.folder / "onnx-opt", "--passes=quant4{rounding=rtn}", tmp_path / "a.onnx", "-o", tmp_path / "b.onnx", "-q"]
    done = subprocess.run([sys.executable, "-c", small, *command], check=True, capture_output=True, text=True)
    assert ops(tmp_path / "b.onnx").count("MatMulNBits") == layers
    assert at > 1.2e9 and int(done.stdout) < 200_000, f"{done.stdout} kB"


@pytest.mark.parametrize("level", [1, 4])
@pytest.mark.parametrize("block", [16, 32, 128, 256])
def test_accuracy_level(run, tmp_path, level, block):
    """It tells onnxruntime's kernel what to compute in: float32, or int8 activations."""
    source = make(tmp_path / "a.onnx", *CASES["matmul"][:2])
    quantize(run, source, tmp_path / "b.onnx", f"quant4{{accuracy-level={level},block={block},min-elements=100}}")
    node = next(n for n in onnx.load(tmp_path / "b.onnx").graph.node if n.op_type == "MatMulNBits")
    assert {a.name: a.i for a in node.attribute}["accuracy_level"] == level
    wanted = session(source).run(None, FEEDS[None])[0]
    assert relative(session(tmp_path / "b.onnx").run(None, FEEDS[None])[0], wanted) < 1.3 * STEP["quant4"]


REQUANTIZED = {
    "product": ("matmul", "quant4{min-elements=100}"),
    "product with a bias, 8 bits": ("biased", "quant8{symmetric,min-elements=100,scales=float32}"),
    "table": ("table", "quant4{min-elements=100,embeddings=8,embedding-block=32}"),
    "standard": ("matmul", "quant8{form=standard,min-elements=100}"),
}


@pytest.mark.parametrize("case", REQUANTIZED)
def test_quantized_models_are_requantized_when_asked(run, tmp_path, case):
    """From 8 or 4 bits to 8 in another block: what was rounded is the weight now."""
    spelling, first = REQUANTIZED[case]
    nodes, inits, inputs = CASES[spelling]
    source = make(tmp_path / "a.onnx", nodes, inits, inputs)
    feed = FEEDS[id(inputs) if inputs else None]
    quantize(run, source, tmp_path / "b.onnx", first)
    quantize(run, tmp_path / "b.onnx", tmp_path / "c.onnx", "quant8{requantize,block=16,embeddings=8,embedding-block=16,min-elements=100}")
    made = next(n for n in onnx.load(tmp_path / "c.onnx").graph.node if n.op_type in ("MatMulNBits", "GatherBlockQuantized"))
    assert {a.name: a.i for a in made.attribute}["bits"] == 8 and {a.name: a.i for a in made.attribute}["block_size"] == 16
    wanted = session(tmp_path / "b.onnx", optimise=False).run(None, feed)[0]
    assert relative(run_both(run, tmp_path / "c.onnx", feed, tmp_path), wanted) < STEP["quant8"]


def test_products_of_products(run, tmp_path):
    """The input of the second is the result of the first, which is replaced before it."""
    nodes = [h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("MatMul", ["p", "v"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"w": weight(K, N), "v": weight(N, K, seed=1)})
    wanted = session(source).run(None, FEEDS[None])[0]
    for options in ("", "rounding=gptq,", "rounding=awq,", "block=64,symmetric,", "block=256,", "block=256,form=standard,"):
        quantize(run, source, tmp_path / "b.onnx", f"quant4{{{options}min-elements=100}}")
        assert "MatMul" not in ops(tmp_path / "b.onnx") or "standard" in options
        assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path), wanted) < 1.5 * STEP["quant4"]


def test_one_tensor_in_two_roles(run, tmp_path):
    """A square table that is also multiplied with, as it stands and transposed: one set of codes for each layout, no float left."""
    w = weight(K, K)
    nodes = [h.make_node("Gather", ["w", "x"], ["e"]), h.make_node("MatMul", ["e", "w"], ["f"]), h.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
             h.make_node("MatMul", ["f", "t"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"w": w}, IDS)
    quantize(run, source, tmp_path / "b.onnx", "quant4{min-elements=100}")
    assert not any(t.data_type == T.FLOAT for t in onnx.load(tmp_path / "b.onnx").graph.initializer)
    feed = {"x": RNG.integers(0, K, (2, ROWS))}
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), session(source).run(None, feed)[0]) < 2 * STEP["quant4"]


@pytest.mark.parametrize("weight_value", [np.float32(2), np.full((1,), 2, np.float32), np.full((K,), 0.5, np.float32)])
def test_scalars_and_vectors_stay(run, tmp_path, weight_value):
    nodes = [h.make_node("Mul", ["x", "w"], ["y"])] if weight_value.size == 1 else [h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("Unsqueeze", ["p", "a"], ["y"])]
    inits = {"w": weight_value} if weight_value.size == 1 else {"w": weight_value, "a": np.array([-1])}
    source = make(tmp_path / "a.onnx", nodes, inits)
    quantize(run, source, tmp_path / "b.onnx", "quant4{min-elements=0}")
    assert not {"MatMulNBits", "GatherBlockQuantized"} & set(ops(tmp_path / "b.onnx"))


def test_wide_products_are_checked_on_a_sample(run, tmp_path):
    """Some columns of many: every form, a bias, a transposed weight, a Conv."""
    wide = 700
    for nodes, inits, inputs in ((CASES["biased"][0], {"w": weight(K, wide), "b": weight(wide)}, None),
                                 (CASES["gemm transposed"][0], {"w": weight(wide, K)}, FLAT), (CASES["transposed"][0], {"w": weight(wide, K)}, None),
                                 (CASES["conv"][0], {"w": weight(wide, K, 1, 1), "b": weight(wide)}, IMAGE)):
        source = make(tmp_path / "a.onnx", nodes, inits, inputs)
        feed = FEEDS[id(inputs) if inputs else None]
        wanted = session(source).run(None, feed)[0]
        for options in ("", "form=standard,", "form=standard,symmetric,"):
            quantize(run, source, tmp_path / "b.onnx", f"quant4{{{options}min-elements=100}}")
            assert {"MatMulNBits", "DequantizeLinear"} & set(ops(tmp_path / "b.onnx"))
            assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), wanted) < STEP["quant4"]


@pytest.mark.parametrize("options, word", [("block=24", "block"), ("rounding=best", "rounding"), ("damping=-1", "damping"),
                                           ("form=odd", "form"), ("embeddings=3", "embeddings")])
def test_bad_options_are_usage_errors(run, tmp_path, options, word):
    source = make(tmp_path / "a.onnx", *CASES["matmul"][:2])
    run("onnx-opt", f"--passes=quant4{{{options}}}", source, "-o", tmp_path / "b.onnx").refused(2, word)


def test_calibration_data_that_does_not_fit(run, tmp_path):
    source = make(tmp_path / "a.onnx", *CASES["matmul"][:2])
    np.savez(tmp_path / "z.npz", z=np.zeros(3, np.float32))
    for data, word in ((tmp_path / "none", "not there"), (tmp_path / "z.npz", "no array 'x'")):
        run("onnx-opt", f"--passes=quant4{{rounding=gptq,min-elements=100,data={data}}}", source, "-o",
            tmp_path / "b.onnx").refused(3, word)


@pytest.fixture(scope="module")
def text():
    lines = (fill.default_checkpoint().parent / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {word: i for i, word in enumerate(lines)}

    def batch(rows: list[str]) -> dict[str, np.ndarray]:
        plain = [r for r in rows if all(c.isalpha() or c in " .,?'!-" for c in r)]
        ids = [wordpiece(r, vocabulary) for r in plain]
        out = np.zeros((len(ids), max(map(len, ids))), np.int64)
        mask = np.zeros_like(out)
        for i, row in enumerate(ids):
            out[i, :len(row)], mask[i, :len(row)] = row, 1
        return {"input_ids": out, "attention_mask": mask, "token_type_ids": np.zeros_like(out)}
    return batch


@pytest.fixture(scope="module")
def cosines(run, minilm, text, tmp_path_factory):
    """Mean and least cosine to the float model, and size, of MiniLM after the passes."""
    folder = tmp_path_factory.mktemp("cosines")
    (folder / "data").mkdir()
    for i in range(0, 96, 24):
        np.savez(folder / "data" / f"{i:03}.npz", **text(sentences.CALIBRATION[i:i + 24]))
    evaluation = text(sentences.EVALUATION)
    wanted = embed(minilm, evaluation)
    known: dict[str, tuple[float, float, float]] = {}

    def measure(passes: str) -> tuple[float, float, float]:
        if passes not in known:
            out = folder / "out.onnx"
            run("onnx-opt", f"--passes={passes.replace('{data}', str(folder / 'data'))}", minilm, "-o", out).ok()
            close = (embed(out, evaluation) * wanted).sum(1)
            known[passes] = close.mean(), close.min(), out.stat().st_size / minilm.stat().st_size
        return known[passes]
    return measure


def test_quant4_everywhere(cosines):
    mean, _, size = cosines("quant4")
    assert mean >= 0.973 and size <= 0.162


def test_quant8_with_small_embeddings(cosines):
    mean, least, size = cosines("quant8")
    assert mean >= 0.9975 and least >= 0.993 and size <= 0.193


def test_search_beats_plain_rounding(cosines):
    assert cosines("quant4{symmetric,block=32}")[0] > cosines("quant4{symmetric,block=32,rounding=rtn}")[0]
    assert cosines("quant4{block=32}")[0] > cosines("quant4{block=32,rounding=rtn}")[0]


def test_gptq_beats_search(cosines):
    """On sentences: the error of the mean cosine is cut to two thirds and more."""
    gptq, plain = cosines("quant4{rounding=gptq,data={data}}"), cosines("quant4")
    assert gptq[0] > 0.98 and 1 - gptq[0] < 0.67 * (1 - plain[0]) and gptq[1] > plain[1]


def test_products_in_a_row(run, tmp_path):
    """The second reads what the first made, and the first is replaced."""
    nodes = [h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("MatMul", ["p", "u"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"w": weight(K, N), "u": weight(N, N, seed=1)})
    quantize(run, source, tmp_path / "b.onnx", "quant8{min-elements=100}")
    assert ops(tmp_path / "b.onnx").count("MatMulNBits") == 2
    wanted = session(source).run(None, FEEDS[None])[0]
    assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path), wanted) < STEP["quant8"]


def test_awq_beats_search(cosines):
    """With the same 128 values a scale and the same sentences; and plain rounding by more."""
    awq, search = cosines("quant4{rounding=awq,block=128,data={data}}"), cosines("quant4{block=128,data={data}}")
    assert awq[0] > search[0] and awq[1] > search[1]
    assert 1 - awq[0] < 0.8 * (1 - cosines("quant4{rounding=rtn,block=128}")[0])


def test_hqq_moves_zero_points(cosines):
    """It needs no data, and only shows where zero points may lie between codes."""
    assert cosines("quant4{rounding=hqq,block=32,zero-points=float}")[0] > cosines("quant4{rounding=rtn,block=32,zero-points=float}")[0]
