#!/usr/bin/env python3
"""How samples/models/tiny-bert.onnx and tiny-bert-dyn.onnx were made.

  pip install torch transformers onnx onnxscript onnxruntime      (several GB; nothing else here needs torch)
  python make_tiny_bert.py OUT_DIR

transformers' own BertModel in the shape of BERT-tiny (2 layers, hidden size 128, 2 heads, feed-forward 512) with a
vocabulary of 2,000 and seeded weights, exported by PyTorch's two exporters with a dynamic batch and sequence:

  tiny-bert.onnx      torch.onnx.export(dynamo=False), opset 17, eager attention
  tiny-bert-dyn.onnx  torch.onnx.export(dynamo=True), opset 18, scaled_dot_product_attention

Each is run in onnxruntime at two shapes and compared with PyTorch before it is kept.
"""

import argparse
import os
import pathlib
import re
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
import torch  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

SEED = 20261121
NAMES = ["input_ids", "attention_mask", "token_type_ids"]
OUTPUT = "last_hidden_state"
AXES = {0: "batch", 1: "sequence"}
VOCABULARY = 2000
PATH = re.compile(r'(?<![\w.-])"?/[^\s",]*?/((?:site-packages/)?[^\s"/,]+\.py|site-packages/[^\s",]+\.py)"?')


class Encoder(torch.nn.Module):
    def __init__(self, attention: str):
        super().__init__()
        torch.manual_seed(SEED)
        config = BertConfig(vocab_size=VOCABULARY, hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
                            intermediate_size=512, max_position_embeddings=128, type_vocab_size=2)
        self.bert = BertModel(config, add_pooling_layer=False).eval()
        self.bert.set_attn_implementation(attention)
        # A fresh BERT has only zero biases and unit norms, which would hide mistakes (and exporters merge equal ones).
        with torch.no_grad():
            for name, p in self.bert.named_parameters():
                if p.ndim == 1:
                    p.add_(0.05 * torch.randn_like(p))
                elif "embeddings" not in name:
                    p.mul_(3)  # attention that is not uniform

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask,
                         token_type_ids=token_type_ids).last_hidden_state


def example(batch: int, sequence: int) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(SEED + batch)
    ids = torch.randint(5, VOCABULARY, (batch, sequence), generator=rng)
    lengths = torch.randint(sequence // 2, sequence + 1, (batch, 1), generator=rng)
    mask = (torch.arange(sequence)[None, :] < lengths).long()
    kinds = (torch.arange(sequence)[None, :] >= sequence // 2).long().expand(batch, -1).contiguous()
    return ids, mask, kinds


def without_paths(message) -> None:
    """Cuts the exporting machine's folders off the stack traces that the dynamo exporter writes into metadata."""
    for field, value in message.ListFields():
        if field.message_type:
            for m in value if field.is_repeated else [value]:
                without_paths(m)
        elif field.name in ("value", "doc_string") and isinstance(value, str):
            setattr(message, field.name, PATH.sub(r"\1", value))


def export(path: pathlib.Path, dynamo: bool) -> None:
    model = Encoder("sdpa" if dynamo else "eager").eval()
    how = (dict(dynamo=True, opset_version=18, external_data=False, verbose=False, dynamic_shapes={n: dict(AXES) for n in NAMES})
           if dynamo else
           dict(dynamo=False, opset_version=17, dynamic_axes={n: dict(AXES) for n in (*NAMES, OUTPUT)}))
    torch.onnx.export(model, example(2, 12), str(path), input_names=NAMES, output_names=[OUTPUT], **how)
    proto = onnx.load(path)
    without_paths(proto)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for shape in ((2, 7), (1, 16)):
        given = example(*shape)
        made = session.run(None, {n: t.numpy() for n, t in zip(NAMES, given)})[0]
        with torch.no_grad():
            wanted = model(*given).numpy()
        worst = float(np.abs(made - wanted).max())
        assert made.shape == (*shape, 128) and worst < 1e-4, (shape, worst)
        print(f"{path.name}: {len(proto.graph.node)} nodes, {path.stat().st_size:,} bytes, {shape}: {worst:.1e} from PyTorch")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=pathlib.Path)
    out = ap.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    export(out / "tiny-bert.onnx", dynamo=False)
    export(out / "tiny-bert-dyn.onnx", dynamo=True)
