"""The cache of compiled kernels runs what it reads, so it reads only what its user alone can have written."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import UNOPTIMIZED, predicted, run_function, smallest

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this platform has other rules for files")


def predicting(warns: bool, whole: bool) -> None:
    """Predict, and print the digest of the predictions, or ask for a single kernel only."""
    import warnings

    import inside

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(predicted() if whole else inside.one_kernel())
    messages = [str(warning.message) for warning in caught]
    assert any("must belong to you, and nobody else may write to it" in text for text in messages) == warns, messages


def predict(home: Path, *, warns: bool = False, whole: bool = True) -> str:
    """The digest of the predictions of a fresh process that has its cache here."""
    env = {"NUMBA_CACHE_DIR": str(home), **UNOPTIMIZED}
    return run_function(predicting, warns, whole, env=env, timeout=60).stdout.strip()


def test_only_the_user_can_open_the_cache(warm):
    """Even with an umask of 0."""
    assert stat.S_IMODE(warm.directory.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(file.stat().st_mode) for file in warm.directory.iterdir()}
    assert modes == {0o600}


class Planted:
    """An object that makes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def plant(files: list[Path], marker: Path) -> list[Path]:
    """Replace kernels by files with the right digest that run code when they are read."""
    data = pickle.dumps(Planted(marker))
    for file in files:
        file.write_bytes(hashlib.sha256(data).digest() + data)
    return files


def everybody(cache: Path, files: list[Path]) -> None:
    for file in files:
        file.chmod(0o666)


def group(cache: Path, files: list[Path]) -> None:
    for file in files:
        file.chmod(0o660)


def links(cache: Path, files: list[Path]) -> None:
    elsewhere = cache.parent / "elsewhere"
    elsewhere.mkdir()
    for file in files:
        file.rename(elsewhere / file.name)
        file.symlink_to(elsewhere / file.name)


def another(cache: Path, files: list[Path]) -> None:
    for file in files:
        os.chown(file, 12345, 12345)


needs_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root can give files to another user"
)


@pytest.mark.parametrize("planted", [everybody, group, links, pytest.param(another, marks=needs_root)])
def test_planted_files_are_not_read(warm, cache, planted: Callable[[Path, list[Path]], None]):
    marker, files = cache.parent / "marker", smallest(cache)
    planted(cache, plant(files, marker))
    assert predict(cache.parent) == warm.digest
    assert not marker.exists()
    assert predict(cache.parent) == warm.digest
    assert not marker.exists()
    assert all(stat.S_ISREG(file.lstat().st_mode) and file.stat().st_uid == os.geteuid() for file in files)
    assert all(file.stat().st_size > 1000 for file in files), "kernels are written in place of those"


def test_a_planted_file_would_run(warm, cache):
    """Else the tests here would show nothing: the user's own files are believed."""
    marker = cache.parent / "marker"
    plant(smallest(cache), marker)
    assert predict(cache.parent) == warm.digest
    assert marker.exists()


def test_pipes_do_not_hang(warm, cache):
    for file in smallest(cache):
        file.unlink()
        os.mkfifo(file)
    assert predict(cache.parent) == warm.digest


@pytest.mark.parametrize("kind", ["writable", "link", "pipe", pytest.param("another's", marks=needs_root)])
def test_a_directory_of_others_is_not_used(warm, cache, kind):
    """A warning says what to do, and the kernels are compiled: all of them in one case, and one in the others."""
    marker = cache.parent / "marker"
    before = sorted(plant([*cache.iterdir()], marker))
    if kind == "writable":
        cache.chmod(0o777)
    elif kind == "another's":
        os.chown(cache, 12345, 12345)
    elif kind == "pipe":
        shutil.rmtree(cache)
        os.mkfifo(cache)
    else:
        cache.rename(cache.parent / "elsewhere")
        cache.symlink_to(cache.parent / "elsewhere")
    whole = kind == "writable"
    assert predict(cache.parent, warns=kind != "pipe", whole=whole) == (warm.digest if whole else "None")
    assert not marker.exists()
    assert kind == "pipe" or sorted(cache.iterdir()) == before, "nothing is written there"
