"""Warnings: each names the line of the user, whatever lies between it and the place that warns."""

import os

import pytest
from helpers import PACKAGE, run

USER = """
    import sys, warnings
    import fastbp as fb
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        {}
    print(*set((one.filename, one.category.__name__) for one in caught))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a directory has no owner here")
def test_a_refused_cache_is_told_in_the_line_that_needed_a_kernel(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"}
    run("from fastbp.engine import kernel_cache as k; k.cache_directory()", environment)
    next(tmp_path.iterdir()).chmod(0o777)
    answer = run(USER.format("fb.MLP([1, 1]).predict([[1.0]])"), environment)
    assert answer.stdout.strip() == "('<string>', 'UserWarning')"


@pytest.mark.parametrize("way", ["fb.callbacks.Settled", "from fastbp.callbacks import Settled"])
def test_an_old_name(way):
    assert run(USER.format(way)).stdout.strip() == "('<string>', 'FutureWarning')"


def test_there_is_one_way_to_warn():
    """`warnings.warn` with a fixed level names a line of fastbp as soon as a function comes between."""
    ways = [path.name for path in PACKAGE.rglob("*.py") if "warnings.warn(" in path.read_text(encoding="utf-8")]
    assert ways == ["user_warnings.py"]
