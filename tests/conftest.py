"""Fixtures that test files share; functions that they share are in `helpers.py`."""

from __future__ import annotations

import re
import sys
from importlib import util

import pytest

pytest.register_assert_rewrite("helpers", "watched", "epochs", "interrupted")

# `test_types.py` runs this script in a directory of its own. Pytest, which looks for doctests, would run it in any. The
# campaign has a command of its own.
collect_ignore = ["typed_script.py", "campaign"]


@pytest.fixture(autouse=True)
def no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of what is written to standard error must not depend on the kernels that are in the cache."""
    compiled = sys.modules.get("fastbp.engine.kernel_cache")  # some tests look at what the import does
    if compiled is not None:
        monkeypatch.setattr(compiled._notice, "given", True)


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
