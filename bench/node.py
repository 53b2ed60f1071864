#!/usr/bin/env python3
"""The quantized forms in onnxruntime-node and onnxruntime-web (WebAssembly), against onnxruntime's Python package.

  node.py [--bin build/bin] [--models build/models] [--model NAME] [--modules build/node]

Wants node 18 or newer and npm, which installs the packages of bench/node/package-lock.json into --modules the first
time. Each form is made by onnx-opt and run once; `node` and `web` are cosines to what Python gives. Ends with 1 if a
form does not load or one is below 0.999.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "models")]
import fill  # noqa: E402

FORMS = ["fuse,quant4", "fuse,quant4{symmetric,block=32}", "fuse,quant4{scales=float32,block=128,accuracy-level=4}", "fuse,quant4{form=standard}",
         "fuse,quant2", "fuse,quant8", "fuse,quant8{embeddings=rows}", "fuse,q4f16", "fuse,fp16", "fuse,quant-dynamic",
         "fuse,quant-static{form=qoperator}"]


def install(modules: pathlib.Path) -> pathlib.Path:
    for name in ("package.json", "package-lock.json", "run.mjs"):
        modules.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "bench" / "node" / name, modules / name)
    if not (modules / "node_modules").exists():  # the CPU library is in the package: no scripts need to run
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true"], cwd=modules, check=True)
    return modules / "run.mjs"


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    p.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models")
    p.add_argument("--model", default="minilm-l6.ts17")
    p.add_argument("--modules", type=pathlib.Path, default=ROOT / "build" / "node")
    a = p.parse_args()
    import onnxruntime as ort
    script = install(a.modules)
    model = pathlib.Path(a.model) if a.model.endswith(".onnx") else fill.fill(a.model, a.models, fill.Checkpoint(fill.default_checkpoint()))
    ids = np.random.default_rng(0).integers(1000, 20000, (2, 12))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    bad = 0
    print("| passes | MB | node | web |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        fed, out = pathlib.Path(folder) / "feed.json", pathlib.Path(folder) / "out.onnx"
        fed.write_text(json.dumps({k: {"type": "int64", "dims": list(v.shape), "data": v.ravel().tolist()} for k, v in feed.items()}))
        for passes in FORMS:
            subprocess.run([a.bin / "onnx-opt", f"--passes={passes}", model, "-o", out, "-q"], check=True)
            wanted = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"]).run(None, feed)[0]
            row = []
            for kind in ("node", "web"):
                done = subprocess.run(["node", script, kind, out, fed], capture_output=True, text=True)
                if done.returncode != 0:
                    row.append("fails")
                    print(done.stderr[-500:], file=sys.stderr)
                    bad = 1
                    continue
                got = next(iter(json.loads(done.stdout.splitlines()[-1]).values()))
                close = cosine(got["data"], wanted)
                bad |= close < 0.999
                row.append(f"{close:.6f}")
            print(f"| `{passes}` | {out.stat().st_size / 1e6:.1f} | {row[0]} | {row[1]} |", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
