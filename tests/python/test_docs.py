"""Documentation: links lead somewhere, every page is in the index, commands that pages show have real options."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```|^    .*?$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "index.md").read_text()))
    assert sorted(p.name for p in (ROOT / "docs").glob("*.md") if p.name not in listed | {"index.md"}) == []


# Each tools/onnx_<name>.cpp is the program onnx-<name>.
PROGRAMS = sorted(p.stem.replace("_", "-") for p in (ROOT / "tools").glob("onnx_*.cpp"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_options_in_the_documentation_are_known(run, program):
    known = run(program, "--help").ok().out
    for page in PAGES:
        for line in page.read_text().splitlines():
            told = line.split("#")[0] if line.startswith("    ") else ""
            if not re.search(rf"(^|[\s/]){program} ", told):
                continue
            for option in re.findall(r"\s(--[a-z][a-z-]+)", told.split(f"{program} ", 1)[1].split("|")[0]):
                assert option in known, f"{page.name}: {line.strip()}"
