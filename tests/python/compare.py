"""Are two models equal, field by field? Where they are not: the first places, named as a reader would."""

from __future__ import annotations

import pathlib

import onnx

LIMIT = 10


def _name(message, index: int) -> str:
    """`[3 Add '/bert/Add']`: nodes by index, op and name, others by index and name."""
    words = [str(index)]
    for field in ("op_type", "name", "key", "domain"):
        if isinstance(getattr(message, field, None), str) and getattr(message, field):
            words.append(getattr(message, field) if field == "op_type" else repr(getattr(message, field)))
    return f"[{' '.join(words)}]"


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(value)} long)"


def differences(a, b, where: str = "model") -> list[str]:
    """The first LIMIT places where two messages differ, presence of fields included."""
    found: list[str] = []
    present = {f.name: (f, v) for f, v in a.ListFields()}
    also = {f.name: (f, v) for f, v in b.ListFields()}
    for name in sorted(present.keys() | also.keys()):
        if len(found) >= LIMIT:
            break
        at = f"{where}.{name}"
        if name not in also or name not in present:
            found.append(f"{at}: {'lost' if name in present else 'made up'}")
            continue
        (field, x), (_, y) = present[name], also[name]
        if not field.is_repeated:
            if field.message_type:
                found += differences(x, y, at)
            elif x != y and not (x != x and y != y):
                found.append(f"{at}: {_short(x)} became {_short(y)}")
            continue
        if len(x) != len(y):
            found.append(f"{at}: {len(x)} became {len(y)}")
        for i, (p, q) in enumerate(zip(x, y)):
            if len(found) >= LIMIT:
                break
            if field.message_type:
                if p != q:
                    found += differences(p, q, at + _name(p, i))
            elif p != q and not (p != p and q != q):
                found.append(f"{at}[{i}]: {_short(p)} became {_short(q)}")
    return found[:LIMIT]


def unequal(before: pathlib.Path, after: pathlib.Path) -> list[str]:
    """Nothing when the two files hold equal models; unknown fields and their order count too."""
    if before.read_bytes() == after.read_bytes():
        return []
    x = onnx.load(before, load_external_data=False)
    y = onnx.load(after, load_external_data=False)
    if x.SerializeToString(deterministic=True) == y.SerializeToString(deterministic=True):
        return []
    return differences(x, y) or ["model: equal in every known field, but not in unknown ones or their order"]
