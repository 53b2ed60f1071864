"""Kernels of the ops that the passes emit and of com.microsoft, against onnxruntime's, over attributes, types and shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import TensorProto, helper

from ops_ort import Case, check

F32, F16 = np.float32, np.float16


rng = np.random.default_rng(7)


def normal(*shape, dtype=F32):
    return rng.standard_normal(shape).astype(dtype)


def ints(low, high, *shape, dtype=np.int32):
    return rng.integers(low, high, shape).astype(dtype)


def mask_of(batch, keys):
    m = np.ones((batch, keys), np.int32)
    m[0, keys - 2 :] = 0
    return m


def gelus():
    for dtype, tol in ((F32, 1e-6),):
        yield Case("Gelu", [normal(2, 3, 7, dtype=dtype)], tol=tol)
        yield Case("BiasGelu", [normal(2, 3, 7, dtype=dtype), normal(7, dtype=dtype)], tol=tol)
        yield Case("FastGelu", [normal(2, 3, 7, dtype=dtype)], tol=tol)
        yield Case("FastGelu", [normal(2, 3, 7, dtype=dtype), normal(7, dtype=dtype)], tol=tol)
        yield Case("QuickGelu", [normal(2, 3, 7, dtype=dtype)], tol=tol)
        yield Case("QuickGelu", [normal(2, 3, 7, dtype=dtype)], tol=tol, alpha=1.0)


def norms():
    for dtype, tol in ((F32, 1e-5), (F16, 4e-3)):
        x, s, g, b, i = normal(2, 5, 8, dtype=dtype), normal(2, 5, 8, dtype=dtype), normal(8, dtype=dtype), normal(8, dtype=dtype), normal(8, dtype=dtype)
        for bias, beta in itertools.product((None, i), (None, b)):
            yield Case("SkipLayerNormalization", [x, s, g, beta, bias], outputs=["y", "", "", "sum"], tol=tol, epsilon=1e-5)
            yield Case("SkipSimplifiedLayerNormalization", [x, s, g, bias], outputs=["y", "", "", "sum"], tol=tol, epsilon=1e-6)
        yield Case("SkipLayerNormalization", [x, normal(1, 5, 8, dtype=dtype), g, b], tol=tol)
        yield Case("SkipLayerNormalization", [x, normal(5, 8, dtype=dtype), g, b], tol=tol)
    yield Case("SimplifiedLayerNormalization", [normal(2, 5, 8), normal(8)], domain="", opset=21, epsilon=1e-6, axis=-1, stash_type=1)
    words, places, kinds, g, b = normal(11, 8), normal(6, 8), normal(2, 8), normal(8), normal(8)
    ids, seg, mask = ints(0, 11, 2, 5), ints(0, 2, 2, 5), mask_of(2, 5)
    pos = ints(0, 6, 2, 5)
    for s, m, p in itertools.product((seg, None), (mask, None), (pos, pos[:1], None)):
        yield Case("EmbedLayerNormalization", [ids, s, words, places, kinds if s is not None else None, g, b, m, p],
                   outputs=["y", "mask_index", "sum"], epsilon=1e-12)


def products():
    yield Case("FusedMatMul", [normal(2, 3, 4), normal(2, 4, 5)], alpha=0.5)
    for ta, tb, ba, bb in itertools.product((0, 1), (0, 1), (0, 1), (0, 1)):
        a = (3, 2, 4) if ba else (2, 3, 4)
        b = (4, 2, 5) if bb else (2, 4, 5)
        if ta:
            a = (4, 2, 3) if ba else (2, 4, 3)
        if tb:
            b = (5, 2, 4) if bb else (2, 5, 4)
        yield Case("FusedMatMul", [normal(*a), normal(*b)], transA=ta, transB=tb, transBatchA=ba, transBatchB=bb, alpha=1.5)
    yield Case("FusedMatMul", [normal(2, 6, 3, 4), normal(4, 5)], alpha=2.0)
    yield Case("FusedMatMul", [normal(2, 1, 3, 4), normal(6, 4, 5)])
    yield Case("FusedGemm", [normal(3, 4), normal(4, 5), normal(5)], activation="Relu", alpha=0.5, beta=2.0)
    yield Case("FusedGemm", [normal(4, 3), normal(5, 4), normal(3, 5)], activation="LeakyRelu", activation_alpha=0.3, transA=1, transB=1)


def nbits():
    for bits, block, k, zero in itertools.product((4, 8), (16, 32), (64, 80), (None, "packed")):
        blocks = -(-k // block)
        w = ints(0, 256, 12, blocks, block * bits // 8, dtype=np.uint8)
        scales = (rng.random((12, blocks)) * 0.1 + 0.01).astype(F32)
        z = ints(0, 256, 12, -(-blocks * bits // 8), dtype=np.uint8) if zero else None
        yield Case("MatMulNBits", [normal(2, 3, k), w, scales, z], K=k, N=12, bits=bits, block_size=block, tol=2e-5)
    w, scales = ints(0, 256, 12, 4, 8, dtype=np.uint8), (rng.random((12, 4)) * 0.1).astype(F32)
    yield Case("MatMulNBits", [normal(5, 64), w, scales, None, None, normal(12)], K=64, N=12, bits=4, block_size=16)
    yield Case("MatMulNBits", [normal(5, 64), w, scales, (rng.random((12, 4)) * 15).astype(F32)], K=64, N=12, bits=4, block_size=16)
    yield Case("MatMulNBits", [normal(5, 64), w, scales, None, ints(0, 4, 64)], K=64, N=12, bits=4, block_size=16)
    yield Case("MatMulNBits", [normal(5, 64, dtype=F16), w, scales.astype(F16)], K=64, N=12, bits=4, block_size=16, tol=5e-3)
    for bits, block in itertools.product((2, 4, 8), (16, 64, 128)):
        k, n = 160, 12
        blocks = -(-k // block)
        w, scales = bytes_of(n, blocks, block * bits // 8), (rng.random((n, blocks)) * 0.1 + 0.01).astype(F32)
        packed, real = bytes_of(n, -(-blocks * bits // 8)), (rng.random((n, blocks)) * 15).astype(F32)
        order = np.sort(ints(0, blocks, k))
        for z in (None, packed, *((real,) if bits == 4 else ())):
            yield Case("MatMulNBits", [normal(2, 3, k), w, scales, z], K=k, N=n, bits=bits, block_size=block, tol=5e-5)
            yield Case("MatMulNBits", [normal(1, k), w, scales, z, None, normal(n)], K=k, N=n, bits=bits, block_size=block, tol=5e-5)
        if bits == 4:  # with g_idx onnxruntime's CPU kernel takes no notice of zero points
            yield Case("MatMulNBits", [normal(2, 3, k), w, scales, None, order], K=k, N=n, bits=bits, block_size=block, tol=5e-5)
    table, idx = ints(0, 256, 9, 16, dtype=np.uint8), ints(0, 9, 2, 3, dtype=np.int64)
    for kind, low, axis, quant in itertools.product((TensorProto.INT4, TensorProto.UINT4), (0, 1), (0, 1, 2), (0, 1, 2)):
        if axis == quant:
            continue
        shape = [6, 48, 5] if quant == 1 else [48, 6, 5] if quant == 0 else [6, 5, 48]
        low = -8 if kind == TensorProto.INT4 else 0
        small = list(shape)
        small[quant] = 3
        data = helper.make_tensor("", kind, shape, ints(low, low + 16, int(np.prod(shape))))
        zero = helper.make_tensor("", kind, small, ints(low, low + 16, int(np.prod(small))))
        scales = (rng.random(small) * 0.1).astype(F32)
        index = ints(-5, 5, 2, 3, dtype=np.int32)
        yield Case("GatherBlockQuantized", [data, index, scales, zero], block_size=16, gather_axis=axis, quantize_axis=quant)
        yield Case("GatherBlockQuantized", [data, index, scales.astype(F16)], block_size=16, gather_axis=axis, quantize_axis=quant, tol=2e-3)
    for bits in (4, 8):
        width = 16 * 8 // bits
        scales = (rng.random((9, width // 16)) * 0.1).astype(F32)
        yield Case("GatherBlockQuantized", [table, idx, scales], bits=bits, block_size=16, gather_axis=0, quantize_axis=1)
        z = ints(0, 256, 9, -(-(width // 16) * bits // 8), dtype=np.uint8)
        yield Case("GatherBlockQuantized", [table, idx, scales, z], bits=bits, block_size=16, gather_axis=0, quantize_axis=1)


def self_attention():
    b, s, d, n = 2, 6, 16, 4
    x, w, bias = normal(b, s, d), normal(d, 3 * d) * F32(0.3), normal(3 * d)
    m3 = np.ones((b, s, s), np.int32)
    m3[1, :, 4:] = 0
    ends = np.array([4, 6], np.int32)
    both = np.array([4, 6, 1, 0], np.int32)
    for mask, uni in itertools.product((None, mask_of(b, s), m3, ends, both), (0, 1)):
        yield Case("Attention", [x, w, bias, mask], num_heads=n, unidirectional=uni)
    yield Case("Attention", [x, w, bias], num_heads=n, scale=0.2)
    yield Case("Attention", [x, w, bias, mask_of(b, s)], num_heads=n, mask_filter_value=-3.0)
    for shape in ((b, n, s, s), (1, n, s, s), (b, 1, s, s), (1, 1, s, s)):
        yield Case("Attention", [x, w, bias, None, None, normal(*shape)], num_heads=n)
    yield Case("Attention", [x, w, bias, mask_of(b, s), None, normal(b, n, s, s)], num_heads=n)
    past = normal(2, b, n, 3, d // n)
    yield Case("Attention", [x, w, bias, None, past], num_heads=n, outputs=2, unidirectional=1)
    yield Case("Attention", [x, w, bias, mask_of(b, s + 3), past], num_heads=n, outputs=2, unidirectional=1)
    yield Case("Attention", [x, w, bias], num_heads=n, outputs=2)
    wide = [normal(d, 8 + 8 + 16), normal(32)]
    yield Case("Attention", [x, *wide], num_heads=n, qkv_hidden_sizes=[8, 8, 16])


def multi_head():
    b, s, l, d, n = 2, 5, 7, 16, 4
    q, k, v, bias = normal(b, s, d), normal(b, l, d), normal(b, l, d), normal(3 * d)
    yield Case("MultiHeadAttention", [q, k, v], num_heads=n)
    yield Case("MultiHeadAttention", [q, k, v, bias], num_heads=n, scale=0.3)
    yield Case("MultiHeadAttention", [q, k, normal(b, l, 24)], num_heads=n)
    yield Case("MultiHeadAttention", [q, k, v, bias, mask_of(b, l)], num_heads=n)
    yield Case("MultiHeadAttention", [q, k, v, None, np.array([7, 3], np.int32)], num_heads=n)
    yield Case("MultiHeadAttention", [q, k, v, None, None, normal(b, n, s, l)], num_heads=n)
    yield Case("MultiHeadAttention", [q, k, v, bias, mask_of(b, l), normal(1, n, s, l)], num_heads=n)
    yield Case("MultiHeadAttention", [q, normal(b, s, d), normal(b, s, d)], num_heads=n, unidirectional=1)
    yield Case("MultiHeadAttention", [q, normal(b, n, l, 4), normal(b, n, l, 4)], num_heads=n)
    yield Case("MultiHeadAttention", [q, normal(b, s, d), normal(b, s, d), None, None, None, normal(b, n, 3, 4), normal(b, n, 3, 4)],
               num_heads=n, outputs=3)
    yield Case("MultiHeadAttention", [q, normal(b, s, d), normal(b, s, d)], num_heads=n, outputs=3)


def group_query():
    b, n, kv, h = 1, 4, 2, 16
    cos, sin = normal(32, h // 2), normal(32, h // 2)

    def lengths(total):
        return np.full((b,), total - 1, np.int32), np.array(total, np.int32)

    for rotary, inter, window in itertools.product((0, 1), (0, 1), (-1, 3)):
        if inter and not rotary:
            continue
        caches = [cos, sin] if rotary else [None, None]
        s = 6
        yield Case("GroupQueryAttention", [normal(b, s, n * h), normal(b, s, kv * h), normal(b, s, kv * h), None, None, *lengths(s), *caches],
                   outputs=3, num_heads=n, kv_num_heads=kv, do_rotary=rotary, rotary_interleaved=inter, local_window_size=window)
        past = [normal(b, kv, 5, h), normal(b, kv, 5, h)]
        yield Case("GroupQueryAttention", [normal(b, 1, n * h), normal(b, 1, kv * h), normal(b, 1, kv * h), *past, *lengths(6), *caches],
                   outputs=3, num_heads=n, kv_num_heads=kv, do_rotary=rotary, rotary_interleaved=inter, local_window_size=window)
    s = 4
    yield Case("GroupQueryAttention", [normal(b, s, (n + 2 * kv) * h), None, None, None, None, *lengths(s), cos, sin],
               outputs=3, num_heads=n, kv_num_heads=kv, do_rotary=1)
    yield Case("GroupQueryAttention", [normal(b, s, n * h), normal(b, s, kv * h), normal(b, s, kv * h), None, None, *lengths(s)],
               outputs=3, num_heads=n, kv_num_heads=kv, softcap=2.0, scale=0.5)
    yield Case("GroupQueryAttention", [normal(b, s, n * h), normal(b, s, kv * h), normal(b, s, kv * h), None, None, *lengths(s)],
               outputs=3, num_heads=n, kv_num_heads=kv, smooth_softmax=1)


def rotary():
    cos, sin = normal(20, 4), normal(20, 4)
    ids = ints(0, 20, 2, 5, dtype=np.int64)
    for inter in (0, 1):
        yield Case("RotaryEmbedding", [normal(2, 5, 24), ids, cos, sin], interleaved=inter)
        yield Case("RotaryEmbedding", [normal(2, 3, 5, 8), ids, cos, sin], interleaved=inter)
        yield Case("RotaryEmbedding", [normal(2, 5, 24), np.array([3], np.int64), cos, sin], interleaved=inter)
        yield Case("RotaryEmbedding", [normal(2, 5, 48), ids, cos, sin], interleaved=inter, num_heads=3, rotary_embedding_dim=8)


def recurrent():
    s, b, i, h = 5, 3, 4, 6
    lens = np.array([5, 2, 4], np.int32)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}
    for op, direction, seq, state in itertools.product(gates, ("forward", "reverse", "bidirectional"), (None, lens), (0, 1)):
        d, g = 2 if direction == "bidirectional" else 1, gates[op]
        x = [normal(s, b, i), normal(d, g * h, i), normal(d, g * h, h), normal(d, 2 * g * h), seq]
        outs = 3 if op == "LSTM" else 2
        if state:
            x.append(normal(d, b, h))
            if op == "LSTM":
                x += [normal(d, b, h), normal(d, 3 * h)]
        yield Case(op, x, domain="", outputs=outs, hidden_size=h, direction=direction, tol=2e-5)
    x = [normal(s, b, i), normal(1, 3 * h, i), normal(1, 3 * h, h), normal(1, 6 * h)]
    yield Case("GRU", x, domain="", outputs=2, hidden_size=h, linear_before_reset=1)
    yield Case("GRU", x, domain="", outputs=2, hidden_size=h, clip=0.5)
    yield Case("GRU", x, domain="", outputs=2, hidden_size=h, activations=["HardSigmoid", "Softsign"])
    x = [normal(s, b, i), normal(1, 4 * h, i), normal(1, 4 * h, h), normal(1, 8 * h)]
    yield Case("LSTM", x, domain="", outputs=3, hidden_size=h, clip=0.5)
    yield Case("LSTM", x, domain="", outputs=3, hidden_size=h, input_forget=1)
    yield Case("LSTM", x, domain="", outputs=3, hidden_size=h, activations=["HardSigmoid", "ScaledTanh", "Elu"],
               activation_alpha=[0.3, 1.2, 0.7], activation_beta=[0.4, 0.8])
    x = [normal(s, b, i), normal(1, h, i), normal(1, h, h)]
    yield Case("RNN", x, domain="", outputs=2, hidden_size=h, activations=["LeakyRelu"], activation_alpha=[0.2])


def quantized():
    x = normal(3, 4, 6) * F32(4)
    s1, z1 = np.array(0.05, F32), np.array(128, np.uint8)
    yield Case("QuantizeLinear", [x, s1, z1], domain="", tol=0)
    yield Case("QuantizeLinear", [x, np.array([0.1, 0.2, 0.3, 0.05], F32), ints(-10, 10, 4, dtype=np.int8)], domain="", axis=1, tol=0)
    yield Case("QuantizeLinear", [x, (rng.random((3, 2, 6)) + 0.1).astype(F32), ints(0, 200, 3, 2, 6, dtype=np.uint8)],
               domain="", axis=1, block_size=2, tol=0)
    q = ints(0, 256, 3, 4, 6, dtype=np.uint8)
    yield Case("DequantizeLinear", [q, s1, z1], domain="")
    yield Case("DequantizeLinear", [q, np.array([0.1, 0.2, 0.3, 0.05], F32), ints(0, 255, 4, dtype=np.uint8)], domain="", axis=1)
    yield Case("DequantizeLinear", [q, (rng.random((3, 4, 3)) + 0.1).astype(F32)], domain="", axis=2, block_size=2)
    yield Case("DynamicQuantizeLinear", [x], domain="", outputs=3)
    yield Case("MatMulInteger", [ints(0, 256, 2, 3, 4, dtype=np.uint8), ints(-128, 128, 4, 5, dtype=np.int8), np.array(7, np.uint8), np.array(-3, np.int8)],
               domain="", tol=0)
    yield Case("MatMulInteger", [ints(0, 256, 3, 4, dtype=np.uint8), ints(0, 256, 4, 5, dtype=np.uint8), None, ints(0, 9, 5, dtype=np.uint8)], domain="", tol=0)
    yield Case("QLinearMatMul", [ints(0, 256, 3, 4, dtype=np.uint8), s1, z1, ints(0, 256, 4, 5, dtype=np.uint8), s1, z1, np.array(1.5, F32), z1], domain="", tol=1)
    yield Case("DynamicQuantizeMatMul", [normal(3, 4), ints(0, 256, 4, 5, dtype=np.uint8), np.array(0.02, F32), np.array(120, np.uint8), normal(5)], tol=1e-5)
    yield Case("MatMulIntegerToFloat", [ints(0, 256, 3, 4, dtype=np.uint8), ints(0, 256, 4, 5, dtype=np.uint8), np.array(0.1, F32), (rng.random(5) + 0.1).astype(F32),
                                        np.array(3, np.uint8), ints(0, 256, 5, dtype=np.uint8), normal(5)])


def resizes():
    x = normal(1, 2, 4, 5)
    roi = np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 1.2], F32)
    up, down = np.array([1, 1, 2.0, 1.6], F32), np.array([1, 1, 0.6, 0.5], F32)
    for scales, mode, place in itertools.product((up, down), ("nearest", "linear", "cubic"),
                                                 ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")):
        if place == "align_corners" and scales is down:  # ONNX's cases use the output's size before it is rounded, onnxruntime after
            scales = np.array([1, 1, 0.5, 0.6], F32)
        yield Case("Resize", [x, None, scales], domain="", opset=19, mode=mode, coordinate_transformation_mode=place, tol=1e-5)
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        yield Case("Resize", [x, None, up], domain="", opset=19, mode="nearest", nearest_mode=nearest)
    for mode in ("nearest", "linear", "cubic"):
        yield Case("Resize", [x, roi, None, np.array([1, 2, 3, 4], np.int64)], domain="", opset=19, mode=mode,
                   coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=7.0)
    for policy in ("not_larger", "not_smaller"):
        yield Case("Resize", [x, None, None, np.array([7, 8], np.int64)], domain="", opset=19, mode="linear", axes=[2, 3],
                   keep_aspect_ratio_policy=policy)
    yield Case("Resize", [x, None, down], domain="", opset=19, mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5)


def standard_attention():
    b, s, l, n, kv, h = 2, 5, 7, 4, 2, 8
    q, k, v = normal(b, n, s, h), normal(b, kv, l, h), normal(b, kv, l, h)
    yield Case("Attention", [q, k, v], domain="", opset=23)
    yield Case("Attention", [q, k, v], domain="", opset=23, is_causal=1)
    yield Case("Attention", [q, k, v, normal(s, l)], domain="", opset=23, scale=0.3)
    yield Case("Attention", [q, k, v, rng.random((b, 1, s, l)) > 0.4], domain="", opset=23)
    yield Case("Attention", [q, k, v, None, normal(b, kv, 3, h), normal(b, kv, 3, h)], domain="", opset=23, outputs=3)
    yield Case("Attention", [normal(b, s, n * h), normal(b, l, kv * h), normal(b, l, kv * h)], domain="", opset=23, q_num_heads=n, kv_num_heads=kv)
    for mode in range(4):
        yield Case("Attention", [q, k, v, normal(s, l)], domain="", opset=23, softcap=2.0, qk_matmul_output_mode=mode, outputs=["y", "", "", "qk"])
    cos, sin = normal(20, 4), normal(20, 4)
    ids = ints(0, 20, 2, 5, dtype=np.int64)
    for inter in (0, 1):
        yield Case("RotaryEmbedding", [normal(2, 3, 5, 8), cos, sin, ids], domain="", opset=23, interleaved=inter)
        yield Case("RotaryEmbedding", [normal(2, 5, 24), normal(2, 5, 4), normal(2, 5, 4)], domain="", opset=23, interleaved=inter, num_heads=3)


def bytes_of(*shape, dtype=np.uint8):
    return ints(*((0, 256) if dtype == np.uint8 else (-128, 128)), *shape, dtype=dtype)


def scale(value):
    return np.array(value, F32)


# A step of the result: sums and quotients that meet a half may round to either side.
STEP = {"tol": 1}


def bytewise():
    """QLinear ops: within one step of the result's scale."""
    for t in (np.uint8, np.int8):
        z = [np.array(v, t) for v in (3, 7, 5, 100)]
        a = [bytes_of(2, 3, 8, dtype=t), scale(0.04), z[0]]
        for other in ((2, 3, 8), (8,), (3, 1), (1,)):
            b = [bytes_of(*other, dtype=t), scale(0.03), z[1]]
            yield Case("QLinearAdd", [*a, *b, scale(0.06), z[2]], **STEP)
            yield Case("QLinearMul", [*a, *b, scale(0.2), z[2]], **STEP)
        yield Case("QLinearLeakyRelu", [*a, scale(0.05), z[1]], alpha=0.2, constant=(1, 2, 3, 4), **STEP)
        yield Case("QLinearSigmoid", [*a, scale(0.004), z[2]], constant=(1, 2, 3, 4), **STEP)
        for axis, opset in itertools.product((-1, 1, 0), (12, 13)):
            low = np.array(0 if t == np.uint8 else -128, t)
            yield Case("QLinearSoftmax", [bytes_of(2, 3, 8, dtype=t), scale(0.05), z[0], scale(1 / 256), low], axis=axis,
                       node={"opset": opset}, constant=(1, 2, 3, 4), **STEP)
        yield Case("QLinearConcat", [scale(0.05), z[2], *a, bytes_of(2, 2, 8, dtype=t), scale(0.03), z[1]], axis=1, **STEP)
        yield Case("QLinearWhere", [rng.random((2, 3, 1)) > 0.5, *a, bytes_of(8, dtype=t), scale(0.03), z[1], scale(0.05), z[2]], constant=(2, 3, 5, 6, 7, 8), **STEP)
        for last in (0, 1):
            shape = (2, 7, 6, 3) if last else (2, 3, 7, 6)
            x = [bytes_of(*shape, dtype=t), scale(0.04), z[0], scale(0.03), z[1]]
            yield Case("QLinearGlobalAveragePool", x, channels_last=last, **STEP)
            for pad, ceil in itertools.product((0, 1), (0, 1)):
                yield Case("QLinearAveragePool", x, channels_last=last, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1],
                           count_include_pad=pad, ceil_mode=ceil, **STEP)


def byte_products():
    for t, s, per in itertools.product((np.uint8, np.int8), (np.uint8, np.int8), (False, True)):
        if t == np.int8 and s == np.uint8:
            continue
        for ta, tb in itertools.product((0, 1), (0, 1)):
            a, b = bytes_of(*((4, 3) if ta else (3, 4)), dtype=t), bytes_of(*((5, 4) if tb else (4, 5)), dtype=s)
            bs = (rng.random(5) * 0.02 + 0.01).astype(F32) if per else scale(0.02)
            bz = bytes_of(5, dtype=s) if per else np.array(4, s)
            x = [a, scale(0.03), np.array(9, t), b, bs, bz]
            c = ints(-500, 500, 5, dtype=np.int32)
            yield Case("QGemm", x, transA=ta, transB=tb, constant=(3, 5))
            yield Case("QGemm", [*x, c], transA=ta, transB=tb, alpha=0.7, constant=(3, 5))
            yield Case("QGemm", [*x, c, scale(0.5), np.array(6, t)], transA=ta, transB=tb, constant=(3, 5), **STEP)
    for t in (np.uint8, np.int8):
        b = bytes_of(4, 5, dtype=t)
        z = np.array(7, t)
        yield Case("DynamicQuantizeMatMul", [normal(2, 3, 4), b, scale(0.02), z, normal(5)], constant=(1, 3))
        yield Case("DynamicQuantizeMatMul", [normal(3, 4), b, (rng.random(5) * 0.02 + 0.01).astype(F32), bytes_of(5, dtype=t)], constant=(1, 3))
        yield Case("DynamicQuantizeMatMul", [normal(3, 4), b, scale(0.02)], constant=(1, 3))
        yield Case("MatMulIntegerToFloat", [bytes_of(3, 4), b, scale(0.1), scale(0.03), np.array(3, np.uint8), z, normal(5)])
        yield Case("MatMulIntegerToFloat", [bytes_of(2, 3, 4), b, scale(0.1), (rng.random(5) + 0.1).astype(F32)])
    x, s1 = normal(3, 4, 6) * F32(4), scale(0.05)
    for t in (np.uint8, np.int8, np.uint16, np.int16):
        z = np.array(11, t)
        yield Case("QuantizeLinear", [x, s1, z], tol=0)
        yield Case("QuantizeLinear", [x, np.array([0.1, 0.2, 0.3, 0.05], F32), ints(0, 100, 4, dtype=t)], axis=1, tol=0)
        yield Case("DequantizeLinear", [ints(0, 120, 3, 4, dtype=t), s1, z])
        yield Case("DequantizeLinear", [ints(0, 120, 3, 4, dtype=t), np.array([0.1, 0.2, 0.3], F32), ints(0, 100, 3, dtype=t)], axis=0)
    yield Case("DequantizeLinear", [ints(-900, 900, 3, 4, dtype=np.int32), s1])


def byte_transformers():
    b, s, d, n = 2, 6, 16, 4
    for t, per in itertools.product((np.uint8, np.int8), (False, True)):
        x, w, bias = bytes_of(b, s, d), bytes_of(d, 3 * d, dtype=t), normal(3 * d)
        ws = (rng.random(3 * d) * 0.002 + 0.001).astype(F32) if per else scale(0.002)
        wz = bytes_of(3 * d, dtype=t) if per else np.array(5, t)
        head = [x, w, bias, scale(0.03), ws]
        for mask, uni in itertools.product((None, mask_of(b, s), np.array([4, 6], np.int32)), (0, 1)):
            yield Case("QAttention", [*head, mask, np.array(128, np.uint8), wz], num_heads=n, unidirectional=uni, constant=(1, 7))
        yield Case("QAttention", [*head, None, np.array(128, np.uint8), wz, normal(2, b, n, 3, 4)], num_heads=n, outputs=2, unidirectional=1, constant=(1, 7))
        tables = [bytes_of(k, 8, dtype=t) for k in (11, 6, 2)] + [bytes_of(8, dtype=t), bytes_of(8, dtype=t)]
        scales, zeros = [scale(v) for v in (0.1, 0.2, 0.05, 0.03, 0.04)], [np.array(v, t) for v in (1, 2, 3, 4, 5)]
        ids, seg = ints(0, 11, 2, 5), ints(0, 2, 2, 5)
        yield Case("QEmbedLayerNormalization", [ids, seg, *tables, mask_of(2, 5), *scales, *zeros], outputs=2)
        yield Case("QEmbedLayerNormalization", [ids, None, *tables[:2], None, *tables[3:], None, *scales[:2], None, *scales[3:], *zeros[:2], None, *zeros[3:]], outputs=2)


def byte_lstm():
    steps, b, i, h = 4, 2, 5, 6
    for t, direction, per, more in itertools.product((np.uint8, np.int8), ("forward", "reverse", "bidirectional"), (False, True), (False, True)):
        d = 2 if direction == "bidirectional" else 1
        ws = [(rng.random((d, 4 * h) if per else (d,)) * 0.005 + 0.002).astype(F32) for _ in range(2)]
        wz = [np.full((d, 4 * h) if per else (d,), 128 if t == np.uint8 else 0, t) for _ in range(2)]
        extra = [np.array([4, 2], np.int32), normal(d, b, h), normal(d, b, h), normal(d, 3 * h)] if more else [None] * 4
        yield Case("DynamicQuantizeLSTM", [normal(steps, b, i), bytes_of(d, i, 4 * h, dtype=t), bytes_of(d, h, 4 * h, dtype=t), normal(d, 8 * h), *extra, ws[0], wz[0], ws[1], wz[1]],
                   outputs=3, hidden_size=h, direction=direction, constant=(1, 2, 8, 9, 10, 11), tol=1e-4)


def matrices():
    for t, tol in ((F32, 1e-4), (np.float64, 1e-9)):
        yield Case("Inverse", [normal(2, 3, 4, 4, dtype=t)], tol=tol)
        yield Case("Inverse", [normal(5, 5, dtype=t)], tol=tol)
    for t in (F32, np.float64, np.int64):
        for k, upper in itertools.product((None, -7, -1, 0, 2, 9), (0, 1)):
            yield Case("Trilu", [(normal(2, 4, 5) * 5).astype(t), None if k is None else np.array(k, np.int64)], upper=upper, tol=0)
    for c in (normal(3, 5), normal(5), normal(3, 1), normal(1), None):
        for act, more in (("Relu", {}), ("Tanh", {}), ("Sigmoid", {}), ("LeakyRelu", {"activation_alpha": 0.2}),
                          ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4})):
            yield Case("FusedGemm", [normal(3, 4), normal(4, 5), c], activation=act, alpha=0.5, beta=2.0, **more)


def experts():
    tokens, hidden, inner, n = 5, 32, 32, 4
    for kind, normalize, k in itertools.product(("relu", "gelu", "silu", "identity", "swiglu"), (0, 1), (1, 2)):
        rows = 2 * inner if kind == "swiglu" else inner
        swiglu = {"swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 1.5} if kind == "swiglu" else {}
        attrs = {"k": k, "activation_type": kind, "normalize_routing_weights": normalize, **swiglu}
        x, scores, b1, b2 = normal(tokens, hidden), normal(tokens, n), normal(n, rows), normal(n, hidden)
        yield Case("MoE", [x, scores, normal(n, rows, hidden), b1, normal(n, hidden, inner), b2], tol=2e-5, **attrs)
        yield Case("MoE", [x[None], scores, normal(n, rows, hidden), None, normal(n, hidden, inner)], tol=2e-5, **attrs)
        for bits, blocks, zeros in itertools.product((4, 8), (False, True), (False, True)):
            if bits == 8 and blocks:
                continue  # onnxruntime rounds the activations to 8 bits there
            per = 8 // bits

            def scale(rows, width):
                return (rng.random((n, rows, width // 16) if blocks else (n, rows)) / 2**bits).astype(F32)

            def zero(rows, width):
                return (bytes_of(n, rows, -(-width // 16 // per)) if blocks else bytes_of(n, rows // per)) if zeros else None

            yield Case("QMoE", [x, scores, bytes_of(n, rows, hidden // per), scale(rows, hidden), b1, bytes_of(n, hidden, inner // per),
                                scale(hidden, inner), b2, None, None, None, zero(rows, hidden), zero(hidden, inner)],
                       constant=tuple(range(2, 13)), expert_weight_bits=bits, tol=1e-4, **({"block_size": 16} if blocks else {}), **attrs)


GROUPS = {
    f.__name__: f
    for f in (experts, gelus, norms, products, nbits, self_attention, multi_head, group_query, rotary, recurrent, quantized, bytewise, byte_products,
              byte_transformers, byte_lstm, matrices, resizes, standard_attention)
}

@pytest.mark.parametrize("name", GROUPS)
def test_agrees_with_onnxruntime(run, tmp_path, name):
    check(run, tmp_path, GROUPS[name]())
