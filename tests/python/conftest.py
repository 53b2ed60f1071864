"""What the Python tests share: the programs, the filled models, onnxruntime.

LATHE_BIN     the folder of the programs (build/bin by default); without them every test that needs one fails, or is
              skipped where LATHE_ALLOW_SKIP=1 says so
LATHE_MODELS  where filled models are kept between runs (build/models by default)
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "models"), str(ROOT / "tests" / "python")]
import feeds  # noqa: E402
import fill  # noqa: E402

LARGE, KEPT = 100e6, 1e9  # bytes: filled models above LARGE share KEPT, the least recently used go first


@dataclasses.dataclass
class Done:
    """A program that ran: how it ended and what it said."""

    command: list[str]
    code: int
    out: str
    err: str

    def ok(self) -> Done:
        assert self.code == 0, f"{' '.join(self.command)[:500]}\nexit code {self.code}\n{self.err[-3000:]}"
        return self

    def refused(self, code: int = 3, *words: str) -> Done:
        """It ended with `code` and one line of error that holds each of the words; no crash, no traceback."""
        assert self.code == code, f"exit code {self.code}, wanted {code}\n{self.err[-3000:]}"
        errors = [line for line in self.err.splitlines() if re.search(r"\berror\b", line)]
        assert len(errors) == 1, f"wanted one line of error:\n{self.err[-3000:]}"
        for word in words:
            assert word in errors[0], f"'{word}' is not in: {errors[0]}"
        return self


class Programs:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def __call__(self, program: str, *args: object, cwd: pathlib.Path | None = None, timeout: float = 600) -> Done:
        path = self.folder / program
        if not path.exists():
            say = f"{program} is not in {self.folder} (./dev build, or LATHE_BIN)"
            if os.environ.get("LATHE_ALLOW_SKIP") == "1":
                pytest.skip(say)
            pytest.fail(say, pytrace=False)
        command = [str(path), *map(str, args)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=timeout)
        return Done([program, *command[1:]], done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run() -> Programs:
    """run("onnx-opt", "--passes=fuse", path, ...) gives a Done."""
    return Programs(pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin")).resolve())


class Models:
    """The models of tests/models, filled. A large one may be gone at the next test."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(os.environ.get("LATHE_MODELS", ROOT / "build" / "models"))
        self.checkpoint = fill.Checkpoint(fill.default_checkpoint())

    def path(self, name: str) -> pathlib.Path:
        path = fill.fill(name, self.folder, self.checkpoint)
        os.utime(path)
        large = [(p.stat(), p) for p in self.folder.glob("*.onnx") if p.stat().st_size > LARGE]
        left = KEPT
        for status, other in sorted(large, key=lambda item: item[0].st_mtime, reverse=True):
            left -= status.st_size
            if left < 0 and other != path:
                other.unlink()
        return path


@pytest.fixture(scope="session")
def models() -> Models:
    return Models()


@pytest.fixture(scope="session")
def minilm(models: Models) -> pathlib.Path:
    """all-MiniLM-L6-v2 with its real weights, as PyTorch's exporter wrote it at opset 17."""
    return models.path("minilm-l6.ts17e")


def session(path: pathlib.Path, optimise: bool = True) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def both_shapes(path: pathlib.Path) -> list[dict[str, np.ndarray]]:
    """Seeded inputs for a model at two bindings of its symbolic dimensions."""
    model = onnx.load(path, load_external_data=False)
    return [feeds.feed(model, sizes) for sizes in feeds.BINDINGS]


def outputs(path: pathlib.Path, inputs: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """What onnxruntime makes of each input, by output name."""
    running = session(path)
    names = [o.name for o in running.get_outputs()]
    return [dict(zip(names, running.run(names, i))) for i in inputs]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype}{a.shape} became {b.dtype}{b.shape}"
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))


def pytest_collection_modifyitems(items):
    """Tests listed as py.<name> in tests/known_failures.txt are expected to fail, with the reason given there."""
    known = {}
    with open(os.path.join(os.path.dirname(__file__), "..", "known_failures.txt")) as lines:
        for line in lines:
            name, _, reason = line.partition(" : ")
            if name.startswith("py."):
                known[name[3:]] = reason.strip()
    for item in items:
        if item.name in known:
            item.add_marker(pytest.mark.xfail(reason=known[item.name]))
