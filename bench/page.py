"""What `peers.py` measured, as text for a terminal and as a page of documentation."""

from __future__ import annotations

OWN = {"simplify": "lathe fuse", "quantize": "lathe fuse,quant4", "inspect": "lathe inspect"}
GROUPS = ["original", "simplify", "quantize", "inspect"]
HEAD = ("tool", "seconds", "x lathe", "peak MB", "x lathe", "nodes", "MB", "runs", "ms", "x original", "cosine", "max diff")


def ratio(value, base) -> str:
    return f"x{value / base:.2f}" if value is not None and base else ""


def lines_of(rows: dict) -> tuple[list[tuple], list[str]]:
    """The table's lines, and what failed. `runs`: onnxruntime loads the result, and its outputs have the original's
    types and shapes at two bindings of the symbolic dims; `cosine` and `max diff` are the worst of both."""
    lines, notes = [], []
    for label, row in sorted(rows.items(), key=lambda r: GROUPS.index(r[1]["group"])):
        own = rows.get(OWN.get(row["group"], ""), {})
        mine = label == OWN.get(row["group"])
        if "fails" in own or "fails" in row:  # a failure's time says nothing
            own = {}

        def number(key: str, form: str) -> str:
            return format(row[key], form) if key in row else ""

        runs = "" if row["group"] == "inspect" or row.get("skipped") else "yes" if "cosine" in row else "no"
        lines.append((
            label, number("seconds", ".3f"), "" if mine else ratio(row.get("seconds"), own.get("seconds")),
            number("peak_mb", ".0f"), "" if mine else ratio(row.get("peak_mb"), own.get("peak_mb")), number("nodes", "d"),
            format(row["bytes"] / 1e6, ".1f") if "bytes" in row else "", runs, number("latency_ms", ".2f"),
            number("latency_ratio", ".2f"), number("cosine", ".6f"), number("max_diff", ".1e")))
        if "fails" in row:
            notes.append(f"{label}: {row['fails']}")
    return lines, notes


def table(name: str, rows: dict) -> str:
    lines, notes = lines_of(rows)
    lines = [HEAD, *lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = [name] + ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip()
                     for line in lines]
    return "\n".join(text + [f"  {note}" for note in notes])


def markdown_table(head: tuple, lines: list[tuple]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|",
            *("| " + " | ".join(line) + " |" for line in lines)]


def summary(models: dict) -> list[tuple]:
    """A line a model: what the goals are about."""
    def figure(rows: dict, label: str, key: str):
        return None if "fails" in rows.get(label, {"fails": 1}) else rows[label].get(key)

    def part(rows: dict, a: str, b: str, key: str, form: str) -> str:
        x, y = figure(rows, a, key), figure(rows, b, key)
        return format(x / y, form) + "x" if x and y else ""

    lines = []
    for name, rows in models.items():
        left = [n for n in (figure(rows, f"ort transformers {i}", "nodes") for i in (0, 1)) if n]
        peers = [n for n in (figure(rows, t, "nodes") for t in ("onnxslim", "onnxsim", "onnxoptimizer", "onnxscript",
                                                                "ort basic", "ort extended")) if n]
        diff = figure(rows, "lathe fuse", "max_diff")
        chain, quant, look = "onnxslim + MatMulNBits", "lathe fuse,quant4", "onnx.load + infer_shapes"
        lines.append((
            name, str(figure(rows, "original", "nodes") or ""), str(figure(rows, "lathe fuse", "nodes") or "fails"),
            str(min(left)) if left else "", str(min(peers)) if peers else "", f"{diff:.0e}" if diff is not None else "",
            part(rows, "onnxslim", "lathe fuse", "seconds", ".1f"), part(rows, chain, quant, "seconds", ".1f"),
            part(rows, chain, quant, "peak_mb", ".1f"), part(rows, look, "lathe inspect", "seconds", ".0f")))
    return lines


SUMMARY = ("model", "nodes", "lathe fuse", "ort transformers", "best other", "max diff", "onnxslim : fuse, time",
           "slim+MatMulNBits : fuse,quant4, time", "the same, peak memory", "load+infer : inspect, time")


def markdown(everything: dict) -> str:
    machine = everything["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    out = ["# lathe and its peers", "",
           "Written by `./dev bench peers --markdown FILE`; docs/benchmarks.md says how it measures.", "",
           f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; {packages}. "
           f"Medians of {everything['runs']} processes a tool." + (f" {everything['note']}" if everything.get("note") else ""),
           "",
           "## Summary", "",
           "Ratios are the peer's figure over lathe's, of the same run on the same machine: above 1, lathe needs less.", ""]
    out += markdown_table(SUMMARY, summary(everything["models"]))
    for name, rows in everything["models"].items():
        lines, notes = lines_of(rows)
        out += ["", f"## {name}", "", *markdown_table(HEAD, lines)]
        out += ["", *(f"* {note}" for note in notes)] if notes else []
    return "\n".join(out) + "\n"


def goals(name: str, rows: dict) -> list[str]:
    """The project's own bars, where both sides ran. Those of speed and memory are set for all-MiniLM-L6-v2."""
    said = []

    def figure(label: str, key: str):
        return None if "fails" in rows.get(label, {"fails": 1}) else rows[label].get(key)

    def hold(text: str, good: bool) -> None:
        said.append(f"  {'holds' if good else 'MISSED'}: {text}")

    quant, chain = "lathe fuse,quant4", "onnxslim + MatMulNBits"
    is_minilm = name.startswith("minilm-l6")
    if is_minilm and figure(quant, "seconds") and figure(chain, "seconds"):
        times = figure(chain, "seconds") / figure(quant, "seconds")
        hold(f"{quant} {times:.1f} times as fast as {chain} (bar 10)", times >= 10)
        part = figure(quant, "peak_mb") / figure(chain, "peak_mb")
        hold(f"{quant} with {part:.2f} of its peak memory (bar 0.33)", part < 1 / 3)
    if is_minilm and figure("lathe inspect", "seconds") and figure("onnx.load + infer_shapes", "seconds"):
        times = figure("onnx.load + infer_shapes", "seconds") / figure("lathe inspect", "seconds")
        hold(f"lathe inspect {times:.0f} times as fast as onnx.load + infer_shapes (bar 30)", times >= 30)
        hold(f"lathe inspect peaks at {figure('lathe inspect', 'peak_mb'):.0f} MB (bar 60)",
             figure("lathe inspect", "peak_mb") < 60)
    left = [figure(f"ort transformers {n}", "nodes") for n in (0, 1)]
    left = [n for n in left if n]
    if left and figure("lathe fuse", "nodes"):
        nodes = figure("lathe fuse", "nodes")
        hold(f"lathe fuse leaves {nodes} nodes, onnxruntime's transformers optimizer {min(left)}", nodes <= min(left))
        hold(f"lathe fuse changes outputs by {figure('lathe fuse', 'max_diff'):.1e} (bar 1e-4)",
             figure("lathe fuse", "max_diff") <= 1e-4)
    return said
