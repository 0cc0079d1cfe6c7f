"""Threads: how many, and when a process may use them at all."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numba

_lock = threading.Lock()
_serial_only = False


def _after_fork() -> None:
    """In a forked child: the parent's threads are gone, and GNU OpenMP would end the process that asks for them."""
    global _lock, _serial_only
    _lock = threading.Lock()
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    _serial_only = _serial_only or bool(parallel and parallel._is_initialized)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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


@contextlib.contextmanager
def team(threads: int) -> Iterator[None]:
    """Let this Python thread's parallel kernels use so many threads, while they run.

    Numba's own thread pool (workqueue) ends a process that enters it twice at once, so there they take turns.
    """
    if threads == 1:
        yield
        return
    before = numba.get_num_threads()
    turn = contextlib.nullcontext() if numba.threading_layer() in ("omp", "tbb") else _lock
    with turn:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        try:
            yield
        finally:
            numba.set_num_threads(before)
