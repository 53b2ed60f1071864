"""What calibration feeds a model, and what it makes of it, where real published models had it fail."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

from conftest import session

AUTO = "auto{{min-cosine=0.9,min-elements=100,points=2{}}}"


def save(path, nodes, inputs, output, constants):
    graph = h.make_graph(nodes, "g", inputs, [output], [nh.from_array(v, k) for k, v in constants.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


def bell(rng, *dims):
    return rng.normal(0, 0.1, dims).astype(np.float32)


def cosine(a, b):
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return a @ b / np.sqrt((a @ a) * (b @ b))


def written(folder, feeds):
    folder.mkdir()
    for i, feed in enumerate(feeds):
        np.savez(folder / f"{i}.npz", **feed)
    return folder


@pytest.mark.parametrize("passes", ["quant4{{rounding=gptq,min-elements=100,data={}}}", AUTO.replace("{}", ",data={}")])
def test_images_of_different_widths(run, tmp_path, passes):
    rng = np.random.default_rng(1)
    source = save(tmp_path / "m.onnx", [h.make_node("Conv", ["x", "w"], ["c"]), h.make_node("GlobalAveragePool", ["c"], ["y"])],
                  [h.make_tensor_value_info("x", T.FLOAT, [1, 32, 4, "width"])],
                  h.make_tensor_value_info("y", T.FLOAT, [1, 48, 1, 1]), {"w": bell(rng, 48, 32, 1, 1)})
    feeds = [{"x": bell(rng, 1, 32, 4, width)} for width in (5, 9, 17, 6)]
    out = tmp_path / "out.onnx"
    run("onnx-opt", f"--passes={passes.format(written(tmp_path / 'data', feeds))}", source, "-o", out).ok()
    assert cosine(session(source).run(None, feeds[0])[0], session(out).run(None, feeds[0])[0]) > 0.98


def test_gptq_of_a_window_of_one_element_knows_its_channels(run, tmp_path):
    """Errors in channels that are always small do not matter."""
    rng = np.random.default_rng(2)
    loud = np.where(np.arange(64) % 8 == 0, 10, 0.1).astype(np.float32)
    source = save(tmp_path / "m.onnx", [h.make_node("Conv", ["x", "w"], ["y"])],
                  [h.make_tensor_value_info("x", T.FLOAT, [1, 64, "h", "w_"])],
                  h.make_tensor_value_info("y", T.FLOAT, None), {"w": bell(rng, 48, 64, 1, 1)})
    feeds = [{"x": bell(rng, 1, 64, 8, 8) * loud[None, :, None, None]} for _ in range(8)]
    data = written(tmp_path / "data", feeds[:6])
    error = {}
    for rounding in ("rtn", f"gptq,data={data}"):
        out = tmp_path / "out.onnx"
        run("onnx-opt", f"--passes=quant4{{block=32,min-elements=100,rounding={rounding}}}", source, "-o", out).ok()
        a, b = session(source).run(None, feeds[7])[0], session(out).run(None, feeds[7])[0]
        error[rounding[:4]] = np.linalg.norm(a - b)
    assert error["gptq"] < 0.7 * error["rtn"], error


def sound(tmp_path, rng):
    """A window of 512 samples, as models of speech begin with."""
    nodes = [h.make_node("Unsqueeze", ["x", "one"], ["u"]), h.make_node("Conv", ["u", "window"], ["c"], strides=[256]),
             h.make_node("Relu", ["c"], ["r"]), h.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
             h.make_node("MatMul", ["t", "w"], ["y"])]
    return save(tmp_path / "m.onnx", nodes, [h.make_tensor_value_info("x", T.FLOAT, ["batch", "samples"])],
                h.make_tensor_value_info("y", T.FLOAT, None),
                {"one": np.array([1], np.int64), "window": bell(rng, 32, 1, 512), "w": bell(rng, 32, 24)})


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("passes", ["quant-dynamic{{min-elements=100{}}}", "quant4{{min-elements=100,rounding=gptq{}}}", AUTO])
def test_a_model_that_wants_long_inputs(run, tmp_path, passes, data):
    rng = np.random.default_rng(3)
    source = sound(tmp_path, rng)
    feeds = [{"x": bell(rng, 1, samples)} for samples in (2000, 1500)]
    asked = f",data={written(tmp_path / 'data', feeds)}" if data else ""
    out = tmp_path / "out.onnx"
    run("onnx-opt", f"--passes={passes.format(asked)}", source, "-o", out).ok()
    assert cosine(session(source).run(None, feeds[0])[0], session(out).run(None, feeds[0])[0]) > 0.97


def test_made_up_noise_does_not_judge_channels(run, tmp_path):
    """Most channels are awake on real inputs only."""
    rng = np.random.default_rng(4)
    nodes = [h.make_node("MatMul", ["x", "a"], ["p"]), h.make_node("Add", ["p", "b"], ["s"]), h.make_node("Relu", ["s"], ["r"]),
             h.make_node("MatMul", ["r", "w"], ["y"])]
    source = save(tmp_path / "m.onnx", nodes, [h.make_tensor_value_info("x", T.FLOAT, ["batch", 32])],
                  h.make_tensor_value_info("y", T.FLOAT, ["batch", 32]),
                  {"a": bell(rng, 32, 64), "b": np.where(np.arange(64) % 16, -1.2, 20).astype(np.float32), "w": bell(rng, 64, 32)})
    out = tmp_path / "out.onnx"
    run("onnx-opt", "--passes=quant-dynamic{min-elements=100}", source, "-o", out).ok()
    feed = {"x": 400 * bell(rng, 8, 32)}
    a, b = session(source).run(None, feed)[0], session(out).run(None, feed)[0]
    assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(a), np.linalg.norm(a - b) / np.linalg.norm(a)


@pytest.mark.parametrize("passes", ["quant-dynamic{min-elements=100}", AUTO.format("")])
def test_a_first_choice_that_hides_everything(run, tmp_path, passes):
    """Row 0 of the roles means padding: attention over nothing else is no number."""
    rng = np.random.default_rng(5)
    nodes = [h.make_node("Gather", ["table", "ids"], ["e"]), h.make_node("Gather", ["mask", "roles"], ["m"]),
             h.make_node("Unsqueeze", ["m", "one"], ["bias"]), h.make_node("Transpose", ["e"], ["et"], perm=[0, 2, 1]),
             h.make_node("MatMul", ["e", "et"], ["scores"]), h.make_node("Add", ["scores", "bias"], ["masked"]),
             h.make_node("Softmax", ["masked"], ["p"]), h.make_node("MatMul", ["p", "e"], ["v"]), h.make_node("MatMul", ["v", "w"], ["y"])]
    source = save(tmp_path / "m.onnx", nodes, [h.make_tensor_value_info(n, T.INT64, ["batch", "length"]) for n in ("ids", "roles")],
                  h.make_tensor_value_info("y", T.FLOAT, None),
                  {"table": 5 * bell(rng, 64, 32), "mask": np.array([-np.inf, 0, 0, 0], np.float32), "w": bell(rng, 32, 24),
                   "one": np.array([1], np.int64)})
    out = tmp_path / "out.onnx"
    run("onnx-opt", f"--passes={passes}", source, "-o", out).ok()
    feed = {"ids": rng.integers(0, 64, (1, 9)), "roles": np.array([[1, 2, 2, 2, 3, 3, 3, 0, 0]])}
    assert cosine(session(source).run(None, feed)[0], session(out).run(None, feed)[0]) > 0.9


def test_a_question_mark_names_no_size(run, tmp_path):
    rng = np.random.default_rng(6)
    source = save(tmp_path / "m.onnx", [h.make_node("Conv", ["x", "w"], ["y"])],
                  [h.make_tensor_value_info("x", T.FLOAT, ["?", 3, "?", "?"])],
                  h.make_tensor_value_info("y", T.FLOAT, ["?", 4, "?", "?"]), {"w": bell(rng, 4, 3, 1, 1)})
    feed = {"x": bell(rng, 1, 3, 5, 7)}
    np.savez(tmp_path / "in.npz", **feed)
    run("onnx-run", source, "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz").ok()
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["y"], session(source).run(None, feed)[0], rtol=1e-4, atol=1e-6)
