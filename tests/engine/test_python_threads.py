"""Python threads that train and predict at once: each gets what it would get alone, and none hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import fitted, pixel_trainer, pixels, run_function


def together(work: Callable[[int], object], n: int = 4) -> list:
    """work(0) .. work(n - 1), each in its thread, begun at once."""
    start = threading.Barrier(n)

    def begin(k: int) -> object:
        start.wait()
        return work(k)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(begin, range(n)))


def many_networks(layer: str) -> None:
    import numba

    # First all at once: they also ask for the same kernels, and for the thread pool, at once.
    results = together(fitted)
    assert numba.threading_layer() == layer
    assert results == [fitted(seed, n_threads=1) for seed in range(4)]


def test_a_network_a_thread(layer):
    """Numba's workqueue aborts when two threads enter it at once."""
    run_function(many_networks, layer["NUMBA_THREADING_LAYER"], env=layer)


def one_network() -> None:
    net, X = pixel_trainer().network, pixels(2000, 30)[0]
    parts = [X[: 1 + 499 * k] for k in range(4)]
    expected = [net.predict(part) for part in parts]
    for n_threads in (1, 2):
        answers = together(lambda k, n=n_threads: [net.predict(parts[k], n_threads=n) for _ in range(50)])
        for k, predictions in enumerate(answers):
            assert all(np.array_equal(a, expected[k]) for a in predictions)


def test_one_network_many_threads(layer):
    run_function(one_network, env=layer)


def one_trainer() -> None:
    own = pixel_trainer(n_threads=1, sizes=(784, 16, 10))
    sets = [pixels(n) for n in (100, 500, 5000, 20_000)]
    together(lambda k: [own.fit(*sets[k]) for _ in range(10)])
    assert len(own.history["loss"]) == 40
    assert np.isfinite(own.history["loss"]).all()


def test_one_trainer_many_threads():
    """The threads take turns: one job record holds the addresses and sizes of the data."""
    run_function(one_trainer)


def leave(n_threads: int) -> None:
    own = pixel_trainer(n_threads=n_threads)
    begun = threading.Event()

    def forever() -> None:
        while True:
            own.fit(*pixels(500, 30))
            begun.set()

    threading.Thread(target=forever, daemon=True).start()
    assert begun.wait(60)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_exit_while_a_thread_trains(layer, n_threads):
    run_function(leave, n_threads, env=layer)
