"""What is missing is told with the command that installs it."""

from __future__ import annotations

import sys
import tomllib

import numpy as np
import pytest
from helpers import ROOT

import fastbp as fb
from fastbp.base import extras


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch):
    """A function after which a module cannot be imported."""

    def remove(name: str) -> None:
        for loaded in [each for each in sys.modules if each.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, name, None)

    return remove


def trainer(**options) -> fb.Trainer:
    return fb.Trainer(fb.MLP([2, 1], seed=0), loss="squared_error", seed=0, **options)


X, Y = np.eye(2), np.array([0.0, 1.0])

CALLS = {
    "LBFGS": ("scipy", "lbfgs", lambda: trainer(optimizer=fb.LBFGS()).fit(X, Y)),
    "TensorBoard": ("tensorboardX", "tensorboard", lambda: trainer().fit(X, Y, callbacks=[board()])),
    "to_frame": ("pandas", "pandas", lambda: fb.History(loss=[1.0]).to_frame()),
    "History.plot": ("matplotlib", "plot", lambda: fb.History(loss=[1.0]).plot()),
    "separable": ("scipy", "separable", lambda: fb.separable(X, Y)),
    "auc": ("sklearn", "sklearn", lambda: fb.metrics.auc(Y.astype(int), X[:, :1])),
    "to_torch": ("torch", None, lambda: fb.interop.to_torch(fb.MLP([2, 1]))),
}


def board() -> fb.callbacks.Callback:
    return fb.callbacks.TensorBoard("runs")


@pytest.mark.parametrize("what", CALLS)
def test_a_missing_package(what, missing):
    module, extra, call = CALLS[what]
    missing(module)
    package = extras.EXTRAS[extra][0] if extra else module
    wanted = f'"fastbp[{extra}]"' if extra else module
    with pytest.raises(ImportError) as raised:
        call()
    assert str(raised.value) == f"{what} needs {package}: pip install {wanted}"


def test_nothing_is_trained_without_scipy(missing):
    missing("scipy")
    own = trainer(optimizer=fb.LBFGS())
    before = own.network.theta
    with pytest.raises(ImportError):
        own.fit(X, Y)
    assert own.history.epochs == 0
    assert (own.network.theta == before).all()


def test_versions(missing):
    assert extras.version("lbfgs").split(".")[0].isdigit()
    missing("scipy")
    assert extras.version("lbfgs") is None


def test_the_project_has_these_extras():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, (package, _) in extras.EXTRAS.items():
        assert any(line.startswith(f"{package}>=") for line in declared[extra])
