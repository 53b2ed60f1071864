#!/usr/bin/env python3
"""lathe and its peers on the same models, in one run.

  peers.py [--bin build/bin] [--models build/models] [--more DIR]... [--only GLOB[,GLOB...]] [--tools GLOB[,GLOB...]]
           [--runs 3] [--rounds 15] [--timeout 900] [--json OUT] [--markdown OUT] [--note TEXT] [--keep DIR]

Every tool runs as whole fresh processes, in turns (one run of each tool, then the next run): wall time and CPU time
(medians), peak resident memory (the kernel's figure for the process, os.wait4), nodes, bytes. What they wrote is then
judged (judge.py): onnxruntime latency with all versions taking turns, cosine to the original's outputs at two shapes.
`x lathe` columns: the peer's figure over that of lathe's own row in the same group. A tool that fails is a row that
says why. A model that is not in --models is filled from tests/models when its graph is there; each --more folder adds
models of its own.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import page
import tools as catalogue

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
DEFAULT = ["minilm-l6.ts17e", "minilm-l6.ts17", "minilm-l6.dyn18", "minilm-l6-classic.ts14", "mpnet-base.ts17"]
PACKAGES = "onnx onnxruntime onnxslim onnxsim onnxoptimizer onnxscript polygraphy torch".split()

# This process stays small on purpose (no numpy, no onnx): the kernel counts a child's memory from the fork on.


def last_words(path: pathlib.Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return re.sub(r"/\S*/", "", (telling or lines or ["no message"])[-1])[:200]  # no folders of this machine


def warm(path: pathlib.Path) -> None:
    """Into the page cache, so that the first tool does not pay for the disk."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run(command: list[str], cwd: pathlib.Path, timeout: float) -> dict:
    """One whole process and all it starts: seconds, CPU seconds, peak MB; `fails` says why where it did."""
    log = cwd / "log.txt"
    env = dict(os.environ, HF_HUB_OFFLINE="1", PYTHONWARNINGS="ignore")
    with open(log, "wb") as sink:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                 start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, timeout)
        _, status, usage = os.wait4(child.pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.perf_counter() - start
        expired = seconds >= timeout
        child.returncode = os.waitstatus_to_exitcode(status)
    figures = {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}
    if expired:
        figures["fails"] = f"not done after {timeout:.0f} s"
    elif child.returncode:
        figures["fails"] = f"exit code {child.returncode}: {last_words(log)}"
    return figures


def run_tool(tool, name: str, source: pathlib.Path, folder: pathlib.Path, timeout: float) -> dict:
    """All steps of a tool: times add up, of the memory the largest counts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder / "out.onnx"
    total = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_mb": 0.0}
    for command in tool.steps(name, str(source), str(out)):
        figures = run(command, folder, timeout)
        total["seconds"] += figures["seconds"]
        total["cpu_seconds"] += figures["cpu_seconds"]
        total["peak_mb"] = max(total["peak_mb"], figures["peak_mb"])
        if "fails" in figures:
            return total | {"fails": figures["fails"]}
    if tool.group != "inspect" and not out.exists():
        total["fails"] = f"exit code 0, no output: {last_words(folder / 'log.txt')}"
    return total


def find(name: str, models: pathlib.Path, more: list[pathlib.Path]) -> pathlib.Path:
    path = models / f"{name}.onnx"
    for folder in (*more, ROOT / "samples" / "models"):
        if not path.exists() and (folder / path.name).exists():
            return folder / path.name
    if not path.exists():
        # The checkpoint is in the test environment, which need not be this one: `python` on the path knows it.
        for interpreter in dict.fromkeys((shutil.which("python") or sys.executable, sys.executable)):
            fill = [interpreter, str(ROOT / "tests" / "models" / "fill.py"), str(models), name]
            if subprocess.run(fill, stdout=subprocess.DEVNULL).returncode == 0:
                break
        else:
            raise SystemExit(f"peers.py: there is no {path.name} in {models}, and it could not be filled")
    return path


def names(only: str, models: pathlib.Path, more: list[pathlib.Path]) -> list[str]:
    added = {p.stem for folder in more for p in folder.glob("*.onnx")}
    here = added | {p.stem for folder in (models, ROOT / "tests" / "models", ROOT / "samples" / "models")
                    for p in folder.glob("*.onnx")}
    if not only:
        return DEFAULT + sorted(added - set(DEFAULT))
    chosen = []
    for glob in only.split(","):
        matching = sorted(n for n in here if fnmatch.fnmatch(n, glob))
        if not matching:
            raise SystemExit(f"peers.py: no model is named like '{glob}'")
        chosen += [n for n in matching if n not in chosen]
    return chosen


def machine() -> dict:
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(), "packages": versions}


def medians(samples: list[dict]) -> dict:
    row = {k: statistics.median(s[k] for s in samples) for k in ("seconds", "cpu_seconds", "peak_mb")}
    row["runs"] = len(samples)
    row["fastest_seconds"] = min(s["seconds"] for s in samples)
    return row


def measure(name: str, a: argparse.Namespace, chosen: list, work: pathlib.Path) -> dict:
    source = find(name, a.models, a.more).resolve()
    warm(source)
    rows, samples = {}, {}
    active = []
    for tool in chosen:
        reason = tool.missing(a.bin) or ("" if tool.applies(name) else "not for this kind of model")
        rows[tool.name] = {"group": tool.group} | ({"fails": reason, "skipped": True} if reason else {})
        if not reason:
            active.append(tool)
    for r in range(a.runs):
        for tool in list(active):
            progress(f"{name}: run {r + 1}/{a.runs}, {tool.name}")
            figures = run_tool(tool, name, source, work / tool.name.replace(" ", "_"), a.timeout)
            samples.setdefault(tool.name, []).append(figures)
            if "fails" in figures:
                rows[tool.name]["fails"] = figures["fails"]
                active.remove(tool)
    for label, taken in samples.items():
        rows[label] |= medians(taken)
    outputs = {t.name: str(work / t.name.replace(" ", "_") / "out.onnx") for t in active if t.group != "inspect"}
    verdicts = []
    for j in range(a.runs):
        progress(f"{name}: onnxruntime, process {j + 1}/{a.runs}")
        verdicts.append(judged(source, outputs, a, work))
    progress("")
    for label in ("original", "original again", *outputs):
        row = rows.setdefault(label, {"group": "original"})
        row |= verdicts[0].get(label, {"fails": "not judged"})
        latencies = [v[label]["latency_ms"] for v in verdicts if "latency_ms" in v.get(label, {})]
        ratios = [v[label]["latency_ms"] / v["original"]["latency_ms"] for v in verdicts
                  if "latency_ms" in v.get(label, {}) and "latency_ms" in v.get("original", {})]
        if latencies:
            row["latency_ms"] = statistics.median(latencies)
        if ratios:
            row["latency_ratio"] = statistics.median(ratios)
            row["latency_ratio_range"] = [min(ratios), max(ratios)]
    return rows


def judged(source: pathlib.Path, outputs: dict, a: argparse.Namespace, work: pathlib.Path) -> dict:
    """The judge in a fresh process. Should one output bring it down, they are judged one by one."""
    def ask(some: dict) -> dict | None:
        request = work / "request.json"
        request.write_text(json.dumps({"original": str(source), "variants": some, "rounds": a.rounds, "threads": 1}))
        try:
            done = subprocess.run([sys.executable, str(HERE / "judge.py"), str(request)], capture_output=True, text=True,
                                  timeout=a.timeout * 4)
        except subprocess.TimeoutExpired:
            return None
        answers = [line[7:] for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
        return json.loads(answers[-1]) if done.returncode == 0 and answers else None

    answer = ask(outputs)
    if answer is None:
        answer = {}
        for label, path in outputs.items():
            one = ask({label: path}) or {label: {"fails": "onnxruntime crashes or hangs on it"}}
            answer |= {k: v for k, v in one.items() if k not in answer}
    return answer


def arguments() -> argparse.Namespace:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin")))
    ap.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models")
    ap.add_argument("--more", type=pathlib.Path, action="append", default=[], help="a folder of further models")
    ap.add_argument("--only", default="", help=f"models by glob; by default {' '.join(DEFAULT)}")
    ap.add_argument("--tools", default="*", help="tools by glob, as the table names them")
    ap.add_argument("--runs", type=int, default=3, help="processes per tool, and judging processes")
    ap.add_argument("--rounds", type=int, default=15, help="latency rounds per judging process")
    ap.add_argument("--timeout", type=float, default=900)
    ap.add_argument("--json", type=pathlib.Path, help="everything measured, as JSON")
    ap.add_argument("--markdown", type=pathlib.Path, help="the same as a page of documentation")
    ap.add_argument("--note", default="", help="a sentence about the circumstances, for the page")
    ap.add_argument("--keep", type=pathlib.Path, help="keep what the tools wrote here")
    a = ap.parse_args()
    a.bin = a.bin.resolve()
    return a


def main() -> int:
    a = arguments()
    globs = a.tools.split(",")
    chosen = [t for t in catalogue.tools(a.bin) if any(fnmatch.fnmatch(t.name, g) for g in globs)]
    if not chosen:
        raise SystemExit(f"peers.py: no tool is named like '{a.tools}'")
    everything = {"machine": machine(), "runs": a.runs, "rounds": a.rounds, "note": a.note, "models": {}}
    for name in names(a.only, a.models, a.more):
        with tempfile.TemporaryDirectory(prefix="lathe-peers-") as scratch:
            work = (a.keep / name).resolve() if a.keep else pathlib.Path(scratch)
            work.mkdir(parents=True, exist_ok=True)
            rows = everything["models"][name] = measure(name, a, chosen, work)
        print(page.table(name, rows), *page.goals(name, rows), "", sep="\n", flush=True)
        if a.json:  # after each model: a long run that is stopped keeps what it has
            a.json.write_text(json.dumps(everything, indent=1) + "\n")
        if a.markdown:
            a.markdown.write_text(page.markdown(everything))
    return 0


if __name__ == "__main__":
    sys.exit(main())
