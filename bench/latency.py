#!/usr/bin/env python3
"""What onnxruntime's CPU kernels take: the figures of passes/quant/search/latency.cpp, and how near they come.

  latency.py [--rounds N]                      measures kernels, prints the table that the model carries
  latency.py --models FLOAT.onnx OTHER.onnx... times of whole models over the first's, at 16 and 128 tokens

Times are of the CPU, summed over two threads (a wall clock tells little on a machine that others use; --wall gives it),
without the runtime's spinning; medians over rounds that take all kernels by turns. A product [M, K] x [K, N] is taken
to cost  call + code * K N + mac * M K N + value * M K  nanoseconds, each at least 0, fitted to relative errors.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h
from onnx import numpy_helper

MS = "com.microsoft"
COPIES = 6  # of a kernel in its model: the call of a session counts little
SHAPES = [(256, 256), (384, 384), (384, 1152), (384, 1536), (1536, 384), (768, 768), (768, 2304), (1024, 1024)]
LENGTHS = (8, 16, 32, 128)
# kernel: bits, block, accuracy_level
NBITS = {"nbits2": (2, 16, 0), "nbits4": (4, 32, 0), "nbits4_int8": (4, 32, 4), "nbits8": (8, 128, 0), "nbits8_int8": (8, 128, 4)}
PRODUCTS = ["matmul", *NBITS, "standard", "dynamic", "static"]


class Graph:
    def __init__(self):
        self.nodes, self.inits, self.rng = [], [], np.random.default_rng(0)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.inits.append(numpy_helper.from_array(value, name))
        return name

    def add(self, op: str, inputs: list[str], out: str, **attributes) -> str:
        self.nodes.append(h.make_node(op, inputs, [out], **attributes))
        return out

    def codes(self, *dims: int, dtype=np.uint8) -> np.ndarray:
        return self.rng.integers(0, 100, dims).astype(dtype)

    def done(self, inputs: dict[str, list], outputs: list[str]) -> bytes:
        graph = h.make_graph(self.nodes, "g", [h.make_tensor_value_info(k, 1, v) for k, v in inputs.items()],
                             [h.make_tensor_value_info(o, 1, None) for o in outputs], self.inits)
        return h.make_model(graph, opset_imports=[h.make_opsetid("", 21), h.make_opsetid(MS, 1)], ir_version=10).SerializeToString()


def product(kind: str, k: int, n: int) -> bytes:
    g = Graph()
    for i in range(COPIES):
        if kind == "matmul":
            g.add("MatMul", ["x", g.constant(f"w{i}", g.rng.standard_normal((k, n)).astype(np.float32))], f"y{i}")
        elif kind == "dynamic":
            g.add("DynamicQuantizeMatMul", ["x", g.constant(f"w{i}", g.codes(k, n, dtype=np.int8)),
                                            g.constant(f"s{i}", np.full(n, 0.01, np.float32)),
                                            g.constant(f"z{i}", np.zeros(n, np.int8))], f"y{i}", domain=MS)
        elif kind == "static":
            scale, zero = g.constant(f"a{i}", np.float32(0.02)), g.constant(f"b{i}", np.uint8(128))
            x = g.add("QuantizeLinear", ["x", scale, zero], f"q{i}")
            g.add("MatMulIntegerToFloat", [x, g.constant(f"w{i}", g.codes(k, n, dtype=np.int8)), scale,
                                           g.constant(f"s{i}", np.full(n, 0.01, np.float32)), zero,
                                           g.constant(f"z{i}", np.zeros(n, np.int8)),
                                           g.constant(f"v{i}", np.zeros(n, np.float32))], f"y{i}", domain=MS)
        elif kind == "standard":
            scales = g.add("Cast", [g.constant(f"s{i}", np.full((k // 128, n), 0.01, np.float16))], f"f{i}", to=1)
            w = g.add("DequantizeLinear", [g.constant(f"w{i}", g.codes(k, n)), scales, g.constant(f"z{i}", g.codes(k // 128, n))],
                      f"d{i}", axis=0, block_size=128)
            g.add("MatMul", ["x", w], f"y{i}")
        else:
            bits, block, level = NBITS[kind]
            blocks = (k + block - 1) // block
            scales = g.add("Cast", [g.constant(f"s{i}", np.full(n * blocks, 0.01, np.float16))], f"f{i}", to=1)
            g.add("MatMulNBits", ["x", g.constant(f"w{i}", g.codes(n, blocks, block * bits // 8)), scales,
                                  g.constant(f"z{i}", g.codes(n * ((blocks * bits + 7) // 8)))], f"y{i}", domain=MS,
                  K=k, N=n, bits=bits, block_size=block, **({"accuracy_level": level} if level else {}))
    return g.done({"x": [1, None, k]}, [f"y{i}" for i in range(COPIES)])


# What else a transformer is made of: nanoseconds an element of the result.
def other(kind: str, width: int) -> bytes:
    g = Graph()
    ones, zeros = g.constant("ones", np.ones(width, np.float32)), g.constant("zeros", np.zeros(width, np.float32))
    for i in range(COPIES):
        y = f"y{i}"
        if kind in ("Add", "Mul"):
            g.add(kind, ["x", "z"], y)
        elif kind == "LayerNormalization":
            g.add(kind, ["x", ones, zeros], y, axis=-1)
        elif kind == "SkipLayerNormalization":
            g.add(kind, ["x", "z", ones, zeros, zeros], y, domain=MS)
        elif kind == "BiasGelu":
            g.add(kind, ["x", ones], y, domain=MS)
        elif kind == "Gelu":
            g.add(kind, ["x"], y)
        elif kind == "Transpose":
            g.add(kind, ["x"], y, perm=[0, 2, 1])
        else:
            g.add(kind, ["x"], y)
    return g.done({"x": [1, None, width], "z": [1, None, width]}, [f"y{i}" for i in range(COPIES)])


# Attention over x [1, M, width], heads of 32 or 64: as one node with its product, on bytes, and in parts.
def attention(kind: str, width: int, heads: int) -> bytes:
    g = Graph()
    bias = g.constant("bias", np.zeros(3 * width, np.float32))
    for i in range(COPIES):
        if kind == "Attention":
            w = g.constant(f"w{i}", (g.rng.standard_normal((width, 3 * width)) / 20).astype(np.float32))
            g.add(kind, ["x", w, bias, "mask"], f"y{i}", domain=MS, num_heads=heads)
        elif kind == "QAttention":
            scale, zero = g.constant(f"a{i}", np.float32(0.02)), g.constant(f"b{i}", np.uint8(128))
            x = g.add("QuantizeLinear", ["x", scale, zero], f"q{i}")
            g.add(kind, [x, g.constant(f"w{i}", g.codes(width, 3 * width, dtype=np.int8)), bias, scale,
                         g.constant(f"s{i}", np.full(3 * width, 0.001, np.float32)), "mask", zero,
                         g.constant(f"z{i}", np.zeros(3 * width, np.int8))], f"y{i}", domain=MS, num_heads=heads)
        else:
            g.nodes.append(h.make_node("Split", ["packed"], [f"{c}{i}" for c in "qkv"], axis=-1, num_outputs=3))
            g.add("MultiHeadAttention", [*(f"{c}{i}" for c in "qkv"), "", "mask"], f"y{i}", domain=MS, num_heads=heads)
    packed = kind == "MultiHeadAttention"
    graph = h.make_graph(g.nodes, "g", [h.make_tensor_value_info("packed" if packed else "x", 1, [1, None, 3 * width if packed else width]),
                                        h.make_tensor_value_info("mask", 6, [1, None])],
                         [h.make_tensor_value_info(f"y{i}", 1, None) for i in range(COPIES)], g.inits)
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 21), h.make_opsetid(MS, 1)], ir_version=10).SerializeToString()


def attentions(rounds: int, clock) -> None:
    print("// attention, microseconds: the node with its product, on bytes, Split and MultiHeadAttention without it; of the product alone: float, static")
    for width, heads in ((384, 12), (768, 12)):
        kinds = {k: session(attention(k, width, heads)) for k in ("Attention", "QAttention", "MultiHeadAttention")}
        kinds |= {k: session(product(k, width, 3 * width)) for k in ("matmul", "static")}
        for m in LENGTHS:
            x = np.random.default_rng(0).standard_normal((1, m, 3 * width)).astype(np.float32)
            ns = taken(kinds, {"x": x[:, :, :width], "packed": x, "mask": np.ones((1, m), np.int32)}, rounds, clock)
            us = {k: t / COPIES / 1000 for k, t in ns.items()}
            print(f"    {m:4} x {width:4}, {heads} heads: " + ", ".join(f"{k} {t:.0f}" for k, t in us.items()) +
                  f"; besides the product {us['Attention'] - us['matmul']:.0f}, {us['QAttention'] - us['static']:.0f}, {us['MultiHeadAttention']:.0f}", flush=True)


OTHERS = ["Add", "Mul", "Softmax", "LayerNormalization", "SkipLayerNormalization", "Gelu", "BiasGelu", "Erf", "Tanh", "Sigmoid", "Transpose"]


def session(model) -> ort.InferenceSession:
    o = ort.SessionOptions()
    o.log_severity_level, o.intra_op_num_threads, o.inter_op_num_threads = 3, 2, 1
    o.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])


def taken(running: dict, feed: dict, rounds: int, clock, fit_inputs: bool = True) -> dict[str, float]:
    """Median nanoseconds of each, by turns; each runs once unmeasured before, so that its weights are where they are in use."""
    times = {name: [] for name in running}
    for _ in range(rounds):
        for name, s in running.items():
            mine = {i.name: feed[i.name] for i in s.get_inputs()} if fit_inputs else feed
            s.run(None, mine)
            start = clock()
            s.run(None, mine)
            times[name].append(1e9 * (clock() - start))
    return {name: float(np.median(t)) for name, t in times.items()}


def fit(rows: list[tuple[int, int, int]], ns: list[float]) -> np.ndarray:
    """Least squares of relative errors with every part at least 0: the best of all sets of parts (there are 16)."""
    a = np.array([[1, k * n, m * k * n, m * k] for m, k, n in rows], float) / np.array(ns)[:, None]
    best, least = None, np.inf
    for chosen in range(1, 16):
        columns = [i for i in range(4) if chosen >> i & 1]
        x = np.linalg.lstsq(a[:, columns], np.ones(len(ns)), rcond=None)[0]
        error = ((a[:, columns] @ x - 1) ** 2).sum()
        if (x >= 0).all() and error < least:
            best, least = np.zeros(4), error
            best[columns] = x
    return best


def line(sizes: list[int], ns: list[float]) -> tuple[float, float]:
    """Of `call + element * size`, least squares of relative errors."""
    a = np.array([[1, s] for s in sizes], float) / np.array(ns)[:, None]
    call, element = np.linalg.lstsq(a, np.ones(len(ns)), rcond=None)[0]
    return max(call, 0.0), max(element, 0.0)


def kernels(rounds: int, clock) -> None:
    measured: dict[str, list[float]] = {k: [] for k in PRODUCTS}
    rows = []
    for k, n in SHAPES:
        running = {kind: session(product(kind, k, n)) for kind in PRODUCTS}
        for m in LENGTHS:
            x = np.random.default_rng(0).standard_normal((1, m, k)).astype(np.float32)
            ns = taken(running, {"x": x}, rounds, clock)
            rows.append((m, k, n))
            for kind in PRODUCTS:
                measured[kind].append(ns[kind] / COPIES)
    print("// bench/latency.py: call, code, mac, value (nanoseconds)")
    for kind in PRODUCTS:
        x = fit(rows, measured[kind])
        told = np.array([[1, k * n, m * k * n, m * k] for m, k, n in rows], float) @ x
        off = np.abs(told / np.array(measured[kind]) - 1)
        over = {m: np.exp(np.mean([np.log(measured[kind][i] / measured["matmul"][i]) for i, r in enumerate(rows) if r[0] == m]))
                for m in (16, 128)}
        print(f"    {{{x[0]:.0f}, {x[1]:.4f}, {x[2]:.6f}, {x[3]:.4f}}},  // {kind}: {over[16]:.2f} of float at 16 rows, {over[128]:.2f} at 128; "
              f"fit off by {100 * off.mean():.0f} % on the mean, {100 * off.max():.0f} % at most", flush=True)
    print("// of a node, and an element of its result: widths of 384 and 1536 at 8 to 128 rows")
    for kind in OTHERS:
        per, sizes = [], []
        for width in (384, 1536):
            one = session(other(kind, width))
            for m in LENGTHS:
                x = np.random.default_rng(0).standard_normal((1, m, width)).astype(np.float32)
                per.append(taken({kind: one}, {"x": x, "z": x}, rounds, clock)[kind] / COPIES)
                sizes.append(x.size)
        call, element = line(sizes, per)
        print(f'    {{"{kind}", {call:.0f}, {element:.2f}}},', flush=True)


def models(paths: list[str], rounds: int, clock) -> None:
    running = {p: session(p) for p in paths}
    print(f"{'':50} {'16 tokens':>16} {'128 tokens':>16}   ms, and over the first")
    lines = {p: f"{p.rsplit('/', 1)[-1]:50.50}" for p in paths}
    for length in (16, 128):
        ids = np.random.default_rng(0).integers(1000, 20000, (1, length))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        ns = taken(running, feed, rounds, clock)
        for p in paths:
            lines[p] += f" {ns[p] / 1e6:9.2f} {ns[p] / ns[paths[0]]:6.3f}"
    print(*lines.values(), sep="\n")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--wall", action="store_true", help="the wall clock instead of the CPU's")
    p.add_argument("--models", nargs="+", default=[])
    a = p.parse_args()
    clock = time.perf_counter if a.wall else time.process_time
    if a.models:
        return models(a.models, a.rounds, clock)
    kernels(a.rounds, clock)
    attentions(a.rounds, clock)


if __name__ == "__main__":
    main()
