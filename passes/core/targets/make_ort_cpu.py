#!/usr/bin/env python3
"""Writes ort_cpu.txt from the kernel registry of the installed onnxruntime: what docs/OperatorKernels.md of onnxruntime
is generated from. `--check` only tells whether the file is that."""

from __future__ import annotations

import collections
import pathlib
import sys

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

FILE = pathlib.Path(__file__).with_name("ort_cpu.txt")
DOMAINS = ["", "ai.onnx.ml", "com.microsoft"]
LAST = 2**31 - 1


def positions(schema, constraint: str) -> str:
    """Where a type constraint applies: inputs, or outputs where no input has it."""
    inputs = [str(i) for i, p in enumerate(schema.inputs) if constraint in (p.typeStr, p.name)]
    outputs = [f"o{i}" for i, p in enumerate(schema.outputs) if constraint in (p.typeStr, p.name)]
    return ",".join(inputs or outputs)


def alternative(schema, kernel) -> tuple:
    out = {}
    for constraint, types in kernel.type_constraints.items():
        dense = frozenset(t[7:-1] for t in types if t.startswith("tensor("))
        if dense and len(dense) == len(types):  # others hold sequences too: not looked at
            out[positions(schema, constraint)] = dense
    out.pop("", None)
    return tuple(sorted(out.items()))


def merged(alternatives: set) -> list:
    """Alternatives that differ in one place are one."""
    rest = sorted(alternatives, key=lambda a: [(p, sorted(t)) for p, t in a])
    again = True
    while again:
        again = False
        for i, a in enumerate(rest):
            for j in range(i + 1, len(rest)):
                b = rest[j]
                if [p for p, _ in a] != [p for p, _ in b]:
                    continue
                differ = [k for k in range(len(a)) if a[k][1] != b[k][1]]
                if len(differ) <= 1:
                    rest[i] = tuple((p, t | b[k][1]) for k, (p, t) in enumerate(a))
                    del rest[j]
                    again = True
                    break
            if again:
                break
    return rest


def table() -> str:
    schemas = collections.defaultdict(dict)
    for s in state.get_all_operator_schema():
        schemas[s.domain, s.name][s.since_version] = s
    kernels = collections.defaultdict(lambda: collections.defaultdict(set))
    for k in state.get_all_opkernel_def():
        if k.provider != "CPUExecutionProvider" or k.domain not in DOMAINS:
            continue
        versions = schemas[k.domain, k.op_name]
        first, last = k.version_range
        known = [v for v in versions if v <= last]
        if known:
            kernels[k.domain, k.op_name][first, last].add(alternative(versions[max(known)], k))

    lines = []
    for (domain, name), ranges in sorted(kernels.items(), key=lambda x: (DOMAINS.index(x[0][0]), x[0][1])):
        rows = []  # [first, last, alternatives]
        for (first, last), alternatives in sorted(ranges.items()):
            new = merged(alternatives)
            # Without an end a kernel is for its first version only (KernelRegistry::VerifyKernelDef).
            last = first if last == LAST else last
            if rows and rows[-1][1] + 1 == first and rows[-1][2] == new:
                rows[-1][1] = last
            else:
                rows.append([first, last, new])
        lines += [(domain, name, first, last, a) for first, last, alternatives in rows for a in alternatives]

    counts = collections.Counter(t for line in lines for _, t in line[4])
    sets = [t for t, n in counts.most_common() if n > 1 and len(t) > 2]
    alias = {t: f"t{i}" for i, t in enumerate(sets)}
    out = [f"# onnxruntime {onnxruntime.__version__}, CPUExecutionProvider.",
           "# Source: the kernel registry of the released package, which docs/OperatorKernels.md of onnxruntime is made from;",
           "# written by make_ort_cpu.py beside this file. Format: see passes/core/kernel_table.h.",
           "@limits ir=13 opset=26"]
    out += [f"@types {alias[t]} = {' '.join(sorted(t))}" for t in sets]
    previous = None
    for domain, name, first, last, places in lines:
        if domain != previous:
            out.append(f"@domain {domain or 'ai.onnx'}")
            previous = domain
        versions = f"{first}" if first == last else f"{first}-{last}"
        types = "".join(f" {p}:{alias.get(t) or '|'.join(sorted(t))}" for p, t in places)
        out.append(f"{name} {versions}{types}")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    new = table()
    if "--check" in sys.argv:
        sys.exit(FILE.read_text() != new)
    FILE.write_text(new)
