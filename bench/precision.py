#!/usr/bin/env python3
"""Every quantizer of lathe and its peers on all-MiniLM-L6-v2: how near the sentence embeddings stay, and how small.

  precision.py [--bin build/bin] [--models build/models] [--model NAME] [--only PART[,PART...]] [--no-peers]
               [--latency] [--json OUT] [--keep DIR]

The 50 sentences of sentences.py, tokenized by the checkpoint's own tokenizer.json, run as one padded batch in
onnxruntime; embeddings are mean-pooled and normalised. `mean` and `min` are cosines to those of the float32 model,
`ratio` is the size of the file over its. Calibrated schemes see the 128 other sentences. Every row is made by a process
of its own, whose time and peak memory are given.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "models")]
import fill  # noqa: E402
import sentences  # noqa: E402

# lathe's rows: label, passes. {data} is the folder of calibration sentences.
OWN = [
    ("quant4 rtn symmetric b32", "quant4{rounding=rtn,symmetric}"),
    ("quant4 rtn b32", "quant4{rounding=rtn}"),
    ("quant4", "quant4"),
    ("quant4 b16", "quant4{block=16}"),
    ("quant4 hqq", "quant4{rounding=hqq}"),
    ("quant4 hqq float zero", "quant4{rounding=hqq,zero-points=float}"),
    ("quant4 standard", "quant4{form=standard}"),
    ("quant4 mse seeded", "quant4{data=seeded}"),
    ("quant4 mse data", "quant4{data={data}}"),
    ("quant4 gptq seeded", "quant4{rounding=gptq}"),
    ("quant4 gptq data", "quant4{rounding=gptq,data={data}}"),
    ("quant4 b16 gptq data", "quant4{block=16,rounding=gptq,data={data}}"),
    ("quant4 embeddings 8", "quant4{embeddings=8}"),
    ("quant4 embeddings rows", "quant4{embeddings=rows}"),
    ("quant8", "quant8"),
    ("quant8 embeddings rows", "quant8{embeddings=rows}"),
    ("quant8 standard", "quant8{form=standard,embeddings=8}"),
    ("quant2 gptq data", "quant2{rounding=gptq,data={data}}"),
    ("dynamic", "fuse,quant-dynamic"),
    ("dynamic data", "fuse,quant-dynamic{data={data}}"),
    ("dynamic unfused", "simplify,quant-dynamic"),
    ("dynamic plain", "fuse,quant-dynamic{smooth=0,correct=false}"),
    ("dynamic smooth", "fuse,quant-dynamic{correct=false}"),
    ("static", "fuse,quant-static{data={data}}"),
    ("static minmax", "fuse,quant-static{calibrate=minmax,data={data}}"),
    ("static qoperator", "fuse,quant-static{form=qoperator,data={data}}"),
    ("mixed policy", "fuse,policy{file={policies}/mixed.xml}"),
    ("mixed policy data", "fuse,policy{file={policies}/mixed.xml,data={data}}"),
    ("auto 0.99", "fuse,auto{min-cosine=0.99}"),
    ("auto 0.99 data", "fuse,auto{min-cosine=0.99,data={data}}"),
    ("auto 0.99 fast data", "fuse,auto{min-cosine=0.99,fast,data={data}}"),
]

PEERS = {
    "ort dynamic int8": "dynamic(False)",
    "ort dynamic int8 per channel": "dynamic(True)",
    "ort static int8 per channel": "static()",
    "ort MatMulNBits b32": "nbits(Default(block_size=32, is_symmetric=True))",
    "ort MatMulNBits b32 asymmetric": "nbits(Default(block_size=32, is_symmetric=False))",
    "ort MatMulNBits b32 with Gather": "nbits(Default(block_size=32, is_symmetric=True, op_types_to_quantize=('MatMul', 'Gather')))",
    "ort k-quant b32": "nbits(KQuant())",
    "ort HQQ b32": "nbits(Hqq(block_size=32))",
    "ort MatMulNBits 8 bits b32": "nbits(Default(block_size=32, is_symmetric=True, bits=8))",
}
PEER = """
import logging, sys
import onnx
from onnxruntime.quantization import QuantType, matmul_nbits_quantizer as q, quantize_dynamic
logging.disable(logging.WARNING)
source, out = sys.argv[1:3]
Default, Hqq = q.DefaultWeightOnlyQuantConfig, q.HQQWeightOnlyQuantConfig
def KQuant(): return q.KQuantWeightOnlyQuantConfig()
def dynamic(per_channel):
    quantize_dynamic(source, out, weight_type=QuantType.QInt8, per_channel=per_channel)
def static():
    import glob
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    class Reader(CalibrationDataReader):
        left = [dict(np.load(f)) for f in sorted(glob.glob(sys.argv[3] + "/*.npz"))]
        def get_next(self): return self.left.pop() if self.left else None
    quantize_static(source, out, Reader(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    op_types_to_quantize=["MatMul"])
def nbits(config):
    more = {} if isinstance(config, (Default, Hqq)) else dict(block_size=32, is_symmetric=False)
    made = q.MatMulNBitsQuantizer(onnx.load(source), algo_config=config, **more)
    made.process()
    made.model.save_model_to_file(out)
"""


def session(path: pathlib.Path, threads: int = 2):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 3, threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Text:
    def __init__(self, tokenizer: pathlib.Path):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(128)

    def batch(self, lines: list[str]) -> dict[str, np.ndarray]:
        rows = [e.ids for e in self.tokenizer.encode_batch(lines)]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, :len(row)], mask[i, :len(row)] = row, 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    def write_calibration(self, folder: pathlib.Path) -> None:
        """One .npz a length, so that nothing is padding."""
        by_length: dict[int, list[str]] = {}
        for line in sentences.CALIBRATION:
            by_length.setdefault(len(self.tokenizer.encode(line).ids), []).append(line)
        for length, lines in sorted(by_length.items()):
            np.savez(folder / f"{length:03}.npz", **self.batch(lines))


def embed(path: pathlib.Path, batch: dict[str, np.ndarray]) -> np.ndarray:
    hidden = session(path).run(None, batch)[0].astype(np.float64)
    mask = batch["attention_mask"][..., None]
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def latency(path: pathlib.Path, length: int) -> float:
    ids = np.random.default_rng(0).integers(1000, 20000, (1, length))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    running = session(path)
    taken = []
    for _ in range(25):
        start = time.perf_counter()
        running.run(None, feed)
        taken.append(1000 * (time.perf_counter() - start))
    return sorted(taken[5:])[10]


def make(command: list[str]) -> dict:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    row = {"seconds": time.perf_counter() - start, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}
    if os.waitstatus_to_exitcode(status) != 0:
        row["fails"] = (said.strip().splitlines() or ["no word"])[-1][:200]
    return row


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(os.environ.get("LATHE_BIN", ROOT / "build" / "bin")))
    p.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models")
    p.add_argument("--model", default="minilm-l6.ts17e")
    p.add_argument("--only", default="")
    p.add_argument("--passes", default="", help="one row of these passes instead of the list")
    p.add_argument("--no-peers", action="store_true")
    p.add_argument("--latency", action="store_true")
    p.add_argument("--json", type=pathlib.Path)
    p.add_argument("--keep", type=pathlib.Path, help="keep the models here")
    a = p.parse_args()
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
    checkpoint = fill.default_checkpoint()
    text = Text(checkpoint.parent / "tokenizer.json")
    model = fill.fill(a.model, a.models, fill.Checkpoint(checkpoint))
    batch = text.batch(sentences.EVALUATION)
    wanted, size = embed(model, batch), model.stat().st_size
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "data").mkdir()
        text.write_calibration(work / "data")
        plans = [("lathe " + label, [str(a.bin / "onnx-opt"), "--passes=" + passes.replace("{data}", str(work / "data"))
                                         .replace("{policies}", str(ROOT / "samples" / "policies"))])
                 for label, passes in ([(a.passes, a.passes)] if a.passes else OWN)]
        if not (a.no_peers or a.passes):
            plans += [(label, [sys.executable, "-c", PEER + call]) for label, call in PEERS.items()]
        head = f"{'':34} {'mean':>7} {'min':>7} {'ratio':>7} {'MB':>6} {'s':>6} {'cpu s':>6} {'peak':>6}"
        print(head + ("   16 tokens  128 tokens" if a.latency else ""))
        for label, command in [("float32", [])] + plans:
            if a.only and not any(part in label for part in a.only.split(",")):
                continue
            out = model if not command else (a.keep or work) / (label.replace(" ", "-").replace("/", "-") + ".onnx")
            own = bool(command) and "onnx-opt" in command[0]
            files = [str(model), *(["-o", str(out)] if own else [str(out), str(work / "data")])]
            row = make([*command, *files]) if command else {}
            if "fails" not in row:
                try:
                    cosine = (embed(out, batch) * wanted).sum(1)
                    row |= {"mean": cosine.mean(), "min": cosine.min(), "ratio": out.stat().st_size / size,
                            "mb": out.stat().st_size / 1e6}
                    if a.latency:
                        row |= {"ms_16": latency(out, 16), "ms_128": latency(out, 128)}
                except Exception as e:  # noqa: BLE001  what onnxruntime says of a model it cannot load or run
                    row["fails"] = str(e).splitlines()[0][:200]
            rows[label] = row
            if "fails" in row:
                print(f"{label:34} {row['fails']}")
                continue
            made = f"{row['seconds']:6.1f} {row['cpu_s']:6.1f} {row['peak_mb']:6.0f}" if command else ""
            times = f"  {row['ms_16']:10.2f}  {row['ms_128']:10.2f}" if a.latency else ""
            print(f"{label:34} {row['mean']:7.4f} {row['min']:7.4f} {row['ratio']:7.4f} {row['mb']:6.1f} {made:20}{times}", flush=True)
            if command and not a.keep:
                out.unlink()
    if a.json:
        a.json.write_text(json.dumps({k: {x: float(y) if not isinstance(y, str) else y for x, y in v.items()}
                                      for k, v in rows.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
