#!/usr/bin/env python3
"""onnx-run and onnxruntime on the same models, in turns.

  exec.py [--bin build/bin] [--models build/models] [--only GLOB[,GLOB...]] [--threads 2] [--rounds 5] [--runs 15]
          [--json OUT]

A round is a fresh process of each, one after the other, on the same inputs: the median of --runs runs after a warm-up,
CPU time, peak resident memory (the kernel's figure for the process). The ratio is that of a round's two figures; what
is printed is the median over the rounds, with the least and the largest. onnxruntime runs without spinning, as its
idle threads would take the processor from the other.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEFAULT = ["minilm-l6.ts17e", "resnet18.ts17", "mobilenetv3s.ts17b", "minilm-l6-fp16.ts17e"]
BARS = {"minilm-l6.ts17e": 1.5, "resnet18.ts17": 2.5}
MEMORY_BAR = 1.5

# Processes of their own: this one stays small, as the kernel counts a child's memory from the fork on.
FEED = """
import sys, numpy as np, onnx
sys.path.insert(0, sys.argv[3])
import feeds
np.savez(sys.argv[2], **feeds.feed(onnx.load(sys.argv[1], load_external_data=False), feeds.BENCH))
"""
ORT = """
import json, sys, time
import numpy as np, onnxruntime as ort
path, inputs, threads, runs = sys.argv[1], dict(np.load(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
for _ in range(2):
    session.run(None, inputs)
taken = []
for _ in range(runs):
    start = time.perf_counter()
    session.run(None, inputs)
    taken.append(1000 * (time.perf_counter() - start))
print(json.dumps({"p50_ms": sorted(taken)[(runs - 1) // 2]}))
"""


def measure(command: list[str]) -> dict:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exec.py: {pathlib.Path(command[0]).name} ended with {process.returncode}")
    answer = json.loads(text)
    return {"p50_ms": answer.get("bench", answer)["p50_ms"], "peak_mb": usage.ru_maxrss / 1024,
            "cpu_s": usage.ru_utime + usage.ru_stime}


def compare(model: pathlib.Path, a: argparse.Namespace, work: pathlib.Path) -> dict:
    inputs = str(work / "inputs.npz")
    subprocess.run([sys.executable, "-c", FEED, str(model), inputs, str(ROOT / "tests" / "models")], check=True)
    commands = {
        "lathe": [str(a.bin / "onnx-run"), str(model), "-i", inputs, "--threads", str(a.threads), "--bench", str(a.runs),
                  "--json"],
        "ort": [sys.executable, "-c", ORT, str(model), inputs, str(a.threads), str(a.runs)],
    }
    rounds = []
    for i in range(a.rounds):
        order = list(commands) if i % 2 == 0 else list(commands)[::-1]
        made = {who: measure(commands[who]) for who in order}
        rounds.append(made)
    row = {"rounds": rounds}
    for key in ("p50_ms", "peak_mb"):
        ratios = sorted(r["lathe"][key] / r["ort"][key] for r in rounds)
        row[key] = {who: statistics.median(r[who][key] for r in rounds) for who in commands}
        row[key]["ratio"], row[key]["least"], row[key]["largest"] = statistics.median(ratios), ratios[0], ratios[-1]
    return row


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin")))
    ap.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models")
    ap.add_argument("--only", default="", help=f"models by glob; by default {' '.join(DEFAULT)}")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=5, help="processes of each")
    ap.add_argument("--runs", type=int, default=15, help="measured runs in a process")
    ap.add_argument("--json", type=pathlib.Path, help="everything measured, as JSON")
    a = ap.parse_args()
    a.bin = a.bin.resolve()
    everything = {"machine": peers.machine(), "threads": a.threads, "models": {}}
    print(f"{'model':24} {'lathe ms':>9} {'ort ms':>9} {'ratio':>6} {'(from-to)':>12} {'lathe MB':>9} {'ort MB':>7} {'ratio':>6}")
    for name in peers.names(a.only, a.models, []) if a.only else DEFAULT:
        with tempfile.TemporaryDirectory(prefix="lathe-exec-") as work:
            row = everything["models"][name] = compare(peers.find(name, a.models, []), a, pathlib.Path(work))
        t, m = row["p50_ms"], row["peak_mb"]
        span = f"{t['least']:.2f}-{t['largest']:.2f}"
        print(f"{name:24} {t['lathe']:9.2f} {t['ort']:9.2f} {t['ratio']:6.2f} {span:>12} {m['lathe']:9.0f} {m['ort']:7.0f} "
              f"{m['ratio']:6.2f}", flush=True)
        if name in BARS:
            held = t["ratio"] <= BARS[name] and m["ratio"] <= MEMORY_BAR
            print(f"  {'holds' if held else 'MISSED'}: at most {BARS[name]} times onnxruntime's time, {MEMORY_BAR} times its memory")
        if a.json:
            a.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
