"""Static quantization: right in onnxruntime and in the executor, fused by onnxruntime, near its own quantizer."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from conftest import session
from test_int8 import run_both
from test_quant import ops, relative, weight

RNG = np.random.default_rng(11)
IMAGES = RNG.standard_normal((6, 3, 16, 16)).astype(np.float32)


def network(path, opset=13):
    """Convolutions (one depthwise) with Relu, a residual, pools, a classifier."""
    def conv(x, y, w, **more):
        inits[f"{y}.w"], inits[f"{y}.b"] = w * 6, weight(w.shape[0], seed=len(inits))
        return h.make_node("Conv", [x, f"{y}.w", f"{y}.b"], [y], name=y, kernel_shape=w.shape[2:], **more)
    inits: dict[str, np.ndarray] = {}
    nodes = [conv("x", "a", weight(8, 3, 3, 3), pads=[1] * 4), h.make_node("Relu", ["a"], ["ar"]),
             conv("ar", "b", weight(8, 1, 3, 3, seed=1), pads=[1] * 4, group=8), h.make_node("Relu", ["b"], ["br"]),
             conv("br", "c", weight(8, 8, 1, 1, seed=2)), h.make_node("Add", ["c", "ar"], ["d"], name="d"), h.make_node("Relu", ["d"], ["dr"]),
             h.make_node("MaxPool", ["dr"], ["e"], kernel_shape=[2, 2], strides=[2, 2]), conv("e", "f", weight(12, 8, 3, 3, seed=3)),
             h.make_node("GlobalAveragePool", ["f"], ["p"]), h.make_node("Flatten", ["p"], ["q"]),
             h.make_node("Gemm", ["q", "head.w", "head.b"], ["y"], transB=1, name="head")]
    inits |= {"head.w": weight(10, 12, seed=9), "head.b": weight(10, seed=10)}
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.FLOAT, ["n", 3, 16, 16])],
                         [h.make_tensor_value_info("y", T.FLOAT, ["n", 10])], [numpy_helper.from_array(v, k) for k, v in inits.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), path)
    return path


@pytest.fixture
def cnn(tmp_path):
    np.savez(tmp_path / "data.npz", x=IMAGES)
    return network(tmp_path / "a.onnx")


def quantize(run, source, out, options, data):
    return run("onnx-opt", f"--passes=quant-static{{data={data}{',' + options if options else ''}}}", source, "-o", out, "--remarks=all",
               "--strict").ok()


def fused(path, folder) -> list[str]:
    """The ops that onnxruntime really runs."""
    options = ort.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 3, str(folder / "fused.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return ops(folder / "fused.onnx")


@pytest.mark.parametrize("options", ["", "form=qoperator", "activations=int8", "activations=int8,symmetric,form=qoperator", "weights=uint8",
                                     "per-channel=false", "calibrate=percentile,percentile=99.99", "calibrate=entropy", "calibrate=mse",
                                     "activations=uint16", "activations=int16", "equalize", "reduce-range", "correct=false,smooth=0"])
def test_a_small_network(run, tmp_path, cnn, options):
    quantize(run, cnn, tmp_path / "b.onnx", options, tmp_path / "data.npz")
    onnx.checker.check_model(onnx.load(tmp_path / "b.onnx")) if "qoperator" not in options else None
    wanted = session(cnn).run(None, {"x": IMAGES})[0]
    error = relative(run_both(run, tmp_path / "b.onnx", {"x": IMAGES}, tmp_path, 0.03), wanted)
    assert error < (0.01 if "16" in options else 0.2 if "entropy" in options else 0.06), error


def test_eight_bit_floats(run, tmp_path, cnn):
    """onnxruntime's CPU provider has casts for them, no kernels; the model must load and be near."""
    quantize(run, cnn, tmp_path / "b.onnx", "activations=fp8", tmp_path / "data.npz")
    wanted = session(cnn).run(None, {"x": IMAGES})[0]
    np.savez(tmp_path / "in.npz", x=IMAGES)
    run("onnx-run", tmp_path / "b.onnx", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz").ok()
    assert relative(np.load(tmp_path / "out.npz")["y"], wanted) < 0.1


@pytest.mark.parametrize("options", ["", "form=qoperator"])
def test_onnxruntime_fuses_all_of_it(run, tmp_path, cnn, options):
    """No float op is left but what enters and leaves."""
    quantize(run, cnn, tmp_path / "b.onnx", options, tmp_path / "data.npz")
    kinds = fused(tmp_path / "b.onnx", tmp_path)
    assert kinds.count("QLinearConv") == 4 and kinds.count("QLinearAdd") == 1 and kinds.count("QGemm") == 1, kinds
    assert not {"Conv", "Relu", "Add", "Gemm", "Clip"} & set(kinds), kinds


def test_near_the_peer(run, tmp_path, cnn):
    """Same data, same method (minmax, uint8, int8 a channel): no further from float than onnxruntime's quantize_static."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        left = [{"x": IMAGES}]

        def get_next(self):
            return self.left.pop() if self.left else None
    quantize_static(cnn, tmp_path / "p.onnx", Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8)
    fresh = np.random.default_rng(12).standard_normal((32, 3, 16, 16)).astype(np.float32)
    wanted = session(cnn).run(None, {"x": fresh})[0]
    quantize(run, cnn, tmp_path / "b.onnx", "", tmp_path / "data.npz")
    own, peer = (relative(session(tmp_path / f).run(None, {"x": fresh})[0], wanted) for f in ("b.onnx", "p.onnx"))
    assert own < 1.02 * peer, (own, peer)


def test_what_is_kept(run, tmp_path, cnn):
    done = quantize(run, cnn, tmp_path / "b.onnx", "keep=head*;c", tmp_path / "data.npz")
    assert "keeps it" in done.out
    kinds = fused(tmp_path / "b.onnx", tmp_path)
    assert {"Conv", "Gemm"} & set(kinds) and kinds.count("QLinearConv") == 3


def test_quantized_models_are_left_alone(run, tmp_path, cnn):
    quantize(run, cnn, tmp_path / "b.onnx", "", tmp_path / "data.npz")
    quantize(run, tmp_path / "b.onnx", tmp_path / "c.onnx", "", tmp_path / "data.npz")
    assert ops(tmp_path / "b.onnx") == ops(tmp_path / "c.onnx")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_cannot_be_held(run, tmp_path, value):
    model = onnx.load(network(tmp_path / "a.onnx"))
    for t in model.graph.initializer:
        if t.name == "head.w":
            w = numpy_helper.to_array(t).copy()
            w[1, 2] = value
            t.CopyFrom(numpy_helper.from_array(w, "head.w"))
    onnx.save(model, tmp_path / "a.onnx")
    np.savez(tmp_path / "data.npz", x=IMAGES)
    done = quantize(run, tmp_path / "a.onnx", tmp_path / "b.onnx", "smooth=0", tmp_path / "data.npz")
    assert "NaN or an infinity" in done.out and "Gemm" in ops(tmp_path / "b.onnx")


def test_zero_channels_and_dead_activations(run, tmp_path):
    model = onnx.load(network(tmp_path / "a.onnx"))
    for t in model.graph.initializer:
        if t.name in ("a.w", "a.b"):
            w = numpy_helper.to_array(t).copy()
            w[:] = 0
            t.CopyFrom(numpy_helper.from_array(w, t.name))
    onnx.save(model, tmp_path / "a.onnx")
    np.savez(tmp_path / "data.npz", x=IMAGES)
    for options in ("", "form=qoperator", "calibrate=mse", "calibrate=entropy", "activations=int8,symmetric"):
        quantize(run, tmp_path / "a.onnx", tmp_path / "b.onnx", options, tmp_path / "data.npz")
        got = session(tmp_path / "b.onnx").run(None, {"x": IMAGES})[0]
        assert relative(got, session(tmp_path / "a.onnx").run(None, {"x": IMAGES})[0]) < 0.06


@pytest.mark.parametrize("options, word", [("calibrate=best", "calibrate"), ("percentile=0", "percentile"), ("activations=int3", "activations")])
def test_bad_options_are_usage_errors(run, tmp_path, cnn, options, word):
    run("onnx-opt", f"--passes=quant-static{{{options}}}", cnn, "-o", tmp_path / "b.onnx").refused(2, word)


def test_data_with_a_nan(run, tmp_path, cnn):
    bad = IMAGES.copy()
    bad[0, 0, 0, 0] = np.nan
    np.savez(tmp_path / "bad.npz", x=bad)
    run("onnx-opt", f"--passes=quant-static{{data={tmp_path / 'bad.npz'}}}", cnn, "-o", tmp_path / "b.onnx").refused(3, "NaN")


def test_equalization_makes_the_error_smaller(run, tmp_path):
    """Channels whose ranges differ a thousandfold between two convolutions: one scale cannot hold them all."""
    rng = np.random.default_rng(4)
    uneven = (10 ** rng.uniform(-1.5, 1.5, 16)).astype(np.float32)
    inits = {"v": weight(16, 3, 3, 3, seed=1) * 6 * uneven[:, None, None, None], "c": weight(16, seed=2) * uneven,
             "w": weight(8, 16, 3, 3, seed=3) * 6 / uneven[None, :, None, None], "d": weight(8, seed=4)}
    nodes = [h.make_node("Conv", ["x", "v", "c"], ["a"], kernel_shape=[3, 3]), h.make_node("Relu", ["a"], ["b"]),
             h.make_node("Conv", ["b", "w", "d"], ["y"], kernel_shape=[3, 3])]
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.FLOAT, ["n", 3, 16, 16])],
                         [h.make_tensor_value_info("y", T.FLOAT, ["n", 8, 12, 12])],
                         [numpy_helper.from_array(v.astype(np.float32), k) for k, v in inits.items()])
    source = tmp_path / "uneven.onnx"
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), source)
    np.savez(tmp_path / "data.npz", x=IMAGES)
    wanted = session(source).run(None, {"x": IMAGES})[0]
    for scales in ("per-channel", "per-channel=false"):
        errors = []
        for option in ("equalize=false", "equalize"):
            quantize(run, source, tmp_path / "q.onnx", f"{option},{scales}", tmp_path / "data.npz")
            errors.append(relative(session(tmp_path / "q.onnx").run(None, {"x": IMAGES})[0], wanted))
        assert errors[1] < errors[0] / 3, (scales, errors)
