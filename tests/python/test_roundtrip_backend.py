"""No pass means no change: every one of ONNX's own backend cases comes back equal."""

import os
import pathlib

import pytest

import backend_cases
import compare
from conftest import ROOT

AT_ONCE = 100  # files per process


def models_of(kind: str, flat: pathlib.Path) -> list[pathlib.Path]:
    """The models of one kind, linked into one folder under the names of their cases."""
    flat.mkdir()
    for model in (backend_cases.cases(ROOT / "build" / "backend-cases") / kind).glob("*/model.onnx"):
        (flat / f"{model.parent.name}.onnx").symlink_to(model.resolve())
    return sorted(flat.glob("*.onnx"))


@pytest.mark.parametrize("kind", backend_cases.KINDS)
def test_backend_cases(run, tmp_path, kind):
    files = models_of(kind, tmp_path / "flat")
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
