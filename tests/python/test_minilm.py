"""The main job on the real thing: all-MiniLM-L6-v2, real weights, real sentences, in two commands."""

from __future__ import annotations

import pathlib
import shutil
import unicodedata

import numpy as np
import onnx
import pytest

import fill
from conftest import session

SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone plays an acoustic guitar outdoors.",
    "The stock market fell sharply on Monday.",
    "Shares dropped at the start of the week.",
    "How do I bake sourdough bread at home?",
    "Recipe for a loaf with a natural starter",
    "The cat sleeps on the warm windowsill.",
    "Quantum computers factor integers with Shor's algorithm.",
]
PAIRS = [(0, 1), (2, 3), (4, 5)]


def wordpiece(text: str, vocabulary: dict[str, int]) -> list[int]:
    """BERT's uncased tokenizer, as far as plain English sentences need it."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    words = "".join(f" {c} " if unicodedata.category(c).startswith("P") else c for c in text).split()
    ids = [vocabulary["[CLS]"]]
    for word in words:
        start = 0
        while start < len(word):
            end = len(word)
            while (piece := ("##" if start else "") + word[start:end]) not in vocabulary:
                end -= 1
            ids.append(vocabulary[piece])
            start = end
    return ids + [vocabulary["[SEP]"]]


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    lines = (fill.default_checkpoint().parent / "vocab.txt").read_text(encoding="utf-8").splitlines()
    rows = [wordpiece(s, {word: i for i, word in enumerate(lines)}) for s in SENTENCES]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)], mask[i, :len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def embed(path: pathlib.Path, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Mean-pooled, normalised sentence embeddings."""
    hidden = session(path).run(None, batch)[0].astype(np.float64)
    mask = batch["attention_mask"][..., None]
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def wanted(minilm, batch) -> np.ndarray:
    return embed(minilm, batch)


def optimised(run, minilm: pathlib.Path, folder: pathlib.Path, passes: str) -> pathlib.Path:
    out = folder / "out.onnx"
    run("onnx-opt", f"--passes={passes}", minilm, "-o", out).ok()
    return out


def means_what_it_should(embeddings: np.ndarray) -> None:
    """Sentences that say the same are each other's nearest."""
    similar = embeddings @ embeddings.T - 2 * np.eye(len(embeddings))
    for a, b in PAIRS:
        assert similar[a].argmax() == b and similar[b].argmax() == a


def test_the_original_means_something(wanted):
    means_what_it_should(wanted)


@pytest.mark.parametrize("name", ["minilm-l6.ts14e", "minilm-l6.ts17", "minilm-l6.dyn18", "minilm-l6.dyn23",
                                  "minilm-l6-classic.ts11"])
def test_every_export_is_the_same_model(models, batch, wanted, name):
    assert np.abs(embed(models.path(name), batch) - wanted).max() < 1e-5


def test_fuse(run, minilm, batch, wanted, tmp_path):
    made = embed(optimised(run, minilm, tmp_path, "fuse"), batch)
    assert np.abs(made - wanted).max() < 1e-5


def test_fuse_quant4(run, minilm, batch, wanted, tmp_path):
    """No worse than what onnxruntime's own 4-bit rounding gives (block 32, symmetric): mean cosine 0.969, least 0.866."""
    out = optimised(run, minilm, tmp_path, "fuse,quant4")
    made = embed(out, batch)
    close = (made * wanted).sum(1)
    assert close.mean() > 0.96 and close.min() > 0.86, close
    means_what_it_should(made)
    model = onnx.load(out)
    assert sum(n.op_type == "MatMulNBits" for n in model.graph.node) >= 24, "four to six per layer"
    weights = {t.name for t in model.graph.initializer}
    assert [n.name for n in model.graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in weights] == []
    assert out.stat().st_size < 0.62 * minilm.stat().st_size
    assert {o.domain for o in model.opset_import} >= {"", "com.microsoft"}


def test_two_words_suffice(run, minilm, tmp_path):
    """Without -o the result is written beside the model, and what changed is said."""
    model = tmp_path / "model.onnx"
    shutil.copyfile(minilm, model)
    done = run("onnx-opt", "--passes=fuse,quant4", "model.onnx", cwd=tmp_path).ok()
    assert (tmp_path / "model.opt.onnx").exists()
    assert "516" in done.out + done.err, f"the number of nodes before is not said:\n{done.out}{done.err}"
    assert "Traceback" not in done.err


def test_same_bytes_twice(run, minilm, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    one, two = (optimised(run, minilm, d, "fuse,quant4") for d in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_optimised_again(run, minilm, tmp_path):
    """Fusing what is fused changes nothing."""
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    run("onnx-opt", "--passes=fuse", minilm, "-o", once).ok()
    run("onnx-opt", "--passes=fuse", once, "-o", twice).ok()
    nodes = [[(n.op_type, list(n.input), list(n.output)) for n in onnx.load(p).graph.node] for p in (once, twice)]
    assert nodes[0] == nodes[1]


def test_inspect(run, minilm):
    said = run("onnx-inspect", minilm).ok().out
    for word in ("17", "input_ids", "attention_mask", "token_type_ids", "last_hidden_state", "batch", "sequence",
                 "MatMul", "LayerNormalization"):
        assert word in said, f"'{word}' is not said:\n{said}"
