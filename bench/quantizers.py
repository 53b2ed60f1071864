#!/usr/bin/env python3
"""Time and memory of the quantizers beside `cp` of the same file, whole processes in turns, all in the page cache.

  quantizers.py [--bin build/bin] [--models FOLDER] [--rounds 5] [--passes P;P;...] [--model NAME] [--json OUT]
  quantizers.py --sparse GB        quant4{rounding=rtn} of a model whose data file is a hole: its peak memory

Peak memory counts what is mapped. The result of a sparse model takes a sixth of its size on disk for a while, in
--work (default: the folder for temporary files).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import inspect_models
import peers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PASSES = "quant4{rounding=rtn};quant4;quant8;fp16;quant-dynamic"
RTN = "quant4{rounding=rtn}"
# The kernel counts a child's memory from the fork on: this one is small.
LAUNCH = """
import json, os, sys, time
start = time.perf_counter()
pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime,
                  "mb": usage.ru_maxrss / 1024, "code": os.waitstatus_to_exitcode(status)}))
"""


def measure(command: list[str]) -> dict:
    """One process: seconds, CPU seconds, peak MB."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCH, *command], check=True, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    if row.pop("code") != 0:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return row


def in_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, dict]:
    runs: dict[str, list[dict]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(measure(command))
    return {name: {key: statistics.median(r[key] for r in rows) for key in rows[0]} for name, rows in runs.items()}


def beside_cp(a: argparse.Namespace, work: pathlib.Path) -> dict[str, dict]:
    source = peers.find(a.model, a.models, [])
    with open(source, "rb") as f:  # into the page cache
        while f.read(1 << 24):
            pass
    opt, out = str(a.bin / "onnx-opt"), str(work / "out.onnx")
    commands = {"cp": ["cp", str(source), str(work / "copy.onnx")]}
    for passes in a.passes.split(";"):
        commands[passes] = [opt, "-q", f"--passes={passes}", str(source), "-o", out]
    rows = in_turns(commands, a.rounds)
    print(f"{a.model}, {source.stat().st_size / 1e6:.0f} MB\n")
    print("| | seconds | times cp | CPU s | peak MB |\n|---|--:|--:|--:|--:|")
    for name, r in rows.items():
        print(f"| {name} | {r['seconds']:.2f} | {r['seconds'] / rows['cp']['seconds']:.1f} | {r['cpu']:.2f} | "
              f"{r['mb']:.0f} |")
    if RTN in rows:
        held = rows[RTN]["seconds"] <= 3 * rows["cp"]["seconds"] and rows[RTN]["mb"] < source.stat().st_size / 1e6 + 150
        print(f"\n{'holds' if held else 'MISSED'}: {RTN} in at most 3 times cp, in 150 MB beyond the mapped file")
    return rows


def sparse(a: argparse.Namespace, work: pathlib.Path) -> dict[str, dict]:
    layers = max(1, round(a.sparse * 1e9 / (4 * inspect_models.WIDTH**2)))
    wanted, free = layers * 4 * inspect_models.WIDTH**2 // 5, shutil.disk_usage(work).free
    if free < 2 * wanted:
        raise SystemExit(f"{work}: {free >> 30} GB are free, the result and its spill want {2 * wanted >> 30}")
    source = inspect_models.sparse(work, layers, "sparse")
    size = (work / "sparse.data").stat().st_size
    row = measure([str(a.bin / "onnx-opt"), "-q", f"--passes={RTN}", "--external-data=all", str(source), "-o",
                   str(work / "out.onnx")])
    print(f"sparse model of {size / 1e9:.1f} GB, {RTN}: {row['seconds']:.0f} s, {row['cpu']:.0f} s of CPU time, "
          f"{row['mb']:.0f} MB\n{'holds' if row['mb'] < 600 else 'MISSED'}: in under 600 MB")
    return {"sparse": row | {"bytes": size}}


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bin_dir = pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin"))
    ap.add_argument("--bin", type=pathlib.Path, default=bin_dir)
    ap.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models", help="kept filled models")
    ap.add_argument("--model", default="smollm2-135m.dyn18")
    ap.add_argument("--passes", default=PASSES, help="pipelines, joined by ';'")
    ap.add_argument("--rounds", type=int, default=5, help="processes of each")
    ap.add_argument("--sparse", type=float, default=0, help="GB of the sparse model (30)")
    ap.add_argument("--work", type=pathlib.Path, help="where results go for a while")
    ap.add_argument("--json", type=pathlib.Path, help="everything measured, as JSON")
    a = ap.parse_args()
    a.bin = a.bin.resolve()
    with tempfile.TemporaryDirectory(prefix="lathe-quantizers-", dir=a.work) as work:
        rows = (sparse if a.sparse > 0 else beside_cp)(a, pathlib.Path(work))
    if a.json:
        a.json.write_text(json.dumps({"machine": peers.machine(), "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
