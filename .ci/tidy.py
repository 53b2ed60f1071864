#!/usr/bin/env python3
"""Runs clang-tidy over the tracked sources, and remembers which of them were clean.

A source is checked again when it, a project header it reaches, the settings or the tool changed. The sources
touched by the latest commits come first, so that a run bounded by --seconds sees what is new.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@functools.cache
def includes_of(path):
    return [name for name in INCLUDE.findall((ROOT / path).read_text(encoding="utf-8")) if (ROOT / name).is_file()]


def closure_of(path):
    seen, todo = set(), [path]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += includes_of(name)
    return sorted(seen)


def key_of(path, flags, base):
    digest = hashlib.sha256(f"{base}\n{path}\n{flags}\n".encode())
    for name in closure_of(path):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def newest_first(paths):
    recent = dict.fromkeys(output_of("git", "log", "-n", "100", "--name-only", "--format=").split())
    changed = dict.fromkeys(output_of("git", "diff", "HEAD", "--name-only").split())
    order = {name: place for place, name in enumerate(changed | recent)}
    return sorted(paths, key=lambda path: (order.get(path, len(order)), path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="check also what was found clean before")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further source after this long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--build", default="build", help="folder of compile_commands.json")
    parser.add_argument("sources", nargs="*", help="only these")
    args = parser.parse_args()

    start = time.monotonic()
    memory = pathlib.Path(os.environ.get("LATHE_TIDY_CACHE", ROOT / args.build / "tidy"))
    memory.mkdir(parents=True, exist_ok=True)
    base = output_of("clang-tidy", "--version") + (ROOT / ".clang-tidy").read_text(encoding="utf-8")

    commands = {}
    for entry in json.loads((ROOT / args.build / "compile_commands.json").read_text(encoding="utf-8")):
        file = pathlib.Path(entry["file"])
        if file.is_relative_to(ROOT):
            commands[file.relative_to(ROOT).as_posix()] = entry["command"].replace(str(ROOT), ".")
    tracked = set(output_of("git", "ls-files", "--", "*.cpp").split())
    sources = [path for path in newest_first(tracked & commands.keys()) if not args.sources or path in args.sources]
    keys = {path: memory / key_of(path, commands[path], base) for path in sources}
    todo = [path for path in sources if args.all or args.sources or not keys[path].exists()]

    def check(path):
        if time.monotonic() - start > args.seconds:
            return path, None, ""
        done = subprocess.run(
            ["clang-tidy", "--quiet", "--extra-arg=-Wno-deprecated-declarations", "-p", args.build, path], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            keys[path].touch()
        return path, done.returncode, done.stdout if done.stdout.strip() else done.stderr

    bad = left = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for _, status, text in pool.map(check, todo):
            left += status is None
            if status:
                bad += 1
                print(text.replace(f"{ROOT}/", ""), flush=True)
    checked = len(todo) - left
    print(f"clang-tidy: {checked} checked, {bad} with complaints, {len(sources) - len(todo)} clean before, {left} left")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
