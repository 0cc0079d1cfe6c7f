"""What README.md shows does what it says."""

import contextlib
import io
import re

import pytest
from helpers import ROOT, same


def blocks():
    """Its Python, but for what wants MNIST."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return [block for block in found if "load_mnist" not in block]


def test_python(tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="README shows the AUC, which scikit-learn computes")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks():
        if "import torch" in block:
            try:
                import torch  # noqa: F401
            except ImportError:
                continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(block, names)
        if "fb.Checkpoint(" in block:
            epochs = names["history"].epochs
            assert len(printed.getvalue().splitlines()) == epochs
            assert (tmp_path / "history.csv").read_text().count("\n") == epochs + 1
            weights = names["net"].weights
        if "resume(" in block:  # nothing was left of it
            resumed = names["trainer"].network.weights
            assert same(weights, resumed)
    assert len(names["ensemble"].trainers) == 8
