"""README.md does what it says: its code runs and prints what it shows, its links work, and its lists are complete."""

import contextlib
import io
import operator
import re
import tomllib
from itertools import chain

import numpy as np
import pytest
from helpers import ROOT, same

import fastbp
from fastbp import schedules
from fastbp.activations import OUTPUTS
from fastbp.losses import LOSSES
from fastbp.metrics import METRICS
from fastbp.rules.averages import AVERAGES
from fastbp.rules.optimizers import OPTIMIZERS

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def run(block, names):
    """Run a block of Python among the names of those before it, and return what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block, names)
    return printed.getvalue()


def test_python(tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="README uses its digits, and its AUC")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        if "import torch" in block:
            try:
                import torch  # noqa: F401
            except ImportError:
                continue
        printed = run(block, names)
        if "print(history)" in block:
            assert_printed(printed)
        if "fb.Checkpoint(" in block:
            epochs = names["history"].epochs
            assert len(printed.splitlines()) == epochs
            assert (tmp_path / "history.csv").read_text().count("\n") == epochs + 1
            weights = names["net"].weights
        if "resume(" in block:  # nothing was left of it
            resumed = names["trainer"].network.weights
            assert same(weights, resumed)
    assert len(names["ensemble"].trainers) == 8


def assert_printed(printed):
    """What the quick start prints is what README shows, but for seconds and for the digits that a processor rounds."""
    shown = re.search(r"```text\n(.*?)```", TEXT, re.DOTALL)[1]
    tables = []
    for text in (shown, printed):
        head, *rows, last = text.splitlines()
        numbers = np.array([row.split() for row in rows], float)
        tables.append((head.split(), np.delete(numbers, head.split().index("seconds"), axis=1), last))
    assert tables[0][0] == tables[1][0]
    np.testing.assert_allclose(tables[0][1], tables[1][1], atol=0.01)
    assert tables[0][2] == tables[1][2]


def test_set_up_lines():
    """.ci/run takes them from here."""
    lines = re.findall(r"^```\n(python -m pip install .* && .*)\n```$", TEXT, re.MULTILINE)
    assert lines == re.findall(r"^python -m pip install .* && .*$", TEXT, re.MULTILINE)
    assert [line.rpartition(" && ")[2] for line in lines] == [
        "python examples/mnist.py",
        "python -m pytest -n auto --dist worksteal",
    ]


PAGES = [
    "README.md",
    ".github/SECURITY.md",
    ".github/CHANGELOG.md",
    "benchmarks/RESULTS.md",
    "benchmarks/ROOFLINE.md",
    "examples/lessons.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    headings = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found]
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert ((ROOT / page).parent / target).exists(), target


def test_security():
    """The names that the page gives are those of the package, and README has its link."""
    page = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
    assert "](.github/SECURITY.md)" in TEXT
    names = re.findall(r"`fastbp\.([\w.]+)`", page)
    assert len(names) >= 4
    for name in names:
        operator.attrgetter(name)(fastbp)


def test_the_version():
    """The citation, the list of changes and the package agree, and the addresses are those of this page."""
    citation = (ROOT / ".github" / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {fastbp.__version__}\n" in citation
    changes = (ROOT / ".github" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.*)$", changes, re.MULTILINE)[1] == fastbp.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = re.search(r"git clone (\S+)", TEXT)[1]
    assert f'"{address}"' in citation
    assert all(url.startswith(address) for url in project["urls"].values())
    assert project["urls"]["Repository"] == address
    assert project["keywords"] == sorted(project["keywords"])
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]


def test_every_choice_is_named():
    named = set(re.findall(r"`(\w+)", TEXT.partition("| Family |")[2].partition("\n\n")[0]))
    optimizers = [kind.__name__ for kind in OPTIMIZERS.kinds]
    families = [OUTPUTS, LOSSES, METRICS, optimizers, schedules.by_name(), AVERAGES]
    assert {*chain(*families)} - named == {"Product"}  # which is written a * b
