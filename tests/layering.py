#!/usr/bin/env python3
"""Holds the direction of dependencies by reading the #include lines.

tools -> passes -> ir, and inside ir: base <- core <- {onnx, ops} <- exec. Headers of the onnx library and
generated protobuf headers belong to ir/onnx. `--self-check` proves on made-up files that each rule can fail.
"""

import pathlib
import re
import sys
import tempfile

# What each layer may include. The longest prefix of a file's path names its layer.
MAY_INCLUDE = {
    "ir/base": {"ir/base"},
    "ir/core": {"ir/base", "ir/core"},
    "ir/onnx": {"ir/base", "ir/core", "ir/onnx"},
    "ir/ops": {"ir/base", "ir/core", "ir/ops"},
    "ir/exec": {"ir/base", "ir/core", "ir/onnx", "ir/ops", "ir/exec"},
    "passes": {"ir/base", "ir/core", "ir/onnx", "ir/ops", "ir/exec", "passes"},
}
MAY_INCLUDE["tools"] = MAY_INCLUDE["passes"] | {"tools"}
PROTOBUF_LAYER = "ir/onnx"
PROTOBUF = re.compile(r"^(onnx/|google/protobuf/)|\.pb\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
SUFFIXES = {".h", ".hpp", ".cpp", ".cc", ".inc"}


def layer_of(path):
    return next((name for name in MAY_INCLUDE if path.startswith(name + "/")), None)


def complaints_about(path, text):
    layer = layer_of(path)
    if layer is None:
        yield f"{path}: belongs to no layer (expected one of {', '.join(MAY_INCLUDE)})"
        return
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        line = text.count("\n", 0, match.start(2)) + 1
        if PROTOBUF.search(target):
            if layer != PROTOBUF_LAYER:
                yield f"{path}:{line}: {target} may be included in {PROTOBUF_LAYER} only"
        elif quote == '"':
            target_layer = layer_of(target)
            if target_layer is None:
                if not target.endswith(".inc"):  # a table that the build generates
                    yield f'{path}:{line}: "{target}" is not written from the repository\'s root'
            elif target_layer not in MAY_INCLUDE[layer]:
                yield f"{path}:{line}: {layer} must not include {target_layer} ({target})"


def check(root):
    found, files = [], 0
    for top in ("ir", "passes", "tools"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                files += 1
                found += complaints_about(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return files, found


def self_check():
    """Each sample is one file with one include; the last field says whether it must be refused."""
    samples = [
        ("ir/core/a.h", '#include "passes/core/pass.h"', True),
        ("ir/core/a.h", '#include "tools/cli.h"', True),
        ("passes/fold/a.cpp", '#include "tools/cli.h"', True),
        ("ir/base/a.h", '#include "ir/core/model.h"', True),
        ("ir/core/a.cpp", '#include "ir/onnx/load.h"', True),
        ("ir/core/a.cpp", '#  include "ir/ops/op.h"', True),
        ("ir/onnx/a.cpp", '#include "ir/ops/op.h"', True),
        ("ir/ops/math/a.cpp", '#include "ir/onnx/load.h"', True),
        ("ir/ops/math/a.cpp", '#include "ir/exec/run.h"', True),
        ("ir/core/a.cpp", "#include <onnx/onnx_pb.h>", True),
        ("passes/core/a.cpp", '#include "onnx/checker.h"', True),
        ("tools/a.cpp", "#include <google/protobuf/message.h>", True),
        ("ir/core/a.cpp", '#include "model.h"', True),
        ("ir/stray.h", "", True),
        ("ir/core/a.cpp", '#include "ir/base/span.h"', False),
        ("ir/core/a.cpp", '// the word passes in a comment: "passes/core/pass.h"', False),
        ("ir/onnx/a.cpp", "#include <onnx/onnx_pb.h>", False),
        ("ir/exec/a.cpp", '#include "ir/ops/op.h"', False),
        ("passes/fold/a.cpp", '#include "ir/exec/run.h"', False),
        ("tools/view/a.cpp", '#include "passes/core/pass.h"', False),
    ]
    wrong = []
    for path, text, refused in samples:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(f"#pragma once\n{text}\n", encoding="utf-8")
            _, found = check(pathlib.Path(folder))
        if bool(found) != refused:
            wrong.append(f"{path}: {text!r} should be {'refused' if refused else 'accepted'}: {found}")
    return len(samples), wrong


def main():
    if sys.argv[1:] == ["--self-check"]:
        count, found = self_check()
        what = "samples"
    else:
        count, found = check(pathlib.Path(__file__).resolve().parent.parent)
        what = "files"
    print("\n".join(found + [f"layering: {count} {what}, {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
