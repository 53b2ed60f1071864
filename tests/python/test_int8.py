"""Dynamic quantization to bytes: right in onnxruntime and in the executor alike, however the product is spelled."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from conftest import session
from test_minilm import embed
from test_quant import CASES, FEEDS, IDS, K, N, make, ops, relative, spoiled, text, unchanged, weight  # noqa: F401

import sentences

PRODUCTS = {k: v for k, v in CASES.items() if "conv" not in k and "table" not in k}
STEP = 0.02  # relative error of a product of bell-shaped bytes


def quantize(run, source, out, options="", passes="quant-dynamic{{{}min-elements=100}}"):
    return run("onnx-opt", f"--passes={passes.format(options + ',' if options else '')}", source, "-o", out, "--remarks=all",
               "--strict").ok()


def run_both(run, path, feed, folder, step=2e-3) -> np.ndarray:
    """What onnxruntime makes of it, and the executor within a step: a value on the edge between two codes may fall to
    either side of it."""
    wanted = session(path).run(None, feed)[0]
    np.savez(folder / "in.npz", **feed)
    run("onnx-run", path, "-i", folder / "in.npz", "-o", folder / "out.npz").ok()
    got = np.load(folder / "out.npz")["y"]
    assert relative(got.astype(np.float32), wanted.astype(np.float32)) < step
    return wanted


@pytest.mark.parametrize("options", ["", "weights=uint8", "per-channel=false,smooth=0", "reduce-range,correct=false", "form=standard",
                                     "form=standard,weights=uint8"])
@pytest.mark.parametrize("case", PRODUCTS)
def test_every_spelling(run, tmp_path, case, options):
    nodes, inits, inputs = PRODUCTS[case]
    source = make(tmp_path / "a.onnx", nodes, inits, inputs)
    feed = FEEDS[id(inputs) if inputs else None]
    quantize(run, source, tmp_path / "b.onnx", options)
    made = onnx.load(tmp_path / "b.onnx")
    kinds = set(ops(tmp_path / "b.onnx"))
    if "standard" in options:
        onnx.checker.check_model(made)
        assert "MatMulInteger" in kinds and {o.domain for o in made.opset_import} <= {"", "ai.onnx"}
    else:
        assert kinds & {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
    assert not any(t.data_type == T.FLOAT and np.prod(t.dims) > 1000 for t in made.graph.initializer), "float weights stayed"
    wanted = session(source).run(None, feed)[0]
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), wanted) < STEP * (2 if "reduce" in options else 1)


@pytest.mark.parametrize("opset", [11, 14, 21, 23])
def test_opsets(run, tmp_path, opset):
    nodes, inits, inputs = PRODUCTS["gemm"]
    source = make(tmp_path / "a.onnx", nodes, inits, inputs, opset=opset)
    for form in ("contrib", "standard"):
        quantize(run, source, tmp_path / "b.onnx", f"form={form}")
        wanted = session(source).run(None, FEEDS[id(inputs)])[0]
        assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[id(inputs)], tmp_path), wanted) < STEP


def test_half_weights(run, tmp_path):
    source = make(tmp_path / "a.onnx", [h.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight(K, N, dtype=np.float16)},
                  float_type=T.FLOAT16)
    quantize(run, source, tmp_path / "b.onnx")
    feed = {"x": FEEDS[None]["x"].astype(np.float16)}
    wanted = session(source).run(None, feed)[0].astype(np.float32)
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path).astype(np.float32), wanted) < STEP


def test_products_in_a_row(run, tmp_path):
    """One that reads what another made, both replaced; and three that share one DynamicQuantizeLinear."""
    nodes = [h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("MatMul", ["p", "u"], ["q"]), h.make_node("MatMul", ["x", "v"], ["r"]),
             h.make_node("MatMul", ["x", "w"], ["s"]), h.make_node("Sum", ["q", "r", "s"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"w": weight(K, N), "u": weight(N, N, seed=1), "v": weight(K, N, seed=2)})
    quantize(run, source, tmp_path / "b.onnx")
    kinds = ops(tmp_path / "b.onnx")
    assert kinds.count("DynamicQuantizeLinear") == 1 and kinds.count("MatMulIntegerToFloat") == 3
    wanted = session(source).run(None, FEEDS[None])[0]
    assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path), wanted) < STEP


def test_bytes_are_those_of_the_peer(run, tmp_path):
    """Without smoothing: codes and scales of onnxruntime's quantize_dynamic, bit by bit."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    nodes, inits, _ = PRODUCTS["matmul"]
    source = make(tmp_path / "a.onnx", nodes, inits)
    for signed in (True, False):
        for reduce in (True, False):
            quantize_dynamic(source, tmp_path / "p.onnx", weight_type=QuantType.QInt8 if signed else QuantType.QUInt8,
                             per_channel=True, reduce_range=reduce)
            quantize(run, source, tmp_path / "b.onnx", f"smooth=0,weights={'int8' if signed else 'uint8'},reduce-range={str(reduce).lower()}")
            def big(path):
                return {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
            peer, own = big(tmp_path / "p.onnx"), big(tmp_path / "b.onnx")
            for part in ("quantized", "scale") + (() if signed else ("zero_point",)):
                np.testing.assert_array_equal(peer[f"w_{part}"], own[f"w_{part}"])


def test_outlier_channels(run, tmp_path):
    """SmoothQuant's case: two channels 60 times the rest. Its error is at most a third of plain rounding's."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 7, K)).astype(np.float32)
    w = weight(K, N)
    x[..., [5, 40]] *= 60
    w[[5, 40]] *= 0.1
    source = make(tmp_path / "a.onnx", [h.make_node("MatMul", ["x", "w"], ["y"])], {"w": w})
    np.savez(tmp_path / "data.npz", x=rng.standard_normal((8, 7, K)).astype(np.float32) * np.abs(x).max((0, 1)) / 3)
    errors = {}
    for power in (0, 0.7):
        quantize(run, source, tmp_path / "b.onnx", f"smooth={power},data={tmp_path / 'data.npz'}")
        errors[power] = relative(run_both(run, tmp_path / "b.onnx", {"x": x}, tmp_path), session(source).run(None, {"x": x})[0])
    assert errors[0.7] < errors[0] / 3, errors


def test_smoothing_goes_into_the_normalization(run, tmp_path):
    gamma = np.ones(K, np.float32)
    gamma[[3, 77]] = 50
    nodes = [h.make_node("LayerNormalization", ["x", "g", "b"], ["n"], axis=-1), h.make_node("MatMul", ["n", "w"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"g": gamma, "b": weight(K), "w": weight(K, N)})
    quantize(run, source, tmp_path / "b.onnx")
    assert ops(tmp_path / "b.onnx") == ["LayerNormalization", "DynamicQuantizeMatMul"]
    wanted = session(source).run(None, FEEDS[None])[0]
    assert relative(run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path), wanted) < STEP


@pytest.mark.parametrize("value, why", [(np.nan, "NaN"), (np.inf, "NaN or an infinity")])
def test_weights_that_cannot_be_held(run, tmp_path, value, why):
    source = make(tmp_path / "a.onnx", PRODUCTS["matmul"][0], {"w": spoiled(value)})
    unchanged(run, source, tmp_path / "b.onnx", why, "quant-dynamic{min-elements=100,smooth=0,correct=false}")


def test_what_stays(run, tmp_path):
    source = make(tmp_path / "a.onnx", *PRODUCTS["matmul"][:2])
    unchanged(run, source, tmp_path / "b.onnx", "'w*' keeps it", "quant-dynamic{min-elements=100,keep=*none;w*}")
    unchanged(run, source, tmp_path / "b.onnx", "fewer than min-elements", "quant-dynamic{min-elements=100000}")
    empty = make(tmp_path / "a.onnx", PRODUCTS["matmul"][0], {"w": np.zeros((K, 0), np.float32)})
    unchanged(run, empty, tmp_path / "b.onnx", "the weight is empty", "quant-dynamic{min-elements=0}")
    nodes = [*PRODUCTS["matmul"][0][:1], h.make_node("ReduceSum", ["w"], ["z"], keepdims=0)]
    shared = make(tmp_path / "a.onnx", nodes, PRODUCTS["matmul"][1], outputs=("y", "z"))
    unchanged(run, shared, tmp_path / "b.onnx", "also reads the weight", "quant-dynamic{min-elements=100}")


def test_zero_columns_and_rows(run, tmp_path):
    w = weight(K, N)
    w[:, 7] = 0
    w[9] = 0
    w[:, 11] *= 1e-39
    source = make(tmp_path / "a.onnx", PRODUCTS["matmul"][0], {"w": w})
    for options in ("", "weights=uint8", "form=standard"):
        quantize(run, source, tmp_path / "b.onnx", options)
        made = run_both(run, tmp_path / "b.onnx", FEEDS[None], tmp_path)
        assert np.isfinite(made).all() and relative(made, session(source).run(None, FEEDS[None])[0]) < STEP


def test_quantized_models_are_left_alone(run, tmp_path):
    source = make(tmp_path / "a.onnx", *PRODUCTS["matmul"][:2])
    quantize(run, source, tmp_path / "b.onnx")
    quantize(run, tmp_path / "b.onnx", tmp_path / "c.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


@pytest.mark.parametrize("options, word", [("smooth=2", "smooth"), ("weights=int4", "weights"), ("embeddings=3", "embeddings")])
def test_bad_options_are_usage_errors(run, tmp_path, options, word):
    source = make(tmp_path / "a.onnx", *PRODUCTS["matmul"][:2])
    run("onnx-opt", f"--passes=quant-dynamic{{{options}}}", source, "-o", tmp_path / "b.onnx").refused(2, word)


def test_tables_too(run, tmp_path):
    nodes = [h.make_node("Gather", ["t", "x"], ["e"]), h.make_node("Tanh", ["e"], ["f"]), h.make_node("MatMul", ["f", "w"], ["y"])]
    source = make(tmp_path / "a.onnx", nodes, {"t": weight(300, K), "w": weight(K, N)}, IDS)
    feed = {"x": np.random.default_rng(1).integers(0, 300, (2, 5))}
    for embeddings in ("rows", "8"):
        quantize(run, source, tmp_path / "b.onnx", f"embeddings={embeddings}")
        assert not any(t.data_type == T.FLOAT and np.prod(t.dims) > 1000 for t in onnx.load(tmp_path / "b.onnx").graph.initializer)
        assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), session(source).run(None, feed)[0]) < STEP


@pytest.fixture(scope="module")
def minilm_scores(run, minilm, text, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("int8")
    evaluation = text(sentences.EVALUATION)
    wanted = embed(minilm, evaluation)

    def measure(passes: str):
        run("onnx-opt", f"--passes={passes}", minilm, "-o", folder / "out.onnx").ok()
        close = (embed(folder / "out.onnx", evaluation) * wanted).sum(1)
        return close.mean(), close.min(), ops(folder / "out.onnx")
    return measure


def test_minilm_everywhere(minilm_scores):
    """Better than onnxruntime's per-channel quantize_dynamic (0.993, 0.967), every matrix on bytes, without data."""
    mean, least, kinds = minilm_scores("fuse,quant-dynamic")
    assert mean >= 0.996 and least >= 0.985
    assert kinds.count("QAttention") == 6 and kinds.count("DynamicQuantizeMatMul") == 18 and "MatMul" not in kinds


def test_convolutions(run, tmp_path):
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["a"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 1]), h.make_node("Relu", ["a"], ["r"]),
             h.make_node("Conv", ["r", "d"], ["c"], kernel_shape=[3, 3], group=16), h.make_node("Conv", ["r", "u"], ["e"], kernel_shape=[3, 3]),
             h.make_node("Add", ["c", "e"], ["y"])]
    inits = {"w": weight(16, 8, 3, 3), "b": weight(16), "d": weight(16, 1, 3, 3, seed=1), "u": weight(16, 16, 3, 3, seed=2)}
    source = make(tmp_path / "a.onnx", nodes, inits, {"x": (T.FLOAT, ["n", 8, 12, 9])})
    feed = {"x": np.random.default_rng(2).standard_normal((2, 8, 12, 9)).astype(np.float32)}
    for options in ("", "weights=uint8", "per-channel=false", "form=standard"):
        quantize(run, source, tmp_path / "b.onnx", options)
        kinds = ops(tmp_path / "b.onnx")
        assert kinds.count("ConvInteger") == 3 and kinds.count("DynamicQuantizeLinear") == 2, kinds
        assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), session(source).run(None, feed)[0]) < STEP
    quantize(run, source, tmp_path / "b.onnx", "conv=false")
    assert "ConvInteger" not in ops(tmp_path / "b.onnx")


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("options", ["", "weights=uint8", "per-channel=false", "form=standard"])
def test_recurrent(run, tmp_path, kind, gates, options):
    hidden, directions = 12, 2
    nodes = [h.make_node(kind, ["x", "w", "r", "b"], ["y", "last"], hidden_size=hidden, direction="bidirectional",
                         **({"linear_before_reset": 1} if kind == "GRU" else {}))]
    inits = {"w": weight(directions, gates * hidden, 20) * 6, "r": weight(directions, gates * hidden, hidden, seed=1) * 6,
             "b": weight(directions, 2 * gates * hidden, seed=2)}
    source = make(tmp_path / "a.onnx", nodes, inits, {"x": (T.FLOAT, ["t", "n", 20])}, outputs=("y", "last"))
    model = onnx.load(source)
    del model.graph.output[:]
    model.graph.output.extend([h.make_tensor_value_info("y", T.FLOAT, ["t", directions, "n", hidden]),
                               h.make_tensor_value_info("last", T.FLOAT, [directions, "n", hidden])])
    onnx.save(model, source)
    quantize(run, source, tmp_path / "b.onnx", options)
    kinds = ops(tmp_path / "b.onnx")
    assert kinds[0 if kind == "LSTM" and "standard" not in options else -1] == ("DynamicQuantizeLSTM" if kind == "LSTM" and "standard" not in options
                                                                             else kind)
    feed = {"x": np.random.default_rng(3).standard_normal((7, 3, 20)).astype(np.float32)}
    assert relative(run_both(run, tmp_path / "b.onnx", feed, tmp_path), session(source).run(None, feed)[0]) < 2 * STEP
