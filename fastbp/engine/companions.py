"""This module compiles kernels side by side, in processes of their own, because only one thread of Python can compile.

A process that needs several kernels starts companions. All of them go through the same list. Whoever claims a kernel
first compiles it, and the companions write theirs to the cache, where the process finds them. A forked process would
start sooner, but a fork can take a lock that another thread holds, and notebooks have many threads.

Kernels that only make a training faster are compiled in the background, by one companion, while the training goes on
without them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import threads

WORTH = 5
"""The number of kernels that are worth a companion. It starts in half a second, and a kernel takes about as long."""

MOST = 7
"""The largest number of companions."""

PATIENCE = 5
"""What a companion in the background adds to its niceness: those who train come first."""

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

    The directory has a file for each kernel that one of the processes has claimed.
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

    The value says which kernels this process must compile itself. With None, it must compile all of them. The kernels
    are those that are not in the cache.
    """
    count = min(threads.available() - 1, len(kernels) // WORTH, MOST)
    if count < 1 or not possible():
        yield None
        return
    with contextlib.ExitStack() as at_end:
        companions: list[subprocess.Popen[bytes]] = []
        with contextlib.suppress(OSError):  # there are too many processes, or there is no place for files
            directory = at_end.enter_context(tempfile.TemporaryDirectory(prefix="fastbp"))
            for _ in range(count):
                companions.append(_start(directory, kernels, home))
                at_end.callback(_end, companions[-1])
        yield Claims(directory) if companions else None
        for companion in companions:
            companion.wait()


def _end(companion: subprocess.Popen[bytes]) -> None:
    """End a companion."""
    companion.kill()
    companion.wait()


class _Background:
    """`_Background` is the companion that compiles in the background, of which a process has at most one at a time."""

    def __init__(self) -> None:
        self.allowed = True
        self._companion: subprocess.Popen[bytes] | None = None
        self._given: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether the companion is at work."""
        return self._companion is not None and self._companion.poll() is None

    def takes(self, kernels: Sequence[Any], home: Path) -> bool:
        """Return whether a companion compiles these kernels from now on, and writes them to a cache in `home`.

        If it has had all of them before, and could not compile them, nobody can do it in the background.
        """
        names = {kernel.name for kernel in kernels}
        if names <= self._given:
            return False
        self._given |= names
        if self._companion is None:
            atexit.register(self.end)
        try:
            self._companion = _start(None, kernels, home)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def unused(self) -> Iterator[None]:
        """Let nothing be compiled in the background, inside a with statement: everybody waits for their kernels."""
        self.allowed = False
        try:
            yield
        finally:
            self.allowed = True

    def wait(self) -> None:
        """Wait until the companion has finished."""
        if self._companion is not None:
            self._companion.wait()

    def end(self) -> None:
        """End the companion. The kernels that it has compiled so far are in the cache."""
        if self._companion is not None:
            _end(self._companion)


background = _Background()


def possible() -> bool:
    """Return whether this process can start a companion, and has a core for one."""
    return min(threads.available() - 1, MOST) > 0 and _python() is not None


def _python() -> str | None:
    """Return the path of Python, or None in a program that has Python inside, whose executable is another one."""
    from multiprocessing import spawn  # it takes 3 ms, and most processes find all kernels in the cache

    executable = os.fsdecode(spawn.get_executable() or "")
    python = Path(executable).name.lower().startswith("python") and not getattr(sys, "frozen", False)
    return executable if python else None


def _pickled(kernel: Any) -> bytes | None:
    """Return a kernel as bytes, or None if a companion could not read it, as that of a class in a script."""
    try:
        return pickle.dumps(kernel)
    except Exception:
        return None


def _start(directory: str | None, kernels: Sequence[Any], home: Path) -> subprocess.Popen[bytes]:
    """Start a companion. With a directory for `Claims`, it shares the kernels with others, else it has time.

    Its cache lies in `home`: the working directory may have changed since this process found its own.
    """
    executable = _python()
    assert executable is not None  # the caller has asked whether it is possible
    message = pickle.dumps((sys.path, [str(Path(__file__).parents[1])]))
    message += pickle.dumps((directory, list(filter(None, map(_pickled, kernels)))))
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
    claims = Claims(directory) if directory is not None else lambda name: True
    if directory is None and hasattr(os, "nice"):
        os.nice(PATIENCE)
    for each in kernels:
        with contextlib.suppress(Exception):  # who has started this process compiles it then, and sees the error
            kernel = pickle.loads(each)
            if claims(kernel.name):
                make([kernel])
