"""No pass means no change: every one of ONNX's own backend cases comes back equal."""

import os
import pathlib
import warnings

import onnx
import pytest
from onnx.backend.test.loader import DATA_DIR, load_model_tests

import compare
from conftest import ROOT

KINDS = ("node", "simple", "light", "pytorch-converted", "pytorch-operator")
AT_ONCE = 100  # files per process


def models_of(kind: str) -> pathlib.Path:
    """The models of one kind as flat files, made once per onnx version."""
    folder = ROOT / "build" / "backend-cases" / onnx.__version__ / kind
    if not (folder / ".done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the cases' own overflows and divisions by zero
            cases = load_model_tests(kind=kind)
        for case in cases:
            if case.model is not None:
                (folder / f"{case.name}.onnx").write_bytes(case.model.SerializeToString())
            elif case.model_dir is not None:
                (folder / f"{case.name}.onnx").write_bytes((pathlib.Path(case.model_dir) / "model.onnx").read_bytes())
        for model in (pathlib.Path(DATA_DIR) / kind).glob("*.onnx"):  # light: whole networks with generated weights
            (folder / model.name).write_bytes(model.read_bytes())
        (folder / ".done").touch()
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_backend_cases(run, tmp_path, kind):
    files = sorted(models_of(kind).glob("*.onnx"))
    assert len(files) >= {"node": 1800, "simple": 10, "light": 5, "pytorch-converted": 50, "pytorch-operator": 20}[kind]
    wrong = []
    for i in range(0, len(files), AT_ONCE):
        some = files[i:i + AT_ONCE]
        done = run("onnx-opt", "--passes=", "--out-dir", tmp_path, *(os.path.relpath(f, files[0].parent) for f in some),
                   cwd=files[0].parent)
        if done.code:
            wrong.append(f"{some[0].stem} to {some[-1].stem}: exit code {done.code}\n    " + done.err.strip()[-1500:])
        for before in some:
            after = tmp_path / before.name
            if not after.exists():
                wrong.append(f"{before.stem}: not written")
            elif changed := compare.unequal(before, after):
                wrong.append(f"{before.stem}: " + "\n    ".join(changed))
    assert not wrong, f"{len(wrong)} of {len(files)} {kind} cases:\n" + "\n".join(wrong[:40])
