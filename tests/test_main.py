"""The command `python -m fastbp`: what it shows, and that it removes kernels and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PACKAGE, UNOPTIMIZED, python_path, run

import fastbp as fb
from fastbp import __main__ as command
from fastbp.engine import threads


def printed(*arguments: str, cache: Path) -> str:
    """What the command prints in a process of its own."""
    environment = {**os.environ, **python_path(PACKAGE.parent), **UNOPTIMIZED, "NUMBA_CACHE_DIR": str(cache)}
    line = [sys.executable, "-P", "-m", "fastbp", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_table(capsys):
    command.main([])
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["fastbp"] == fb.__version__
    assert rows["threads"].startswith(f"{threads.available()}, ")
    assert "vector registers of" in rows["instructions"]
    assert rows["processor"]
    assert rows["[lbfgs]"].startswith("scipy ")


def test_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    command.main([])
    assert (
        'scipy for L-BFGS and sparse matrices is not installed: pip install "fastbp[lbfgs]"' in capsys.readouterr().out
    )


def test_no_cache(capsys, monkeypatch):
    monkeypatch.setattr(command.kernel_cache, "cache_directory", lambda: None)
    command.main([])
    assert "each process compiles its own kernels" in capsys.readouterr().out
    command.main(["--clear-cache"])
    assert "removed 0 compiled kernels" in capsys.readouterr().out


def test_the_cache_is_cleared(cache, tmp_path):
    """Also that of another version; no file beside it, none of another user, and none behind a link."""
    count = len(list(cache.iterdir()))
    old = tmp_path / ("0" * 20 + cache.name[20:])
    old.mkdir(0o700)
    (old / "x.kernel").write_bytes(bytes(1000))
    thesis = cache / "thesis.txt"
    thesis.write_text("thesis")
    others = [tmp_path / "numba_1" / "x.nbi", tmp_path / ("1" * 20 + "-99999999") / "x.kernel"]
    for other in others:
        other.parent.mkdir(0o700)
        other.touch()
    if os.name == "posix":
        (tmp_path / ("2" * 20 + cache.name[20:])).symlink_to(others[0].parent)
    shown = printed(cache=tmp_path)
    assert f"{tmp_path} ({count + 1} kernels, " in shown
    assert f"removed {count + 1} compiled kernels" in printed("--clear-cache", cache=tmp_path)
    assert not list(old.iterdir())
    assert [*cache.iterdir()] == [thesis]
    assert all(other.exists() for other in others)
    assert thesis.read_text() == "thesis"
    assert "(0 kernels, 0.0 KiB)" in printed(cache=tmp_path)
    run("import inside; inside.one_kernel()", env={"NUMBA_CACHE_DIR": str(tmp_path), **UNOPTIMIZED})
    assert len(list(cache.glob("*.kernel"))) == 1


@pytest.mark.parametrize(("n", "shown"), [(0, "0.0 KiB"), (1536, "1.5 KiB"), (5 * 2**20, "5.0 MiB")])
def test_sizes(n, shown):
    assert command.size(n) == shown
