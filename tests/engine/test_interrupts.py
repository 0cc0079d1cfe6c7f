"""Ctrl-C: it ends a training soon, as no call into compiled code is long, and what was learnt stays."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import queue
import signal
import sys
import threading
import time
import types
import unittest.mock
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import UNOPTIMIZED, digest, parameters, pixel_trainer, pixels, run_function, smallest

import fastbp as fb
from fastbp.engine import runner, threads

needs_threads_with_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="this platform sends no signals to threads"
)


def interrupts() -> None:
    own, (X, y) = pixel_trainer(n_threads=1, sizes=(784, 1024, 512, 10)), pixels(20_000)
    own.fit(X[:100], y[:100])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    delays = []
    for _ in range(5):
        before = digest(own)
        timer = threading.Timer(0.3, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            own.fit(X, y, epochs=10)
        delays.append(time.perf_counter() - sent[-1])
        timer.join()
        assert digest(own) != before
        assert all(np.isfinite(array).all() for array in parameters(own))
    assert len(own.history["loss"]) == 1
    own.fit(X[:1000], y[:1000])
    assert np.isfinite(own.history["loss"]).all()
    # An epoch takes seconds. Of five the median, as the machine may be busy with other things.
    assert sorted(delays)[2] < 0.2, delays


def test_interrupt():
    """Ctrl-C ends training within 0.2 s; what was learnt stays, and training can go on."""
    run_function(interrupts)


def calls(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float], n: int) -> list[float]:
    """How long each call into compiled code lasts in a fit of n parts, by a clock by which part k takes seconds(k)."""

    now, lengths = 0.0, []

    def loop(*arguments: int) -> int:
        nonlocal now
        first, last = arguments[-2:]
        lengths.append(sum(map(seconds, range(first, last))))
        now += lengths[-1]
        return last

    monkeypatch.setattr(runner, "time", types.SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(runner, "kernel_cache", unittest.mock.Mock(loop=lambda parallel: loop, kernel=lambda *_: 0))
    net = fb.MLP([1, 1], seed=0)
    fb.Trainer(net, loss="squared_error", batch_size=1, shuffle=False).fit(np.zeros((n, 1)), np.zeros((n, 1)))
    return lengths


@pytest.mark.parametrize(("seconds", "n"), [(1e-6, 1_000_000), (1e-4, 10_000), (0.02, 100), (0.3, 10)])
def test_calls_are_short_and_few(monkeypatch, seconds, n):
    """0.1 s or one part; a call costs some microseconds, so there must not be one a part either."""
    lengths = calls(monkeypatch, lambda k: seconds, n)
    assert sum(lengths) == pytest.approx(n * seconds)
    assert max(lengths) <= max(0.1, seconds)
    assert len(lengths) <= 10 + n * seconds / min(n * seconds, max(0.025, seconds))


def test_calls_adapt(monkeypatch):
    """When a part suddenly takes 30 times as long, the call that it happens in is too long, and at most the next."""
    lengths = calls(monkeypatch, lambda k: 1e-4 if k < 5000 else 3e-3, 10_000)
    assert sum(length > 0.1 for length in lengths) <= 2


def interrupted_compiler() -> None:
    """Interrupt the first compilation inside a generator of Numba, and then compile again."""
    from helpers import predicted

    sent = []

    def trace(frame: types.FrameType, event: str, argument: object) -> object:
        if frame.f_code.co_name != "stream_list":
            return None
        if event == "line" and not sent:
            sent.append(frame.f_lineno)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return trace

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.settrace(trace)
    sys.settrace(trace)
    with pytest.raises(KeyboardInterrupt):
        predicted()
    sys.settrace(None)
    threading.settrace(None)
    assert sent
    expected = predicted()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # another thread, because a lock may be left behind
        assert pool.submit(predicted).result(60) == expected


@needs_threads_with_signals
def test_an_interrupted_compiler_compiles_again(cache):
    """An exception in this generator ends it, and with it Numba's list of what can be compiled."""
    for file in smallest(cache, 2):
        file.unlink()
    run_function(interrupted_compiler, env={"NUMBA_CACHE_DIR": str(cache.parent), **UNOPTIMIZED})


def interrupted_load(wanted: int, function: str) -> str:
    """Interrupt the load of kernels, in a line of Numba, llvmlite or this package, and then load them in a thread."""
    from helpers import fitted

    lines, places = itertools.count(), ("numba", "llvmlite", "engine")

    def trace(frame: types.FrameType, event: str, argument: object) -> object:
        if not {*places} & {*Path(frame.f_code.co_filename).parts}:
            return None
        if event == "line" and function in ("", frame.f_code.co_name) and next(lines) == wanted:
            signal.raise_signal(signal.SIGINT)
        return trace

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.settrace(trace)
    with pytest.raises(KeyboardInterrupt):
        fitted(n_threads=1)
    sys.settrace(None)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(fitted, 0, 1).result(20)


def interrupted_loads() -> None:
    from helpers import fitted, in_child

    import fastbp  # noqa: F401 (so that each child finds it imported, but no kernel)

    expected = in_child(lambda: fitted(n_threads=1))
    # In a with statement of llvmlite, the first line closes a lock, and the second one is inside it.
    cases = [(1, "__enter__"), (201, "__enter__"), *((int(k), "") for k in np.geomspace(10, 10_000, 16))]
    for wanted, function in cases:
        assert in_child(lambda k=wanted, name=function: interrupted_load(k, name)) == expected, (wanted, function)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_an_interrupted_load_leaves_no_lock():
    """Kernels are loaded from the cache in the main thread, where Ctrl-C can come at any instruction."""
    run_function(interrupted_loads, timeout=180)


def waiting_blocks() -> None:
    """Blocks come from a queue that stays empty, and Ctrl-C comes."""
    trainer, waiting = pixel_trainer(n_threads=1), threading.Event()

    def blocks() -> object:
        yield pixels(200, 30)
        yield pixels(200, 30)
        waiting.set()
        queue.Queue().get()

    def interrupt() -> None:
        waiting.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(blocks(), shuffle_buffer=200)
    other.join()


@needs_threads_with_signals
def test_a_process_ends_while_blocks_wait():
    run_function(waiting_blocks, timeout=30)


def test_an_interrupt_while_a_thread_starts_is_an_interrupt(monkeypatch):
    """Python may replace KeyboardInterrupt by a RuntimeError there, as if no thread could start."""

    def start(thread: threading.Thread) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    monkeypatch.setattr(threading.Thread, "start", start)
    for function in (threads.undisturbed, threads.helper):
        with pytest.raises(KeyboardInterrupt):
            function(lambda: None)


def test_where_no_thread_can_start_the_function_runs_here(monkeypatch):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert threads.undisturbed(lambda: threading.get_ident()) == threading.get_ident()
