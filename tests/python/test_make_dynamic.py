"""A batch that was frozen into a model and freed again computes what the model computed before it was frozen."""

import pytest

import onnx

import feeds
from conftest import outputs


@pytest.mark.parametrize("name", ["lstm-text.ts17", "vit-tiny.dyn18", "minilm-l3.dyn18"])
def test_frozen_and_freed(run, models, tmp_path, name):
    frozen, freed = tmp_path / "frozen.onnx", tmp_path / "freed.onnx"
    source = models.path(name)
    run("onnx-opt", "--passes=bind-dims{batch=2},O2", source, "-o", frozen).ok()
    run("onnx-opt", "--passes=make-dynamic{batch}", frozen, "-o", freed).ok()
    assert onnx.load(freed, load_external_data=False).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    inputs = [feeds.feed(onnx.load(source, load_external_data=False), sizes) for sizes in feeds.BINDINGS]
    for want, got in zip(outputs(source, inputs), outputs(freed, inputs)):
        for key in want:
            assert abs(want[key] - got[key]).max() < 1e-4


def test_what_took_the_batch_for_another_axis_is_refused(run, models, tmp_path):
    """At a batch of one, transposes became reshapes: shapes agree at any batch, values do not."""
    frozen, freed = tmp_path / "frozen.onnx", tmp_path / "freed.onnx"
    run("onnx-opt", "--passes=bind-dims{batch=1},O2", models.path("lstm-text.ts17"), "-o", frozen).ok()
    done = run("onnx-opt", "--passes=make-dynamic{batch}", "--remarks=missed", frozen, "-o", freed).ok()
    assert "depends on the others" in done.out
    assert onnx.load(freed).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
