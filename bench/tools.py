"""What `peers.py` runs: lathe's programs and the peers, each a list of commands that are whole processes.

A tool turns a model into a model (group "simplify" or "quantize") or only looks at it (group "inspect"). Its `steps`
gives the commands for (input, output); `needs` names the Python modules without which it is skipped.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import sys
from collections.abc import Callable

STEPS = pathlib.Path(__file__).with_name("peer_steps.py")

POLYGRAPHY = "from polygraphy.tools import main; main()"

# How onnxruntime's transformers optimizer wants to be told what a model is: type, heads, hidden size.
FAMILIES = {
    "minilm": ("bert", 12, 384),
    "tiny-bert": ("bert", 2, 128),
    "mpnet": ("bert", 12, 768),
    "codet5": ("t5", 8, 512),
    "gpt2": ("gpt2", 12, 768),
    "smollm2": ("phi", 9, 576),
    "whisper": ("bart", 6, 384),
    "vit": ("vit", 3, 192),
}


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    group: str
    steps: Callable[[str, str, str], list[list[str]]]  # (model name, input, output) -> commands
    needs: tuple[str, ...] = ()
    program: str = ""  # lathe's own: the program in --bin
    applies: Callable[[str], bool] = lambda name: True

    def missing(self, bin_dir: pathlib.Path) -> str:
        """Why it cannot run here, or nothing."""
        if self.program and not (bin_dir / self.program).exists():
            return f"{self.program} is not built"
        absent = [m for m in self.needs if importlib.util.find_spec(m) is None]
        return f"not installed: {' '.join(absent)}" if absent else ""


def family(name: str) -> tuple[str, int, int] | None:
    return next((v for k, v in FAMILIES.items() if name.startswith(k)), None)


def python(*args: str) -> list[str]:
    return [sys.executable, *args]


def transformers(level: int):
    def steps(name: str, source: str, out: str) -> list[list[str]]:
        kind, heads, hidden = family(name)
        return [python("-m", "onnxruntime.transformers.optimizer", "--input", source, "--output", out, "--model_type",
                       kind, "--num_heads", str(heads), "--hidden_size", str(hidden), "--opt_level", str(level))]
    return steps


def matmul_nbits(source: str, out: str) -> list[str]:
    return python("-m", "onnxruntime.quantization.matmul_nbits_quantizer", "--input_model", source, "--output_model",
                  out, "--bits", "4", "--block_size", "32", "--symmetric", "true", "--accuracy_level", "4")


def slim_then_nbits(name: str, source: str, out: str) -> list[list[str]]:
    middle = str(pathlib.Path(out).with_name("slim.onnx"))
    return [python("-m", "onnxslim", source, middle), matmul_nbits(middle, out)]


def tools(bin_dir: pathlib.Path) -> list[Tool]:
    opt, inspect = str(bin_dir / "onnx-opt"), str(bin_dir / "onnx-inspect")

    def lathe(*options: str):
        return lambda name, source, out: [[opt, *options, source, "-o", out]]

    def step(*what: str):
        return lambda name, source, out: [python(str(STEPS), *what, source, out)]

    return [
        Tool("lathe fuse", "simplify", lathe("--passes=fuse"), program="onnx-opt"),
        Tool("lathe -O1", "simplify", lathe("-O1"), program="onnx-opt"),
        Tool("lathe -O2", "simplify", lathe("-O2"), program="onnx-opt"),
        Tool("onnxslim", "simplify", lambda name, source, out: [python("-m", "onnxslim", source, out)], ("onnxslim",)),
        Tool("onnxsim", "simplify", lambda name, source, out: [python("-m", "onnxsim", source, out)], ("onnxsim",)),
        Tool("onnxoptimizer", "simplify", lambda name, source, out: [python("-m", "onnxoptimizer", source, out)],
             ("onnxoptimizer",)),
        Tool("onnxscript", "simplify", step("onnxscript"), ("onnxscript",)),
        Tool("ort basic", "simplify", step("ort-offline", "basic"), ("onnxruntime",)),
        Tool("ort extended", "simplify", step("ort-offline", "extended"), ("onnxruntime",)),
        Tool("ort transformers 0", "simplify", transformers(0), ("onnxruntime", "sympy"),
             applies=lambda name: family(name) is not None),
        Tool("ort transformers 1", "simplify", transformers(1), ("onnxruntime", "sympy", "torch"),
             applies=lambda name: family(name) is not None),
        Tool("lathe fuse,quant4", "quantize", lathe("--passes=fuse,quant4"), program="onnx-opt"),
        Tool("ort MatMulNBits", "quantize", lambda name, source, out: [matmul_nbits(source, out)],
             ("onnxruntime", "onnx_ir")),
        Tool("onnxslim + MatMulNBits", "quantize", slim_then_nbits, ("onnxslim", "onnxruntime", "onnx_ir")),
        Tool("lathe inspect", "inspect", lambda name, source, out: [[inspect, source]], program="onnx-inspect"),
        Tool("onnx.load + infer_shapes", "inspect", lambda name, source, out: [python(str(STEPS), "load-infer", source)],
             ("onnx",)),
        Tool("polygraphy inspect", "inspect",
             lambda name, source, out: [python("-c", POLYGRAPHY, "inspect", "model", source)], ("polygraphy",)),
    ]
