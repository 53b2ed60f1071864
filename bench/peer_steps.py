#!/usr/bin/env python3
"""The peers that have no command line of their own, each as one: peer_steps.py WHAT [ARG...] INPUT [OUTPUT]."""

import sys


def load_infer(source: str) -> None:
    import onnx

    onnx.shape_inference.infer_shapes(onnx.load(source))


def ort_offline(level: str, source: str, out: str) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}")
    options.optimized_model_filepath = out
    options.log_severity_level = 3
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def onnxscript(source: str, out: str) -> None:
    import onnx
    from onnxscript import optimizer

    onnx.save(optimizer.optimize(onnx.load(source)), out)


if __name__ == "__main__":
    {"load-infer": load_infer, "ort-offline": ort_offline, "onnxscript": onnxscript}[sys.argv[1]](*sys.argv[2:])
