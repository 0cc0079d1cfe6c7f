"""The lesson book runs: its lines print what it shows, and its exercises name the faults of wrong answers."""

import functools
import importlib.util
import re

import numpy as np
import pytest
from helpers import ROOT

SPEC = importlib.util.spec_from_file_location("lessons", ROOT / "examples" / "lessons.py")
lessons = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lessons)

PAGE = lessons.PAGE.read_text(encoding="utf-8")


@functools.cache
def lines():
    """The blocks of the page: the code, what the page shows, and what the code prints."""
    pytest.importorskip("sklearn", reason="the lessons use its digits")
    pytest.importorskip("scipy", reason="the lessons use fb.separable and LBFGS")
    with np.printoptions():  # which the page sets for all that comes after it
        return [(block["code"], block["shown"] or "", printed) for block, printed in lessons.blocks(PAGE)]


def test_all_lines_print_what_the_page_shows():
    assert len(lines()) > 110
    for code, shown, printed in lines():
        assert lessons.alike(shown, printed), f"{code}\nprints\n{printed}\nand the page shows\n{shown}"


FAULTS = [
    "dC/dx is that of y.",
    "dC/dx leaves out dz.",
    "dC/dx is right where x >= 0, and wrong where x < 0.",
    "dC/db has the shape (4, 2), and must have the shape (2,) of b: sum it over axis 0.",
    "dC/da is 5 times the right one.",
    "dC/dX is wrong.",
]


def test_the_page_leaves_the_options_of_numpy_as_they_are():
    lines()
    assert repr(np.array([0.015625])) == "array([0.015625])"


def test_exercises():
    """Each of them has an answer whose fault is named, and then one that is right."""
    exercises = [printed for code, _, printed in lines() if "g.check(" in code]
    wrong, right = exercises[::2], exercises[1::2]
    assert len(right) == len(FAULTS)
    for said, fault in zip(wrong, FAULTS, strict=True):
        assert f"is wrong.\n- {fault}" in said
    assert all(" is right: " in said for said in right)


def test_nothing_is_left_out():
    """Every block of Python runs."""
    found = [block["code"] for block in lessons.BLOCK.finditer(PAGE)]
    assert len(found) == PAGE.count("```python")
    assert sum(bool(block["shown"]) for block in lessons.BLOCK.finditer(PAGE)) == PAGE.count("```text")


def test_the_page():
    """Lines are short, but for tables and outputs, and each row of a table has all cells."""
    text = re.sub(r"^\|[^\n]*|```text\n.*?```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert max(map(len, text.splitlines())) <= 120
    for table in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE):
        assert len({row.count("|") for row in table.splitlines()}) == 1


DIFFERENT = [
    ("1.0\n", "1.1\n"), ("True\n", "False\n"), ("(1.0, 2.0)\n", "(1.0,)\n"), ("1\n", ""), ("", "1\n"),
    ("x <- y: 2\n", "x <- z: 2\n"), ("a1^(2) 3\n", "a2^(2) 3\n"), ("0.001\n", "0.0015\n"), ("nan\n", "1\n"),
]  # fmt: skip
ALIKE = [
    ("0.1344\n", "0.13441\n"), ("array([1., -0.])\n", "array([1.,  0.])\n"), ("a  b\n1  2\n", "a b\n1 2\n"),
    ("1e-05\n", "0.0\n"), ("1797\n", "1797\n"),
]  # fmt: skip


@pytest.mark.parametrize(("shown", "printed"), DIFFERENT)
def test_outputs_that_differ(shown, printed):
    assert not lessons.alike(shown, printed)


@pytest.mark.parametrize(("shown", "printed"), ALIKE)
def test_outputs_that_are_alike(shown, printed):
    assert lessons.alike(shown, printed)


def test_what_a_notebook_shows():
    names = {}
    assert lessons.run("x = 2\nprint(x)\nx + 1", names) == "2\n3\n"
    assert lessons.run("y = x", names) == ""
    assert lessons.run("None", names) == ""
    assert lessons.run("'text'", names) == "text\n"
    assert lessons.run("import warnings\nwarnings.warn('care')\nx", names) == "UserWarning: care\n2\n"
    with pytest.raises(ZeroDivisionError) as raised:
        lessons.run("x\n1 / 0", names, line=41)
    assert raised.traceback[-1].lineno + 1 == 42


def test_the_command(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```python\nx = 1\n```\n\n```python\nx\n```\n\n```text\n2\n```\n\nB\n")
    monkeypatch.setattr(lessons, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["lessons.py"])
    with pytest.raises(SystemExit) as end:
        lessons.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == "x\nprints\n1\nand the page shows\n2\n\n"
    monkeypatch.setattr("sys.argv", ["lessons.py", "--write"])
    before = page.read_text()
    with pytest.raises(SystemExit) as end:
        lessons.main()
    assert end.value.code == 0
    assert page.read_text() == before.replace("\n2\n", "\n1\n")
