#!/usr/bin/env python3
"""onnx-inspect and onnx-diff beside what others offer for the same questions, whole processes in turns.

  inspection.py [--bin build/bin] [--models FOLDER] [--rounds 5] [--json OUT] [--markdown OUT]
  inspection.py --shapes [--only GLOB,...] ...     values with full shapes, beside onnx and symbolic_shape_infer

Peers: onnx.load with infer_shapes (data propagation on), onnxruntime's symbolic_shape_infer, polygraphy inspect,
onnxslim --inspect, onnx-tool. Time is wall time from start to end, imports included, as a user waits for it; peak
memory is the kernel's for the process. Every process may address --limit GB, so that what would read a 20 GB file
fails instead of taking the machine. Ratios are of medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import inspect_models
import peers
from tools import POLYGRAPHY

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
LOAD_INFER = ("import onnx, sys; onnx.shape_inference.infer_shapes(onnx.load(sys.argv[1]), data_prop=True)")
SYMBOLIC = ("import onnx, sys; from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference as S; "
            "S.infer_shapes(onnx.load(sys.argv[1]), auto_merge=True)")
ONNX_TOOL = ("import sys, onnx_tool; m = onnx_tool.Model(sys.argv[1]); g = m.graph; "
             "g.shape_infer({n: __import__('numpy').ones([d if isinstance(d, int) and d > 0 else 8 for d in "
             "g.tensormap[n].get_shape()], dtype=g.tensormap[n].dtype) for n in g.input}); g.profile()")
TARGETS = {  # (model, command): (seconds, MB)
    ("minilm-l6.ts17", "--axes"): (0.1, 60),
    ("sparse-20gb", "--axes"): (1, 100),
}


def commands(bin_dir: pathlib.Path, model: str) -> dict[str, list[str]]:
    inspect, py = str(bin_dir / "onnx-inspect"), sys.executable
    return {
        "onnx-inspect": [inspect, model],
        "onnx-inspect --axes": [inspect, "--axes", model],
        "onnx-inspect --shapes": [inspect, "--shapes", "--json", model],
        "onnx-inspect --cost": [inspect, "--cost", model],
        "onnx-inspect --html": [inspect, "--html", model],
        "onnx: load, infer_shapes": [py, "-c", LOAD_INFER, model],
        "symbolic_shape_infer": [py, "-c", SYMBOLIC, model],
        "polygraphy inspect": [py, "-c", POLYGRAPHY, "inspect", "model", model],
        "onnxslim --inspect": [py, "-m", "onnxslim", "--inspect", model],
        "onnx-tool": [py, "-c", ONNX_TOOL, model],
    }


def measure(command: list[str], limit: int, timeout: float) -> dict:
    """One process: seconds, CPU seconds, peak MB; or how it failed."""
    def confine():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                             preexec_fn=confine)
        while True:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - start > timeout:
                p.kill()
                os.wait4(p.pid, 0)
                p.returncode = -9
                return {"failed": f"more than {timeout:.0f} s"}
            time.sleep(0.001)
        seconds, p.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
        if p.returncode < 0:
            return {"failed": f"ended by signal {-p.returncode} within {limit >> 30} GB of address space"}
        if p.returncode != 0 and not (p.returncode == 1 and "onnx-diff" in command[0]):  # there 1 means different
            err.seek(0)
            lines = err.read().decode(errors="replace").strip().splitlines()
            return {"failed": lines[-1][:90] if lines else f"exit {p.returncode}"}
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}


def compare(what: dict[str, list[str]], a: argparse.Namespace) -> dict:
    runs: dict[str, list[dict]] = {name: [] for name in what}
    for i in range(a.rounds):
        for name in list(what) if i % 2 == 0 else list(what)[::-1]:  # in turns: a busy moment hits all
            if runs[name] and "failed" in runs[name][0]:
                continue
            runs[name].append(measure(what[name], a.limit << 30, a.timeout))
    rows = {}
    for name, list_ in runs.items():
        failed = next((r["failed"] for r in list_ if "failed" in r), None)
        rows[name] = {"failed": failed} if failed else {
            k: statistics.median(r[k] for r in list_) for k in ("seconds", "cpu", "mb")}
        if not failed:
            taken = sorted(r["seconds"] for r in list_)
            rows[name]["least"], rows[name]["largest"] = taken[0], taken[-1]
    return rows


def table(name: str, rows: dict, base: str) -> list[str]:
    lines = [f"| {name} | seconds (from-to) | CPU s | peak MB | times {base} |", "|---|--:|--:|--:|--:|"]
    for tool, r in rows.items():
        if "failed" in r:
            lines.append(f"| {tool} | failed: {r['failed'].replace('|', '/')} | | | |")
            continue
        ratio = f"{r['seconds'] / rows[base]['seconds']:.1f}" if "seconds" in rows.get(base, {}) else ""
        span = f"{r['least']:.3f}-{r['largest']:.3f}"
        lines.append(f"| {tool} | {r['seconds']:.3f} ({span}) | {r['cpu']:.2f} | {r['mb']:.0f} | {ratio} |")
    return lines


def judge(rows: dict, model: str) -> list[str]:
    out = []
    for (name, option), (seconds, mb) in TARGETS.items():
        row = rows.get(f"onnx-inspect {option}", {})
        if name == model and "seconds" in row:
            held = row["seconds"] < seconds and row["mb"] < mb
            out.append(f"{'holds' if held else 'MISSED'}: {option} in under {seconds} s and {mb} MB")
    return out


def times(a: argparse.Namespace, work: pathlib.Path) -> tuple[list[str], dict]:
    lines, everything = [], {"machine": peers.machine(), "models": {}}

    def add(name, rows, base):
        everything["models"][name] = rows
        lines.extend([*table(name, rows, base), "", *judge(rows, name), ""])
        print("\n".join(lines[-len(rows) - 4 - len(judge(rows, name)):]), flush=True)

    for name in a.only.split(",") if a.only else ("minilm-l6.ts17", "smollm2-135m.ts17"):
        path = str(peers.find(name, a.models, []))
        rows = compare(commands(a.bin, path), a)
        add(name, rows, "onnx-inspect --shapes")
        if name.startswith("smollm2") and "seconds" in rows["symbolic_shape_infer"]:
            ratio = rows["symbolic_shape_infer"]["seconds"] / rows["onnx-inspect --shapes"]["seconds"]
            lines += [f"{'holds' if ratio >= 20 else 'MISSED'}: --shapes at least 20 times as fast as "
                      f"symbolic_shape_infer ({ratio:.0f})", ""]
            print(lines[-2])
    big = inspect_models.sparse(work)
    add("sparse-20gb", compare(commands(a.bin, str(big)), a), "onnx-inspect --shapes")
    source = peers.find("smollm2-135m.ts17", a.models, [])
    edited = inspect_models.edited(source, work)
    stripped = work / "source.onnx"
    import onnx
    onnx.save(onnx.load(source, load_external_data=False), stripped)
    diff = str(a.bin / "onnx-diff")
    rows = compare({"onnx-diff --no-weights": [diff, "--no-weights", str(stripped), str(edited)],
                    "onnx-diff": [diff, str(stripped), str(edited)]}, a)
    add("smollm2-135m.ts17 against itself, renamed, 12 edits", rows, "onnx-diff --no-weights")
    row = rows["onnx-diff --no-weights"]
    held = row.get("seconds", 9) < 1
    lines += [f"{'holds' if held else 'MISSED'}: onnx-diff of two 7,600-node models in under 1 s", ""]
    print(lines[-2])
    return lines, everything


def shapes(a: argparse.Namespace) -> tuple[list[str], dict]:
    """Values with full shapes, model by model; what a peer knows and onnx-inspect does not is named."""
    lines = ["| model | values | onnx-inspect | onnx | symbolic_shape_infer | a peer knows, onnx-inspect not |",
             "|---|--:|--:|--:|--:|---|"]
    everything, short = {}, 0
    print("\n".join(lines), flush=True)
    for name in peers.names(a.only or "*", a.models, []):
        path = str(peers.find(name, a.models, []))
        done = subprocess.run([str(a.bin / "onnx-inspect"), "--shapes", "--json", path], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"onnx-inspect: {done.stderr}")
        values = json.loads(done.stdout)["values"]
        row = {"values": len(values), "lathe": {n for n, v in values.items() if v["known"]}}
        for tool in ("onnx", "ort"):
            try:
                p = subprocess.run([sys.executable, str(HERE / "shape_count.py"), tool, path], capture_output=True,
                                   text=True, timeout=a.timeout)
            except subprocess.TimeoutExpired:
                row[tool], row[f"{tool}_failed"] = None, f"more than {a.timeout:.0f} s"
                continue
            row[tool] = set(json.loads(p.stdout)["full"]) if p.returncode == 0 else None
            if p.returncode != 0:
                row[f"{tool}_failed"] = (p.stderr.strip().splitlines() or [f"exit {p.returncode}"])[-1][:80]
        made = set(values)
        lost = sorted(((row["onnx"] or set()) | (row["ort"] or set())) & made - row["lathe"])
        count = {t: row[f"{t}_failed"] if row[t] is None else len(row[t] & made) for t in ("lathe", "onnx", "ort")}
        fewer = any(isinstance(count[t], int) and count["lathe"] < count[t] for t in ("onnx", "ort"))
        short += fewer
        text = ", ".join(f"`{n}`" for n in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        lines.append(f"| {name} | {row['values']} | {count['lathe']}{' **fewer**' if fewer else ''} | {count['onnx']} "
                     f"| {count['ort']} | {text} |")
        print(lines[-1], flush=True)
        everything[name] = {**count, "values": row["values"], "lost": lost,
                            **{k: v for k, v in row.items() if k.endswith("_failed")}}
    lines += ["", f"{'holds' if short == 0 else 'MISSED'}: on every model no fewer values with full shapes than either"
              + (f" (fewer on {short})" if short else "")]
    print(lines[-1])
    return lines, everything


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bin_dir = pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin"))
    ap.add_argument("--bin", type=pathlib.Path, default=bin_dir)
    ap.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models", help="kept filled models")
    ap.add_argument("--only", default="", help="models: names, or with --shapes globs (default: all)")
    ap.add_argument("--rounds", type=int, default=5, help="processes of each")
    ap.add_argument("--timeout", type=float, default=300)
    ap.add_argument("--limit", type=int, default=6, help="GB of address space for each process")
    ap.add_argument("--shapes", action="store_true", help="compare what is known, not how fast")
    ap.add_argument("--json", type=pathlib.Path, help="everything measured, as JSON")
    ap.add_argument("--markdown", type=pathlib.Path, help="the tables")
    a = ap.parse_args()
    a.bin = a.bin.resolve()
    with tempfile.TemporaryDirectory(prefix="lathe-inspect-") as work:
        lines, everything = shapes(a) if a.shapes else times(a, pathlib.Path(work))
    if a.json:
        a.json.write_text(json.dumps(everything, indent=1) + "\n")
    if a.markdown:
        a.markdown.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
