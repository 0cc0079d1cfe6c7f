"""What the package shows of itself: the names, their docstrings, and nothing else; and what its import does."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pydoc
import re
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import PACKAGE, run

import fastbp as fb
from fastbp.activations import OUTPUTS
from fastbp.losses import LOSSES
from fastbp.metrics import METRICS

MODULES = ("activations", "callbacks", "datasets", "graph", "interop", "losses", "metrics", "schedules")


def test_the_package():
    assert dir(fb) == sorted([*fb.__all__, "__version__"])
    for name in fb.__all__:
        assert getattr(fb, name).__doc__
    assert {*MODULES} <= {*fb.__all__}
    shown = pydoc.render_doc(fb, renderer=pydoc.plaintext)
    assert "class Ensemble" in shown
    assert "class Settings" not in shown


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    module = importlib.import_module(f"fastbp.{name}")
    assert getattr(fb, name) is module
    assert dir(module) == sorted(module.__all__)
    assert module.__doc__
    for each in module.__all__:
        value = getattr(module, each)
        assert not inspect.ismodule(value)
        assert not each.startswith("_")
        if callable(value):
            assert inspect.getdoc(value), each


def test_everything_that_has_a_name_is_listed():
    """In `dir`, and in the docstring of its module."""
    for name, loss in LOSSES.items():
        assert type(loss).__name__ in dir(fb.losses)
        assert f'"{name}"' in fb.losses.__doc__
    for name, sigma in OUTPUTS.items():
        assert {name, type(sigma).__name__} <= {*dir(fb.activations)}
        assert f'"{name}"' in fb.activations.__doc__
        assert f"`{type(sigma).__name__}`" in fb.activations.__doc__
    for name in METRICS:
        assert f'"{name}"' in fb.metrics.__doc__
    for name in fb.callbacks.__all__:
        assert f"`{name}`" in fb.callbacks.__doc__
    assert {*fb.schedules.by_name()} == {*fb.schedules.__all__} - {"Schedule"}


@pytest.mark.parametrize("module", ["", ".schedules"])
def test_what_is_not_there(module):
    name = f"fastbp{module}"
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Sequential'"):
        _ = importlib.import_module(name).Sequential
    assert not hasattr(importlib.import_module(name), "SCHEDULES")


def test_star():
    names: dict = {}
    exec("from fastbp import *\nfrom fastbp.schedules import *", names)
    assert {*fb.__all__, "Cosine"} <= names.keys()


LATER = (
    "base.html", "data.separable", "datasets", "generative.rbm", "graph", "interop", "network.gradient_check",
    "network.scalar_graph", "network.trace", "schedules.curves", "training.ensemble", "training.units",
)  # fmt: skip


@pytest.mark.parametrize("name", LATER)
def test_what_the_import_leaves_out_exists(name):
    """A name of the past would make the next test pass whatever the import does."""
    assert importlib.util.find_spec(f"fastbp.{name}") is not None


def test_the_import_leaves_out_what_few_programs_need():
    code = f"""
        import sys, numba, gc
        gc.disable()
        before = {{*sys.modules}}
        import fastbp as fb
        print([name for name in {LATER!r} if "fastbp." + name in sys.modules], gc.isenabled())
        names = {{*sys.modules}} - before
        print([name for name in ("numpy.typing", "tqdm", "scipy", "pandas", "matplotlib") if name in names])
        gc.enable()
        from fastbp import graph, Ensemble
        print(graph.__name__, Ensemble.__name__, fb.schedules.Cosine(3), "Ensemble" in vars(fb), gc.isenabled())
    """
    assert run(code).stdout.splitlines() == ["[] False", "[]", "fastbp.graph Ensemble Cosine(3) True True"]


def test_the_import_compiles_nothing():
    """Numba takes 25 ms to prepare the modules that compile: a program that only loads fastbp does without them."""
    folder = PACKAGE / "kernels"
    compiling = [path.stem for path in folder.rglob("*.py") if "import njit" in path.read_text(encoding="utf-8")]
    assert "loop" in compiling
    code = f"""
        import sys, fastbp as fb
        fb.Trainer(fb.MLP([2, 3, 1], output="sigmoid"), loss="binary_cross_entropy", optimizer="adam")
        print([name for name in {compiling!r} if "fastbp.kernels." + name in sys.modules])
        print("multiprocessing.spawn" in sys.modules)
        fb.MLP([2, 1]).predict([[1.0, 2.0]])
        print([name for name in {compiling!r} if "fastbp.kernels." + name not in sys.modules])
        print("numpy.ma" in sys.modules)  # which takes 15 ms
    """
    assert run(code).stdout.splitlines() == ["[]", "False", "[]", "False"]


def test_the_import_leaves_the_collector_of_garbage_on():
    assert run("import gc, fastbp; print(gc.isenabled())").stdout.strip() == "True"


def test_annotations_can_be_read():
    """They name types that the import leaves out."""
    assert "ArrayLike" in str(inspect.signature(fb.MLP.predict))
    assert "callbacks" in inspect.signature(fb.Trainer.fit).parameters
    assert np.dtype(fb.MLP([1, 1]).dtype) == np.float32


def public() -> Iterator[tuple[str, str]]:
    """The names and docstrings of all public modules, classes, functions, methods and properties."""
    for module in [fb, *(importlib.import_module(f"fastbp.{name}") for name in (*MODULES, "sklearn"))]:
        yield module.__name__, module.__doc__
        for name in module.__all__:
            found = getattr(module, name)
            yield f"{module.__name__}.{name}", inspect.getdoc(found) or ""
            for each in dir(found) if inspect.isclass(found) else ():
                inside = getattr(found, each, None)
                home = getattr(getattr(inside, "fget", inside), "__module__", None) or ""
                if each[0] != "_" and home.startswith("fastbp") and not inspect.isclass(inside):
                    yield f"{module.__name__}.{name}.{each}", inspect.getdoc(inside) or ""


SECTIONS = {
    "Attributes", "Examples", "Notes", "Parameters", "Raises", "Returns", "See Also", "References", "Warns", "Yields",
}  # fmt: skip


def test_docstrings_are_restructured_text():
    """``|x|`` is a substitution there, ``x_`` a link, and a section begins after a blank line."""
    found = dict(public())
    assert len(found) > 300
    for name, text in found.items():
        lines = text.splitlines()
        for k, line in enumerate(lines):
            if k and re.fullmatch("---+", line):
                assert lines[k - 1] in SECTIONS, name
                assert len(lines[k - 1]) == len(line), name
                assert lines[k - 2] == "", name
        assert not re.search(r"\w -----", text), name
        prose = re.sub(r"``.+?``|`[^`]+`", "", text, flags=re.DOTALL)
        prose = re.sub(r"^ *(>>>|\.\.\.).*(\n.+)*|^[\w, ]+ :", "", prose, flags=re.MULTILINE)
        assert not re.search(r"(?<!\|)\|[^\s|]([^|]*[^\s|])?\|(?!\|)", prose), name
        assert not re.search(r"\w_(?![\w(+])", prose), name
