#!/usr/bin/env python3
"""Judges models against an original, in a process of its own: judge.py REQUEST.json, answer on standard output.

The request: {"original": path, "variants": {label: path}, "rounds": N, "threads": N}. The answer, per label: nodes
(subgraphs too), bytes (external data too), and, where onnxruntime runs it, the cosine to the original's outputs at two
shapes, the largest difference, and the median latency in milliseconds. All sessions live at once with spinning off and
take turns, run by run, so that whatever else the machine does hits all of them alike. "original" itself is loaded
twice: the second copy's ratio to the first is the noise.
"""

from __future__ import annotations

import json
import pathlib
import re
import statistics
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "models"))
import feeds  # noqa: E402


def count(path: str) -> dict:
    """Nodes and bytes. External data is what the model names in its own folder."""
    model = onnx.load(path, load_external_data=False)
    graphs = list(feeds.subgraphs(model.graph))
    graphs += [g for f in model.functions for n in f.node for a in n.attribute if a.HasField("g") for g in feeds.subgraphs(a.g)]
    places = {e.value for g in graphs for t in g.initializer for e in t.external_data if e.key == "location"}
    files = [pathlib.Path(path), *(pathlib.Path(path).parent / p for p in places)]
    ops = {f"{n.domain + '.' if n.domain else ''}{n.op_type}" for g in graphs for n in g.node}
    return {
        "nodes": sum(len(g.node) for g in graphs) + sum(len(f.node) for f in model.functions),
        "bytes": sum(f.stat().st_size for f in files if f.exists()),
        "contrib_ops": sorted(o for o in ops if o.startswith("com.microsoft.")),
    }


def session(path: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def why(error: Exception) -> str:
    return re.sub(r"/\S*/", "", " ".join(str(error).split()))[:300]  # no folders of this machine


def compare(wanted: list[np.ndarray], made: list[np.ndarray]) -> tuple[float, float]:
    """The least cosine and the largest difference over the float outputs."""
    cosine, difference = 1.0, 0.0
    for a, b in zip(wanted, made, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"output shape {b.shape} where the original has {a.shape}")
        if a.size and np.issubdtype(a.dtype, np.floating):
            x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
            norms = np.linalg.norm(x) * np.linalg.norm(y)
            cosine = min(cosine, float(x @ y / norms)) if norms else cosine
            difference = max(difference, float(np.abs(x - y).max()))
    return cosine, difference


def judge(request: dict) -> dict:
    original, threads = request["original"], request["threads"]
    model = onnx.load(original, load_external_data=False)
    inputs = [feeds.feed(model, sizes) for sizes in feeds.BINDINGS]
    bench = feeds.feed(model, feeds.BENCH)
    del model
    answers, running = {}, {}
    variants = {"original": original, "original again": original, **request["variants"]}
    for label, path in variants.items():
        answer = answers[label] = {}
        try:
            answer |= count(path)
            made = session(path, threads)
            outputs = [made.run(None, i) for i in inputs]
            if label == "original":
                wanted = outputs
            pairs = [compare(a, b) for a, b in zip(wanted, outputs)]
            answer["cosine"] = min(c for c, _ in pairs)
            answer["max_diff"] = max(d for _, d in pairs)
            made.run(None, bench)
            running[label] = made
        except Exception as error:  # noqa: BLE001 - a peer's broken output is a row, not an end
            answer["fails"] = why(error)
    taken = {label: [] for label in running}
    order = list(running)
    for i in range(request["rounds"]):
        for label in order[i % len(order):] + order[:i % len(order)]:
            start = time.perf_counter()
            running[label].run(None, bench)
            taken[label].append(1000 * (time.perf_counter() - start))
    for label, times in taken.items():
        if times:
            answers[label]["latency_ms"] = statistics.median(times)
    return answers


if __name__ == "__main__":
    print("ANSWER " + json.dumps(judge(json.loads(pathlib.Path(sys.argv[1]).read_text()))))
