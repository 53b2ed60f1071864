"""No pass means no change: every model of tests/models and samples/models comes back equal."""

import pathlib

import onnx
import pytest

import compare
import fill
from conftest import ROOT

SAMPLES = sorted((ROOT / "samples" / "models").glob("*.onnx"))


def round_trip(run, source: pathlib.Path, out: pathlib.Path) -> None:
    run("onnx-opt", "--passes=", source, "-o", out).ok()
    assert compare.unequal(source, out) == []


@pytest.mark.parametrize("name", fill.names())
def test_filled_model(run, models, tmp_path, name):
    source = models.path(name)
    out = tmp_path / "out.onnx"
    round_trip(run, source, out)
    out.unlink()


@pytest.mark.parametrize("source", SAMPLES, ids=lambda p: p.stem)
def test_sample(run, tmp_path, source):
    round_trip(run, source, tmp_path / "out.onnx")


def test_twice_is_once(run, minilm, tmp_path):
    """What lathe writes it reads back as the same bytes."""
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    run("onnx-opt", "--passes=", minilm, "-o", first).ok()
    run("onnx-opt", "--passes=", first, "-o", second).ok()
    assert first.read_bytes() == second.read_bytes()


def test_in_place(run, tmp_path):
    """A model may be written over itself: its mapped bytes are still the old ones while they are written."""
    path = tmp_path / "model.onnx"
    path.write_bytes(SAMPLES[0].read_bytes())
    run("onnx-opt", "--passes=", path, "-o", path).ok()
    assert compare.unequal(SAMPLES[0], path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("one_file", [True, False], ids=["one-file", "file-per-tensor"])
def test_external_data(run, tmp_path, one_file):
    """External data comes back as external data, in the same places, with the same bytes."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir(), after.mkdir()
    onnx.save_model(onnx.load(SAMPLES[0]), before / "m.onnx", save_as_external_data=True,
                    all_tensors_to_one_file=one_file, location="m.data" if one_file else None, size_threshold=1024)
    run("onnx-opt", "--passes=", before / "m.onnx", "-o", after / "m.onnx").ok()
    x, y = (onnx.load(d / "m.onnx", load_external_data=False) for d in (before, after))
    assert [(t.name, [e.value for e in t.external_data if e.key == "location"]) for t in x.graph.initializer] == \
           [(t.name, [e.value for e in t.external_data if e.key == "location"]) for t in y.graph.initializer]
    x, y = (onnx.load(d / "m.onnx") for d in (before, after))
    assert compare.differences(x, y) == []
