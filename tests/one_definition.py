#!/usr/bin/env python3
"""Holds that a namespace has one type of a name.

Two files that each define lathe::Range, differently, link into one program without a word, and the linker keeps one of
the two std::vector<Range> for both ([basic.def.odr]). `--self-check` proves on made-up files that it can fail.
"""

import collections
import pathlib
import re
import sys

OPENS = re.compile(r"(?:inline )?namespace\s*([\w:]*)\s*\{")
DEFINES = re.compile(r"(?:struct|class|union|enum class|enum)\s+(\w+)\s*(?:final\s*)?(?::(?!:)[^;]*)?\{")


def definitions(text):
    """(line, qualified name) of the types that a namespace holds; those of an unnamed one are the file's own."""
    inside = []
    for number, line in enumerate(text.split("\n"), 1):
        if opened := OPENS.match(line):
            inside.append(opened[1])
        elif re.match(r"\}\s*// namespace", line):
            inside.pop()
        elif all(inside) and (found := DEFINES.match(re.sub(r"^template <.*?> ?(?=struct|class)", "", line))):
            yield number, "::".join([*inside, found[1]])


def complaints(files):
    where = collections.defaultdict(list)
    for path, text in files:
        for line, name in definitions(text):
            where[name].append(f"{path}:{line}")
    return [f"{name} is defined at {' and at '.join(places)}" for name, places in where.items() if len(places) > 1]


def self_check():
    def file(body, name="lathe"):
        return f"namespace {name} {{\n{body}\n}}  // namespace {name}\n"

    one = file("struct Range {\n  int low;\n};")
    samples = [
        ([one, file("class Range {\n};")], 1),
        ([one, file("enum class Range : uint8_t { a };")], 1),
        ([one, file("struct Range final : Base {")], 1),
        ([file("template <size_t N>\nstruct Unit {"), file("struct Unit {")], 1),
        ([one, file("struct Range;")], 0),
        ([one, file("struct Range {", "lathe::diff")], 0),
        ([one, file("namespace {\nstruct Range {\n};\n}  // namespace")], 0),
        ([one, file("struct Range::Impl {")], 0),
        ([file("template <class T>\nstruct Of {"), file("template <>\nstruct Of<int> {")], 0),
    ]
    wrong = [s for s, count in samples if len(complaints((f"{i}.h", t) for i, t in enumerate(s))) != count]
    for sample in wrong:
        print(f"self-check: judged wrong: {sample}", file=sys.stderr)
    return not wrong


def main():
    if "--self-check" in sys.argv[1:]:
        return 0 if self_check() else 1
    root = pathlib.Path(__file__).resolve().parents[1]
    files = sorted(p for top in ("ir", "passes", "tools") for p in (root / top).rglob("*") if p.suffix in {".h", ".cpp"})
    found = complaints((p.relative_to(root).as_posix(), p.read_text(encoding="utf-8")) for p in files)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"one definition: {len(files)} files, {len(found)} names defined twice")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
