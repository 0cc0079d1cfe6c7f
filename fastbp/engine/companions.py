"""This module compiles kernels side by side, in processes of their own, because only one thread of Python can compile.

A process that needs several kernels starts companions. All of them go through the same list. Whoever claims a kernel
first compiles it, and the companions write theirs to the cache, where the process finds them. A forked process would
start sooner, but a fork can take a lock that another thread holds, and notebooks have many threads.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from . import threads

WORTH = 5
"""The number of kernels that are worth a companion. It starts in half a second, and a kernel takes about as long."""

MOST = 7
"""The largest number of companions."""

CODE = """
import pickle, sys, types
sys.path[:], path = pickle.load(sys.stdin.buffer)
sys.modules["fastbp"] = package = types.ModuleType("fastbp")
package.__path__ = path
from fastbp.engine import companions, kernel_cache
companions.serve(kernel_cache.addresses)
"""
"""The program of a companion. It imports what kernels need, and not the public names of fastbp, which takes 0.2 s."""


class Claims:
    """`Claims` says which process compiles which kernel.

    Parameters
    ----------
    directory : str
        A directory of these processes, with a file for each kernel that somebody has claimed.
    """

    def __init__(self, directory: str):
        self._directory = Path(directory)

    def __call__(self, name: str) -> bool:
        """Return whether this process shall compile a kernel: nobody has claimed it yet."""
        try:
            os.close(os.open(self._directory / name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        except OSError:  # the directory is full or gone: it is better to compile twice than not at all
            return True
        return True


@contextlib.contextmanager
def helping(kernels: Sequence[Any], home: Path) -> Iterator[Claims | None]:
    """Let companions compile some of the kernels, inside a with statement. At its end, they have finished.

    Parameters
    ----------
    kernels : sequence of Kernel
        The kernels that are not in the cache.
    home : Path
        The directory for the cache. The working directory may have changed since this process found it.

    Yields
    ------
    Claims or None
        What says which kernels this process must compile itself. With None, it must compile all of them.
    """
    count = min(threads.available() - 1, len(kernels) // WORTH, MOST)
    executable = spawn.get_executable()
    # In a program that has Python inside, the executable is not Python.
    python = executable is not None and Path(os.fsdecode(executable)).name.lower().startswith("python")
    if count < 1 or not python or getattr(sys, "frozen", False):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="fastbp") as directory:
        companions: list[subprocess.Popen[bytes]] = []
        try:
            message = pickle.dumps((sys.path, [str(Path(__file__).parents[1])])) + pickle.dumps(
                (directory, list(filter(None, map(_pickled, kernels))))
            )
            for _ in range(count):
                companions.append(_start(os.fsdecode(executable), message, home))
            yield Claims(directory)
            for companion in companions:
                companion.wait()
        except OSError:  # there are too many processes, for example
            yield None
        finally:
            for companion in companions:
                companion.kill()
                companion.wait()


def _pickled(kernel: Any) -> bytes | None:
    """Return a kernel as bytes, or None if a companion could not read it, as that of a class in a script."""
    try:
        return pickle.dumps(kernel)
    except Exception:
        return None


def _start(executable: str, message: bytes, home: Path) -> subprocess.Popen[bytes]:
    """Start a companion, with a directory for its cache."""
    quiet = subprocess.DEVNULL
    flags: dict[str, Any] = {"start_new_session": True}
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(home)}
    if sys.platform == "win32":
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW}
    companion = subprocess.Popen(
        [executable, "-c", CODE], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=environment, **flags
    )
    assert companion.stdin is not None
    with contextlib.suppress(OSError):  # it has ended already
        companion.stdin.write(message)
        companion.stdin.close()
    return companion


def serve(make: Callable[[list[Any]], object]) -> None:
    """Be a companion: let a function compile the kernels that nobody has claimed, which writes them to the cache."""
    directory, kernels = pickle.load(sys.stdin.buffer)
    claims = Claims(directory)
    for each in kernels:
        with contextlib.suppress(Exception):  # who has started this process compiles it then, and sees the error
            kernel = pickle.loads(each)
            if claims(kernel.name):
                make([kernel])
