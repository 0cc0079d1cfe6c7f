"""Forked children train and predict, whatever their parents were doing."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading

import pytest
from helpers import UNOPTIMIZED, digest, fitted, in_child, pixel_trainer, pixels, predicted, run_function, smallest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")


def fork() -> None:
    own = pixel_trainer()
    own.fit(*pixels(500, 30))
    begun = digest(own)
    forked = in_child(lambda: (own.fit(*pixels(500, 30)), digest(own))[1])
    assert digest(own) == begun  # the child's parameters are its own
    own.fit(*pixels(500, 30))
    assert forked == digest(own)
    assert in_child(lambda: in_child(fitted)) == fitted()


@needs_fork
def test_fork(layer):
    """GNU OpenMP ends a forked child that asks for threads after its parent had some."""
    run_function(fork, env=layer)


def fork_clean() -> None:
    from fastbp.engine import threads

    assert in_child(lambda: f"{threads.allowed()} {fitted()}") == f"True {fitted()}"


@needs_fork
def test_fork_before_any_thread(layer):
    """A child may use threads if its parent had not."""
    run_function(fork_clean, env=layer)


def fork_pool() -> None:
    expected = [fitted(seed) for seed in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(fitted, range(4)).get(timeout=30) == expected


@needs_fork
def test_fork_pool(layer):
    run_function(fork_pool, env=layer)


def fork_while_predicting() -> None:
    net, (X, _) = pixel_trainer().network, pixels(500, 30)
    X_long = pixels(100_000, 30)[0]
    expected = hashlib.sha256(net.predict(X).tobytes()).hexdigest()
    stop = threading.Event()

    def others() -> None:
        while not stop.is_set():
            net.predict(X_long, n_threads=1)

    other = threading.Thread(target=others)
    other.start()
    try:
        for _ in range(5):
            assert in_child(lambda: hashlib.sha256(net.predict(X).tobytes()).hexdigest(), seconds=5) == expected
    finally:
        stop.set()
        other.join()


@needs_fork
def test_fork_while_another_thread_predicts():
    """The thread that holds the network's lock does not exist in the child, so the lock must be a new one."""
    run_function(fork_while_predicting)


def fork_in_a_callback(every: int | None, blocks: bool) -> None:
    """The child goes on with the training that it was forked from, and ends with the parent's bits."""
    import fastbp as fb

    X, y = pixels(500, 30)
    own, pids = pixel_trainer(), []

    def fork_once(state: fb.callbacks.State) -> None:
        if state.step and not pids:
            pids.append(os.fork())

    read, write = os.pipe()
    samples = ([(X[k : k + 100], y[k : k + 100]) for k in range(0, 500, 100)],) if blocks else (X, y)
    answer, status = "", 0
    try:
        own.fit(*samples, epochs=50, callbacks=[fb.callbacks.Lambda(batch_end=fork_once, every=every)])
        answer = digest(own)
    except RuntimeError as error:
        answer = str(error)
    except BaseException:
        status = 1
        raise
    finally:
        if pids == [0]:
            os.write(write, answer.encode())
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        forked = pipe.read()
    assert os.waitpid(pids[0], 0)[1] == 0
    assert forked == answer if not blocks else "must not continue in a forked child" in forked


@needs_fork
@pytest.mark.parametrize("every", [1, None])
def test_fork_in_a_callback(layer, every):
    run_function(fork_in_a_callback, every, False, env=layer)


@needs_fork
def test_fork_in_a_callback_of_blocks():
    """The thread that reads blocks does not exist in the child, which gets an error and does not wait for it."""
    run_function(fork_in_a_callback, 1, True, timeout=30)


def fork_while_compiling() -> None:
    from numba.core import event

    compiling, answers = threading.Event(), []

    class Listener(event.Listener):
        def on_start(self, event: event.Event) -> None:
            compiling.set()

        def on_end(self, event: event.Event) -> None:
            pass

    event.register("numba:compile", Listener())
    other = threading.Thread(target=lambda: answers.append(predicted()))
    other.start()
    assert compiling.wait(30)
    forked = in_child(predicted, seconds=60)
    other.join()
    assert answers == [forked]


@needs_fork
def test_fork_while_another_thread_compiles(cache):
    """The thread that holds the lock of the compiler does not exist in the child."""
    for file in smallest(cache, 2):
        file.unlink()
    run_function(fork_while_compiling, env={"NUMBA_CACHE_DIR": str(cache.parent), **UNOPTIMIZED})
