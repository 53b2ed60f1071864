#!/usr/bin/env python3
"""Writes DIR/NAME.io.npz beside every DIR/NAME.onnx: seeded inputs and what onnxruntime makes of them.

  corpus_io.py DIR [NAME...] [--force]

Keys: in0.<input>, out0.<output> for the first binding of the symbolic dimensions, in1.* and out1.* for the second
(tests/models/feeds.py has both). onnxruntime runs the graph as written (no graph optimisation). DIR/io.tsv says for
each output how far onnxruntime's own optimised run is from that: no comparison can ask for less.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "models"))
import feeds  # noqa: E402

COLUMNS = ("model", "binding", "output", "shape", "std", "max_diff_optimised")


def run(path: pathlib.Path, level: ort.GraphOptimizationLevel, inputs: list[dict]) -> tuple[list[str], list]:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [o.name for o in session.get_outputs()], [session.run(None, i) for i in inputs]


def one(path: pathlib.Path) -> list[tuple]:
    model = onnx.load(path, load_external_data=False)
    inputs = [feeds.feed(model, sizes) for sizes in feeds.BINDINGS]
    del model
    names, plain = run(path, ort.GraphOptimizationLevel.ORT_DISABLE_ALL, inputs)
    _, optimised = run(path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL, inputs)
    held, rows = {}, []
    for b, (given, made, again) in enumerate(zip(inputs, plain, optimised)):
        held |= {f"in{b}.{n}": v for n, v in given.items()} | {f"out{b}.{n}": v for n, v in zip(names, made)}
        for n, y, z in zip(names, made, again):
            f, g = y.astype(np.float64), z.astype(np.float64)
            diff = f"{np.abs(f - g).max(initial=0):.3g}" if f.shape == g.shape else f"shape {g.shape}"
            rows.append((path.stem, b, n, "x".join(map(str, y.shape)), f"{f.std() if f.size else 0:.3g}", diff))
    np.savez(path.with_name(path.stem + ".io.npz"), **held)
    return rows


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("dir", type=pathlib.Path)
    ap.add_argument("names", nargs="*", help="all models of the folder when none is named")
    ap.add_argument("--force", action="store_true", help="also those that are there already")
    a = ap.parse_args()
    table, failed = a.dir / "io.tsv", 0
    known = {}
    if table.exists():
        for line in table.read_text().splitlines()[1:]:
            known.setdefault(line.split("\t")[0], []).append(line)
    for name in a.names or sorted(p.stem for p in a.dir.glob("*.onnx")):
        if (a.dir / (name + ".io.npz")).exists() and not a.force:
            continue
        try:
            rows = one(a.dir / (name + ".onnx"))
        except Exception as error:  # a model that does not run is a row of its own
            failed += 1
            rows = [(name, "", "", "", "", " ".join(str(error).split())[:200])]
        known[name] = ["\t".join(map(str, r)) for r in rows]
        print(f"{name}: {len(rows)} outputs", *(rows[0][5:] if rows[0][1] == "" else ()), flush=True)
        table.write_text("\n".join(["\t".join(COLUMNS)] + [line for n in sorted(known) for line in known[n]]) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
