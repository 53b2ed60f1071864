"""com.microsoft ops that onnxruntime's CPU provider lacks (or has in part), against their formulas in numpy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ops_ort import Case, Group, difference, ours

F32 = np.float32
rng = np.random.default_rng(11)


def normal(*shape):
    return rng.standard_normal(shape).astype(F32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bias_split_gelu():
    x, bias = normal(2, 3, 10), normal(10)
    left, right = np.split(x.astype(np.float64) + bias, 2, -1)
    yield Case("BiasSplitGelu", [x, bias]), [left * right * 0.5 * (1 + np.vectorize(math.erf)(right / math.sqrt(2)))]


def group_norm():
    for last, silu, skip, bias in itertools.product((0, 1), (0, 1), (None, "full", "flat"), (False, True)):
        x = normal(2, 4, 3, 6) if last else normal(2, 6, 4, 3)
        gamma, beta, b = normal(6), normal(6), normal(6)
        total = x.astype(np.float64) if last else np.moveaxis(x, 1, -1).astype(np.float64)
        inputs = [x, gamma, beta]
        if skip:
            s = normal(*x.shape) if skip == "full" else normal(2, 6)
            inputs += [s, *([b] if bias else [])]
            total = total + ((s if last else np.moveaxis(s, 1, -1)) if skip == "full" else s[:, None, None]) + (b if bias else 0)
        elif bias:
            continue
        groups = total.reshape(2, 12, 3, 2)
        mean, var = groups.mean((1, 3), keepdims=True), groups.var((1, 3), keepdims=True)
        y = ((groups - mean) / np.sqrt(var + 1e-4)).reshape(total.shape) * gamma + beta
        y = y * sigmoid(y) if silu else y
        back = (lambda v: v) if last else (lambda v: np.moveaxis(v, -1, 1))
        yield Case("SkipGroupNorm" if skip else "GroupNorm", inputs, outputs=2 if skip else 1, groups=3, channels_last=last,
                   activation=silu, epsilon=1e-4), [back(y), *([back(total)] if skip else [])]


def nhwc_conv():
    for group, stride, dilation in itertools.product((1, 2), (1, 2), (1, 2)):
        x, w, b = normal(2, 7, 6, 4), normal(6, 4 // group, 3, 2), normal(6)
        padded = np.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0))).astype(np.float64)
        height, width = (8 - 2 * dilation - 1) // stride + 1, (7 - dilation - 1) // stride + 1
        y = np.zeros((2, height, width, 6))
        for i, j, f in itertools.product(range(height), range(width), range(6)):
            window = padded[:, i * stride:i * stride + 2 * dilation + 1:dilation, j * stride:j * stride + dilation + 1:dilation]
            mine = slice(f // (6 // group) * (4 // group), (f // (6 // group) + 1) * (4 // group))
            y[:, i, j, f] = np.einsum("bhwc,chw->b", window[..., mine], w[f]) + b[f]
        yield Case("NhwcConv", [x, w, b], group=group, strides=[stride] * 2, dilations=[dilation] * 2, pads=[1, 0, 0, 1]), [y]


def position_bias():
    for both, (q, k) in itertools.product((0, 1), ((9, 9), (5, 40))):
        table = normal(8, 3)
        y = np.zeros((1, 3, q, k))
        for h, i, j in itertools.product(range(3), range(q), range(k)):
            n, first, far = 8, 0, j - i
            if both:
                n, first = 4, 4 if far > 0 else 0
            far = abs(far)
            bucket = far if far < n // 2 else min(n - 1, n // 2 + int(math.log(far / (n // 2)) / math.log(20 / (n // 2)) * (n - n // 2)))
            y[0, h, i, j] = table.ravel()[h * 8 + first + bucket]  # head by head
        yield Case("RelativePositionBias", [table, np.array([q], np.int64), np.array([k], np.int64)], is_bidirectional=both, max_distance=20), [y]
    b, s, n, d = 2, 5, 3, 4
    q, qb, pos, w, bias, eco = normal(b, s, n * d), normal(n * d), normal(1, n, s, s), normal(d, 8), normal(8), normal(1, n, 1, 1)
    tokens = np.array([[0, 1, 2, 5, 6], [7, 8, 3, 4, 9]], np.int32)  # places of the 7 tokens, then of the padding
    packed = normal(7, n * d)
    spread = np.zeros((b * s, n * d), F32)
    spread[tokens.ravel()[:7]] = packed
    for query, offsets, full in ((q, None, q), (packed, tokens, spread.reshape(b, s, n * d))):
        x = (full + qb).reshape(b, s, n, d).transpose(0, 2, 1, 3).astype(np.float64)
        gates = sigmoid((x @ w + bias).reshape(b, n, s, 2, 4).sum(-1))
        u, r = gates[..., :1], gates[..., 1:]
        yield Case("GatedRelativePositionBias", [query, qb, pos, w, bias, eco, offsets], num_heads=n), [(u * (r * eco - 1) + 2) * pos]


def activated_product():
    a, b = normal(2, 4, 3), normal(2, 4, 5)
    y = 0.7 * np.swapaxes(a, 1, 2).astype(np.float64) @ b
    soft = np.exp(y - y.max(1, keepdims=True))
    for name, more, want in (
        ("Relu", {}, np.maximum(y, 0)),
        ("Tanh", {}, np.tanh(y)),
        ("LeakyRelu", {"activation_alpha": 0.3}, np.where(y < 0, F32(0.3) * y, y)),
        ("Elu", {"activation_alpha": 0.5}, np.where(y < 0, 0.5 * (np.exp(y) - 1), y)),
        ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}, np.clip(0.3 * y + 0.4, 0, 1)),
        ("Softmax", {"activation_axis": 1}, soft / soft.sum(1, keepdims=True)),
    ):
        yield Case("FusedMatMulActivation", [a, b], transA=1, alpha=0.7, activation=name, **more), [want]


def grouped_weights():
    for bits, block, floats in itertools.product((2, 4, 8), (16, 32), (False, True)):
        k, n, blocks = 80, 5, -(-80 // block)
        codes = rng.integers(0, 1 << bits, (n, blocks * block))
        zeros = rng.random((n, blocks)).astype(F32) * 3 if floats else rng.integers(0, 1 << bits, (n, blocks))
        scales = (rng.random((n, blocks)) + 0.1).astype(F32)

        def pack(rows):
            per = 8 // bits
            rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % per))).reshape(n, -1, per)
            return sum(rows[..., i] << (bits * i) for i in range(per)).astype(np.uint8)

        for order in (np.arange(k) // block, rng.integers(0, blocks, k)):
            weight = (codes[:, :k] - zeros[:, order].astype(np.float64)) * scales[:, order]
            x = normal(2, 3, k)
            inputs = [x, pack(codes).reshape(n, blocks, -1), scales, zeros if floats else pack(zeros), order.astype(np.int32)]
            yield Case("MatMulNBits", inputs, K=k, N=n, bits=bits, block_size=block), [x @ weight.T]


def byte_means():
    x, zero, to = rng.integers(0, 256, (3, 4, 5)).astype(np.uint8), np.array(9, np.uint8), np.array(20, np.uint8)
    for axes, keep in itertools.product(([0], [1, -1], [0, 1, 2]), (0, 1)):
        mean = ((x.astype(np.float64) - 9) * 0.04).mean(tuple(axes), keepdims=bool(keep))
        want = np.clip(np.rint(mean / 0.05) + 20, 0, 255).astype(np.uint8)
        yield Case("QLinearReduceMean", [x, np.array(0.04, F32), zero, np.array(0.05, F32), to], axes=axes, keepdims=keep, tol=1), [want]


def mixture_of_experts():
    """fc3, the halves of a row as gate and linear part, router_weights, weights of 2 bits: not in onnxruntime's CPU kernels."""
    tokens, hidden, inner, n, k = 6, 8, 4, 3, 2
    for kind, fusion in (("silu", 0), ("swiglu", 0), ("swiglu", 2)):
        x, scores, rows = normal(tokens, hidden), normal(tokens, n), inner * (2 if fusion else 1)
        w1, b1, w2, b2 = normal(n, rows, hidden), normal(n, rows), normal(n, hidden, inner), normal(n, hidden)
        w3, b3 = (None, None) if fusion else (normal(n, inner, hidden), normal(n, inner))

        def expert(e, t, w1=w1, b1=b1, w2=w2, b2=b2, w3=w3, b3=b3):
            first = x[t].astype(np.float64) @ w1[e].T + b1[e]
            gate, linear = (first, x[t] @ w3[e].T + b3[e]) if w3 is not None else np.split(first, 2)
            if kind == "swiglu":
                gate, linear = np.minimum(gate, 0.75), np.clip(linear, -0.75, 0.75) + 0.5
            return (gate * sigmoid((1.5 if kind == "swiglu" else 1) * gate) * linear) @ w2[e].T + b2[e]

        want, router = np.zeros((tokens, hidden)), rng.random((tokens, n)).astype(F32)
        for t in range(tokens):
            top = np.argsort(-scores[t], kind="stable")[:k]
            all_of = np.exp(scores[t].astype(np.float64))
            for e in top:
                want[t] += all_of[e] / all_of.sum() * expert(e, t)
        attrs = {"k": k, "activation_type": kind, "swiglu_fusion": fusion,
                 **({"activation_alpha": 1.5, "activation_beta": 0.5, "swiglu_limit": 0.75} if kind == "swiglu" else {})}
        yield Case("MoE", [x, scores, w1, b1, w2, b2, w3, b3], tol=1e-5, **attrs), [want]
        for bits, block in ((2, 0), (8, 4), (4, 4)):
            per, floats, packed = 8 // bits, [], []
            for w in (w1, w2, w3):
                if w is None:
                    floats.append(None)
                    packed.append((None, None, None))
                    continue
                codes = rng.integers(0, 1 << bits, w.shape)
                scale = (rng.random((*w.shape[:2], w.shape[2] // block) if block else w.shape[:2]) / 4 ** (bits / 4)).astype(F32)
                zero = rng.integers(0, 1 << bits, scale.shape)
                spread = (lambda v: np.repeat(v, block, -1)) if block and scale.shape[2] > 1 else (lambda v: v.reshape(n, -1, 1))
                floats.append((codes - spread(zero)) * spread(scale).astype(np.float64))
                by_row = not block or scale.shape[2] == 1
                zero = zero.reshape(n, -1) if by_row else zero
                zero = np.pad(zero, [(0, 0)] * (zero.ndim - 1) + [(0, -zero.shape[-1] % per)])
                pack = lambda c: sum(c[..., i::per] << (bits * i) for i in range(per)).astype(np.uint8)  # noqa: E731
                packed.append((pack(codes), scale, pack(zero)))
            given = np.zeros((tokens, hidden))
            for t in range(tokens):
                top = np.argsort(-scores[t], kind="stable")[:k]
                for e in top:
                    given[t] += router[t, e] / router[t, top].sum() * expert(e, t, floats[0], b1, floats[1], b2, floats[2], b3)
            (q1, s1, z1), (q2, s2, z2), (q3, s3, z3) = packed
            yield Case("QMoE", [x, scores, q1, s1, b1, q2, s2, b2, q3, s3, b3, z1, z2, z3, router], expert_weight_bits=bits, block_size=block,
                       normalize_routing_weights=1, tol=1e-5, **attrs), [given]


GROUPS = {f.__name__: f for f in (mixture_of_experts, bias_split_gelu, group_norm, nhwc_conv, position_bias, activated_product, grouped_weights, byte_means)}


@pytest.mark.parametrize("name", GROUPS)
def test_agrees_with_its_formula(run, tmp_path, name):
    cases, wants = zip(*GROUPS[name]())
    got = ours(run, tmp_path, Group(list(cases)))
    wrong = []
    for k, (case, want) in enumerate(zip(cases, wants)):
        for i, w in enumerate(want):
            g = got[f"c{k}_y{i}"]
            if text := difference(g, w if w.dtype.kind in "iu" else w.astype(F32), case.tol):
                wrong.append(f"{case}, y{i}: {text}")
    assert not wrong, f"{len(wrong)} differences in {len(cases)} cases:\n" + "\n".join(wrong)
