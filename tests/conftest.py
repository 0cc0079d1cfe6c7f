"""Fixtures that test files share; functions that they share are in `helpers.py`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import util
from pathlib import Path

import pytest

pytest.register_assert_rewrite("helpers", "watched", "epochs", "interrupted", "many_zeros", "inside")

# `test_types.py` runs this script in a directory of its own. Pytest, which looks for doctests, would run it in any. The
# campaign has a command of its own.
collect_ignore = ["typed_script.py", "campaign"]

# Two test processes share the cores, and OpenMP's threads that spin at a barrier would cost milliseconds a step.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def quiet_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of what is written to standard error must not depend on the kernels that are in the cache.

    Processes that help to compile would cost more than they gain, because two test processes share the cores.
    """
    if "fastbp.engine" in sys.modules:  # some tests look at what the import does
        import inside

        inside.compile_quietly(monkeypatch)


@pytest.fixture(autouse=True)
def no_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are written here, and no power cut follows. Tests with the mark `disk` wait for the disk."""
    if "disk" not in request.keywords:
        monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory):
    """A cache of kernels that tests share, so that each of them compiles only what it is about: a `helpers.Warm`."""
    import helpers

    home = tmp_path_factory.mktemp("kernels")
    before = os.umask(0)  # and yet nobody else can write there
    try:
        printed = helpers.run_function(helpers.compiling, env={"NUMBA_CACHE_DIR": str(home), **helpers.UNOPTIMIZED})
    finally:
        os.umask(before)
    digest, compiled = printed.stdout.split()
    (directory,) = home.iterdir()
    return helpers.Warm(directory, digest, int(compiled))


@pytest.fixture
def cache(warm, tmp_path: Path) -> Path:
    """A copy of the directory of `warm`. Its parent is the NUMBA_CACHE_DIR to use, with the environment UNOPTIMIZED."""
    return shutil.copytree(warm.directory, tmp_path / warm.directory.name)


@pytest.fixture(params=["omp", "workqueue"])
def layer(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that makes Numba use each of its thread pools."""
    if request.param == "omp":
        try:
            import numba.np.ufunc.omppool  # noqa: F401
        except ImportError as error:
            pytest.skip(f"Numba has no OpenMP here: {error}")
    return {"NUMBA_THREADING_LAYER": request.param}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip a doctest that needs a package which is not installed: it imports the package, or its docstring says so."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            text = item.dtest.docstring
            needed = re.findall(r"^ *>>> (?:import|from) (\w+)", text, re.MULTILINE)
            needed += re.findall(r"[Ii]f ([\w-]+) is not installed", text)
            missing = [name for name in needed if util.find_spec(name.replace("scikit-learn", "sklearn")) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"{missing[0]} is not installed"))
