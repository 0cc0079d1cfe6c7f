"""Threads: how many, and when a process may use them at all."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numba

_serial_only = False
_locks: weakref.WeakSet = weakref.WeakSet()


def lock() -> threading.Lock:
    """A lock that a forked child finds open: the thread that held it in the parent does not exist there."""
    made = threading.Lock()
    _locks.add(made)
    return made


_turns = lock()


def _after_fork() -> None:
    """In a forked child: the parent's threads are gone, and GNU OpenMP would end the process that asks for them."""
    global _serial_only
    for held in _locks:
        held._at_fork_reinit()
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    _serial_only = _serial_only or bool(parallel and parallel._is_initialized)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _quota() -> float:
    """The CPUs that the process's control group may use at once; infinite without a limit."""
    limits = []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            root = Path("/sys/fs/cgroup") / (controllers or ".")
            if controllers and "cpu" not in controllers.split(","):
                continue
            for group in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
                if not group.is_relative_to(root):
                    break
                with contextlib.suppress(OSError, ValueError):
                    if controllers:
                        quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
                    else:
                        quota, period = (group / "cpu.max").read_text().split()
                    if quota != "max" and float(quota) > 0:
                        limits.append(float(quota) / float(period))
    return min(limits, default=float("inf"))


def available() -> int:
    """The cores that this process may use: its affinity, its control group's quota, NUMBA_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cores, _quota(), numba.config.NUMBA_NUM_THREADS)))


def allowed() -> bool:
    """Whether this process may run parallel kernels."""
    return not _serial_only


SPINS = "2000"
"""How often GNU OpenMP looks whether its turn has come, some 30 microseconds, before it gives its core to others. By
default it looks for milliseconds: where others held the second core, that left 5 of 117 GFLOP/s, and this leaves 50 to
80; where they do not, there is no difference."""


@functools.cache
def start() -> str:
    """Start Numba's threads, before anything else does, and name the library that runs them."""
    own = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if own:  # read once, when the library is loaded
        os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        numba.get_num_threads()
    finally:
        if own:
            os.environ.pop("GOMP_SPINCOUNT", None)
    return numba.threading_layer()


@contextlib.contextmanager
def team(threads: int) -> Iterator[None]:
    """Let this Python thread's parallel kernels use so many threads, while they run.

    Numba's own thread pool (workqueue) ends a process that enters it twice at once, so there they take turns.
    """
    if threads == 1:
        yield
        return
    turn = contextlib.nullcontext() if start() in ("omp", "tbb") else _turns
    before = numba.get_num_threads()
    with turn:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        try:
            yield
        finally:
            numba.set_num_threads(before)
