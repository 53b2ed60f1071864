"""onnx-diff: what it reports, in every form; exit codes."""

from __future__ import annotations

import html.parser
import json
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import onnx
import onnx.parser
import onnx.numpy_helper
import pytest

MODEL = """<ir_version: 10, opset_import: ["" : 21]>
net (float[batch, 4] x) => (float[batch, 3] y)
<float[4, 3] w = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, float[3] bias = {0.5, 0.25, 0.125}>
{
  [product] p = MatMul (x, w)
  [sum] s = Add (p, bias)
  [soft] y = Softmax <axis = -1> (s)
}"""


@pytest.fixture
def save(tmp_path: pathlib.Path):
    def make(name: str, text: str = MODEL, *changes: tuple[str, str]) -> pathlib.Path:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        onnx.save(onnx.parser.parse_model(text), path)
        return path
    return make


def report(run, *args) -> dict:
    done = run("onnx-diff", "--json", *args)
    assert done.code in (0, 1), done.err
    out = json.loads(done.out)
    assert (done.code == 0) == out["same"]
    return out


def test_the_same_whatever_the_names(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("p = MatMul", "other = MatMul"), ("Add (p, bias)", "Add (bias, other)"), ("[sum] s", "[plus] t"),
             ("(s)", "(t)"))
    done = run("onnx-diff", a, b).ok()
    assert "same" in done.out
    out = report(run, a, b)
    assert out["names"] == {"nodes": 1, "values": 2}
    assert out["nodes"]["aligned"] == 3


def test_a_changed_attribute(run, save):
    out = report(run, save("a.onnx"), save("b.onnx", MODEL, ("axis = -1", "axis = 0")))
    [change] = out["nodes"]["changes"]
    assert change["name"] == "soft"
    assert change["attributes"] == [{"name": "axis", "before": "-1", "after": "0"}]
    assert out["hunks"] == [] and out["interface"] == [] and out["weights"]["changes"] == []


def test_a_default_written_out_is_no_change(run, save):
    run("onnx-diff", save("a.onnx"), save("b.onnx", MODEL, ("Softmax <axis = -1>", "Softmax"))).ok()


def test_an_inserted_and_a_removed_node(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("[soft] y = Softmax <axis = -1> (s)", "[act] r = Relu (s)\n [soft] y = Softmax (r)"))
    for x, y, side in ((a, b, "added"), (b, a, "removed")):
        out = report(run, x, y)
        [group] = out["hunks"]
        [place] = group["places"]
        assert [n["op"] for n in place[side]] == ["Relu"]
        assert place["added" if side == "removed" else "removed"] == []
        assert place["readers"][0]["name"] == "soft"
        assert "has no Relu" in place[side][0]["why"]
        assert out["nodes"]["changes"] == []


def test_weights(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("10, 11}", "10, 13}"))
    out = report(run, a, b)
    [w] = out["weights"]["changes"]
    assert (w["a"], w["dims_a"], w["type_b"]) == ("w", [4, 3], "float")
    x = np.arange(12.0)
    y = x.copy()
    y[11] = 13
    d = w["difference"]
    assert d["differing"] == 1 and d["count"] == 12
    assert d["max"] == 2 and d["mean"] == pytest.approx(2 / 12)
    assert d["cosine"] == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert d["relative"] == pytest.approx(2 / np.linalg.norm(x))
    limit = 2 / np.linalg.norm(x)
    run("onnx-diff", f"--fail-on=weights>{limit * 1.01}", a, b).ok()
    assert run("onnx-diff", f"--fail-on=weights>{limit * 0.99}", a, b).code == 1
    run("onnx-diff", "--fail-on=ops,interface", a, b).ok()
    assert run("onnx-diff", "-q", a, b).code == 1


def test_interface(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("float[batch, 4] x", "float[1, 4] x"), ('"" : 21', '"" : 22'))
    out = report(run, a, b)
    assert {(c["kind"], c["name"], c["before"], c["after"]) for c in out["interface"]} == {
        ("input", "x", "float[batch, 4]", "float[1, 4]"), ("opset", "ai.onnx", "21", "22")}
    run("onnx-diff", "--fail-on=ops,weights", a, b).ok()
    assert run("onnx-diff", "--fail-on=interface", a, b).code == 1


def test_inside_a_body(run, save):
    text = """<ir_version: 10, opset_import: ["" : 21]>
branch (bool c, float[4] x) => (float[4] y) {
  k = Constant <value = float {2}> ()
  y = If (c) <then_branch = t () => (float[4] a) { [inner] h = LeakyRelu <alpha = 0.1> (x)  a = Mul (h, k) },
              else_branch = e () => (float[4] b) { b = Neg (x) }>
}"""
    out = report(run, save("a.onnx", text), save("b.onnx", text, ("alpha = 0.1", "alpha = 0.3")))
    [change] = out["nodes"]["changes"]
    assert change["name"] == "inner"
    assert out["hunks"] == []


@pytest.mark.parametrize("args, words", [
    ([], ["two models"]), (["a.onnx"], ["two models"]), (["a.onnx", "a.onnx", "a.onnx"], ["two models"]), (["-", "-"], ["standard input"]),
    (["--fail-on=color", "a.onnx", "a.onnx"], ["'color'", "interface"]), (["--fail-on=weights>x", "a.onnx", "a.onnx"], ["weights>x"]),
    (["--nonsense", "a.onnx", "a.onnx"], ["nonsense"]),
])
def test_usage(run, save, args, words):
    folder = save("a.onnx").parent
    run("onnx-diff", *args, cwd=folder).refused(2, *words)


def test_help_has_examples(run):
    out = run("onnx-diff", "--help").ok().out
    assert "Examples:" in out and "onnx-diff old.onnx new.onnx" in out


QUANTIZED = """<ir_version: 10, opset_import: ["" : 21]>
net (float[batch, 4] x) => (float[batch, 3] y)
<int8[4, 3] q = {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110}, float[3] bias = {0.5, 0.25, 0.125}>
{
  scale = Constant <value = float {0.1}> ()
  [widen] w = DequantizeLinear (q, scale)
  [product] p = MatMul (x, w)
  [sum] s = Add (p, bias)
  [soft] y = Softmax <axis = -1> (s)
}"""


def test_a_quantized_weight_against_its_float_one(run, save):
    out = report(run, save("a.onnx"), save("b.onnx", QUANTIZED))
    [w] = out["weights"]["changes"]
    assert (w["a"], w["b"]) == ("w", "q")
    assert w["type_a"] == "float" and "int8" in w["type_b"]
    assert w["difference"]["max"] < 1e-6 and w["difference"]["cosine"] == pytest.approx(1)
    assert out["hunks"][0]["new_ops"] == "DequantizeLinear"


def test_a_quantized_weight_behind_a_reshape(run, save):
    """One blob that several nodes read in shapes of their own."""
    flat = QUANTIZED.replace("int8[4, 3] q", "int8[12] q").replace(
        "[widen] w = DequantizeLinear (q, scale)", "[view] v = Reshape (q, dims)\n  [widen] w = DequantizeLinear (v, scale)").replace(
        "float[3] bias", "int64[2] dims = {-1, 3}, float[3] bias")
    assert "dims = " in flat and "int8[12]" in flat
    out = report(run, save("a.onnx"), save("b.onnx", flat))
    [w] = out["weights"]["changes"]
    assert (w["a"], w["b"]) == ("w", "q")
    assert w["difference"]["max"] < 1e-6 and w["difference"]["cosine"] == pytest.approx(1)


CASTS = """<ir_version: 10, opset_import: ["" : 21]>
net (float[batch, 4] x) => (float[batch, 4] y)
{
  [there] c = Cast <to = 9> (x)
  [back] d = Cast <to = 1> (c)
  [half] y = Neg (d)
}"""


def test_values_of_another_type_are_told_as_such(run, save, tmp_path):
    a, b = save("a.onnx", CASTS), save("b.onnx", CASTS, ("<to = 9>", "<to = 6>"))
    page, comment = tmp_path / "d.html", tmp_path / "d.md"
    done = run("onnx-diff", "--run", a, b)
    run("onnx-diff", "--run", f"--html={page}", f"--markdown={comment}", "-q", a, b)
    for text in (done.out, page.read_text(), comment.read_text()):
        assert "types differ: bool against int32" in text
        assert "inf" not in text.lower().replace("information", "")


@pytest.mark.parametrize("command", ["onnx-inspect --html", "onnx-inspect --shapes --json", "onnx-diff -v --json EMPTY"])
def test_a_reader_that_leaves_is_no_error(run, save, command):
    """As `| head -c 1` does: more output than a pipe holds, and nobody who reads it."""
    program, *options = command.split()
    model = pathlib.Path(__file__).parents[2] / "samples" / "models" / "tiny-bert.onnx"
    options = [str(save("empty.onnx")) if o == "EMPTY" else o for o in options]
    p = subprocess.Popen([run.folder / program, *options, model], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout.read(1)
    p.stdout.close()
    errors = p.stderr.read()
    assert p.wait(60) in (0, 1)
    assert "error" not in errors


def test_run_names_the_first_node_that_differs(run, save):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("0.25, 0.125", "0.35, 0.125"))
    done = run("onnx-diff", "--run", "--json", "--dim", "batch=3", a, b)
    assert done.code == 1
    values = json.loads(done.out)["values"]
    assert values["inputs"] == {"x": "float[3, 4]"}
    # Only the addition by itself; the softmax is fed with what a computed.
    assert [v["same"] for v in values["fed_with_a"]] == [True, False, True]
    assert values["fed_with_a"][values["first"]]["made_by"] == "Add 'sum'"
    assert values["fed_with_a"][1]["max"] == pytest.approx(0.1, rel=1e-5)
    assert [v["same"] for v in values["on_its_own"]] == [True, False, False]
    assert not values["outputs"][0]["same"]
    assert run("onnx-diff", "--run", "--fail-on=values", a, b).code == 1
    run("onnx-diff", "--run", "--fail-on=values>0.5", a, b).ok()
    run("onnx-diff", "--run", a, a).ok()
    assert "first at" in run("onnx-diff", "--run", a, b).out


def test_markdown(run, save, tmp_path):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("[soft] y = Softmax <axis = -1> (s)", "[act] r = Relu (s)\n [soft] y = Softmax <axis = 0> (r)"))
    target = tmp_path / "c.md"
    assert run("onnx-diff", f"--markdown={target}", "-q", a, b).code == 1
    text = target.read_text()
    assert text.startswith("### `a.onnx` → `b.onnx`")
    assert "| nodes | 3 | 4 |" in text
    assert text.count("<details>") == text.count("</details>") >= 1
    assert text.count("```") % 2 == 0
    assert "+ r = Relu (s)" in text and "`axis -1 -> 0`" in text


class Page(html.parser.HTMLParser):
    """Counts what it sees; every tag that is opened is closed."""

    VOID = {"meta", "input", "br", "link", "path", "rect", "circle"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.sources, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in ("src", "href"):
                self.sources.append(value)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)


HOSTILE = '</script><img src=x onerror=alert(1)>'


def hostile(path: pathlib.Path) -> pathlib.Path:
    m = onnx.load(path)
    for n in m.graph.node:
        n.name += HOSTILE
    relu = onnx.helper.make_node("Relu" + HOSTILE, ["s"], ["t" + HOSTILE], name="`|``" + HOSTILE, domain="x")
    m.graph.node.insert(2, relu)
    m.graph.node[-1].input[0] = relu.output[0]
    m.opset_import.append(onnx.helper.make_opsetid("x", 1))
    onnx.save(m, path)
    return path


def test_html_and_svg(run, save, tmp_path):
    a = save("a.onnx")
    b = save("b.onnx", MODEL, ("[soft] y = Softmax <axis = -1> (s)", "[act] r = Relu (s)\n [soft] y = Softmax <axis = 0> (r)"))
    page, picture = tmp_path / "d.html", tmp_path / "d.svg"
    assert run("onnx-diff", f"--html={page}", f"--svg={picture}", "-q", a, b).code == 1
    parsed = Page(page.read_text())
    assert {"find", "theme", "g0", "changed", "ops"} <= set(parsed.ids)
    assert parsed.sources == [] and not re.search(r"https?:", page.read_text())
    root = ElementTree.fromstring(picture.read_text())
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Relu" in words


def test_names_are_text_and_nothing_else(run, save, tmp_path):
    a, b = save("a.onnx"), hostile(save("b.onnx"))
    page, picture, comment = tmp_path / "d.html", tmp_path / "d.svg", tmp_path / "d.md"
    assert run("onnx-diff", f"--html={page}", f"--svg={picture}", f"--markdown={comment}", "-q", a, b).code == 1
    text = page.read_text()
    Page(text)
    assert "<img" not in text and text.count("</script>") == 1
    assert "<img" not in picture.read_text()
    ElementTree.fromstring(picture.read_text())
    outside = "".join(comment.read_text().split("```")[::2])
    assert "<img" not in "".join(outside.split("`")[::2])


@pytest.fixture
def repository(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder = tmp_path / "repo with 'quotes'"
    folder.mkdir()

    def git(*args: str) -> str:
        done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *args], cwd=folder,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    git("init", "-q")
    return folder, git


@pytest.mark.parametrize("where", ["local", "global"])
def test_git(run, save, repository, where):
    folder, git = repository
    run("onnx-diff", "--git-setup" if where == "local" else "--git-setup=global", cwd=folder).ok()
    again = run("onnx-diff", f"--git-setup={where}", cwd=folder).ok()
    assert "was there" in again.out
    model = folder / "model.onnx"
    model.write_bytes(save("a.onnx").read_bytes())
    git("add", ".")
    git("commit", "-q", "-m", "one")
    model.write_bytes(save("b.onnx", MODEL, ("axis = -1", "axis = 0")).read_bytes())
    said = git("diff")
    assert "a/model.onnx" in said and "Softmax 'soft': axis -1 -> 0" in said and "Binary" not in said
    git("commit", "-q", "-a", "-m", "two")
    log = git("log", "-p", "-1")  # textconv
    assert "-  y = Softmax <axis = -1> (s)" in log and "+  y = Softmax <axis = 0> (s)" in log
    assert "axis -1 -> 0" in git("log", "-p", "-1", "--ext-diff")
    assert "axis -1 -> 0" in git("difftool", "-y", "-t", "onnx", "HEAD~1", "HEAD", "--", "model.onnx")
    (folder / "other.onnx").write_bytes(b"no model")  # added, and bad: git goes on
    git("add", "other.onnx")
    said = git("diff", "--cached")
    assert "cannot be compared" in said and "other.onnx" in said
    git("mv", "-f", "other.onnx", "third.onnx")
    git("rm", "-q", "--cached", "model.onnx")
    assert "/dev/null" in git("diff", "--cached", "--", "model.onnx")


def test_git_setup_outside_of_a_repository(run, tmp_path, repository):
    os.environ["GIT_CEILING_DIRECTORIES"] = str(tmp_path.parent)
    try:
        run("onnx-diff", "--git-setup", cwd=tmp_path).refused(3, "not in a git repository")
    finally:
        del os.environ["GIT_CEILING_DIRECTORIES"]
