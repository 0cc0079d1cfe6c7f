"""This module holds what concerns threads: how many a process may use, its locks, and its forks."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numba
from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock

Result = TypeVar("Result")

_serial_only = False
_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def lock() -> threading.RLock:
    """Return a lock that a forked child process can use.

    If another thread of the parent held the lock, the lock is open in the child: the child has no such thread, so
    nobody would ever open it there. If the thread that forks held the lock, for example because a callback forks, it
    holds the lock in the child too.
    """
    made = threading.RLock()
    _locks.add(made)
    return made


def check_entry(held: threading.RLock) -> None:
    """Raise RuntimeError if this thread holds the lock: a signal handler has interrupted what the lock protects."""
    if held._is_owned():  # type: ignore[attr-defined]  # the types of Python do not know this method
        raise RuntimeError("a network must not compute in the handler of a signal that interrupted its computation")


_turns = lock()


def _after_fork() -> None:
    """Open the locks of other threads in a forked child, and forbid threads there if the parent has started some.

    The threads of the parent do not exist in the child, and GNU OpenMP ends a process that asks for them.
    """
    global _serial_only
    for held in _locks:
        if not held._is_owned():
            held._at_fork_reinit()
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    _serial_only = _serial_only or bool(parallel and parallel._is_initialized)


_KEEPERS: tuple[Any, ...] = (global_compiler_lock, getattr(ffi.lib, "_lock", None))
COMPILERS = [keeper._lock for keeper in _KEEPERS if hasattr(keeper, "_lock")]
"""The locks that Numba and llvmlite hold while they work. Another version may keep them elsewhere, or have none."""


def _stop_compilers() -> None:
    """Wait until no other thread compiles, and prevent that one begins.

    A child that is forked while another thread is in the middle of Numba or LLVM hangs when it compiles something.
    """
    for held in COMPILERS:
        held.acquire()


def _restart_compilers() -> None:
    """Let threads compile again."""
    for held in reversed(COMPILERS):
        held.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
    os.register_at_fork(before=_stop_compilers, after_in_parent=_restart_compilers, after_in_child=_restart_compilers)


def opening(function: Callable[..., Result], *arguments: object) -> Result:
    """Return `function(*arguments)`, and keep an exception that comes from outside from doing damage in compilers.

    Ctrl-C waits for the end of the function, which takes milliseconds: in the middle of llvmlite, it made a string be
    freed twice, which ended the process. Another exception, for example of a handler of another signal, may leave locks
    closed, because their with statements are written in Python. They are opened, so that no other thread waits for them
    without an end.
    """
    came: list[tuple[int, FrameType | None]] = []
    handler, deferred = signal.getsignal(signal.SIGINT), False
    if callable(handler):
        with contextlib.suppress(ValueError):  # this is not the main thread, so no handler runs here
            signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
            deferred = True
    try:
        return function(*arguments)
    except BaseException:
        for held in COMPILERS:
            while held._is_owned():
                held.release()
        raise
    finally:
        if deferred:
            signal.signal(signal.SIGINT, handler)
            if came and callable(handler):
                handler(*came[0])


def undisturbed(function: Callable[..., Result], *arguments: object) -> Result:
    """Return `function(*arguments)`, which runs in a thread of its own, so that no signal can interrupt it.

    Python runs the handlers of signals in the main thread only. Ctrl-C therefore interrupts the wait for the result,
    and the function still runs to its end. A call costs half a millisecond.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name="fastbp")
    try:
        _start(thread)
    except RuntimeError:  # Python cannot start threads when the process ends, or when there are too many of them
        return function(*arguments)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


_local = threading.local()


def idents() -> tuple[int, ...]:
    """Return the identifier of this thread, and then those of the threads that it works for, see `helper`."""
    return threading.get_ident(), *getattr(_local, "served", ())


def helper(function: Callable[[], None]) -> None:
    """Start a thread that works for this one. The process may end before the function returns."""
    served = idents()

    def body() -> None:
        _local.served = served
        function()

    _start(threading.Thread(target=body, name="fastbp reader", daemon=True))


def _start(thread: threading.Thread) -> None:
    """Start a thread."""
    with unmasked():
        thread.start()


@contextlib.contextmanager
def unmasked() -> Iterator[None]:
    """Raise the exception of a signal handler, such as KeyboardInterrupt, inside a with statement.

    While threads start or are awaited, Python may replace it by a RuntimeError about a lock.
    """
    try:
        yield
    except RuntimeError as error:
        if error.__context__ is not None and "lock" in str(error):
            raise error.__context__ from None
        raise


@functools.cache
def _quota() -> float:
    """Return the number of CPUs that the control group of the process and OMP_NUM_THREADS allow, or infinity."""
    limits = []
    with contextlib.suppress(ValueError):  # a list has a number for each level of nested loops
        limits.append(float(max(1, int(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]))))
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
    """Return the number of cores that this process may use.

    It is the smallest of the CPU affinity, the quota of the control group, NUMBA_NUM_THREADS, and OMP_NUM_THREADS as it
    was at the first call, and at least 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cores, _quota(), numba.config.NUMBA_NUM_THREADS)))


def allowed() -> bool:
    """Return whether this process may run kernels on several threads."""
    return not _serial_only


SPINS = "2000"
"""How often a waiting thread of GNU OpenMP looks whether it may continue, before it gives its core to other processes.

This many looks take about 30 microseconds. The default of GNU OpenMP takes milliseconds: when another process used the
second core, that left 5 of 117 GFLOP/s, and this value leaves 50 to 80. Without other processes, there is no
difference.
"""


@functools.cache
def start() -> str:
    """Start the threads of Numba, and return the name of the library that runs them."""
    own = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if own:  # the library reads this variable only once, when it is loaded
        os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        numba.get_num_threads()
    finally:
        if own:
            os.environ.pop("GOMP_SPINCOUNT", None)
    return str(numba.threading_layer())


@contextlib.contextmanager
def team(threads: int) -> Iterator[None]:
    """Let the parallel kernels that this Python thread calls use a number of threads, inside a with statement.

    Numba's own thread pool (workqueue) ends a process in which two Python threads use it at the same time. With this
    pool, they take turns.
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
