"""Memory: a step allocates nothing, data are read where they lie and let go afterwards, and the peak has a bound."""

from __future__ import annotations

import gc
import re
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import MEGA, pixels, run_function

import fastbp as fb


def trainer(n_threads: int = 1, n_in: int = 784, gradient: str = "fused") -> fb.Trainer:
    net = fb.MLP([n_in, 64, 10], output="softmax", scale=1 / 255, seed=0)
    optimizer = fb.SGD(0.1, momentum=0.9)
    return fb.Trainer(
        net, loss="cross_entropy", optimizer=optimizer, batch_size=64, seed=0, n_threads=n_threads, gradient=gradient
    )


@pytest.fixture
def few_objects() -> Iterator[None]:
    """Collections of garbage leave out what there was before: they took seconds after other tests of this process."""
    gc.freeze()
    yield
    gc.unfreeze()


# --- allocations ------------------------------------------------------------------------------------------------------


def kernel_allocations(n_threads: int, gradient: str) -> None:
    import numba
    from numba.core.runtime import _nrt_python, rtsys

    @numba.njit
    def wasteful(n: int) -> int:
        total = 0
        for k in range(n):
            total += np.empty(k + 8).size
        return total

    def allocations(work: Callable[[], object]) -> int:
        before = rtsys.get_allocation_stats()
        work()
        after = rtsys.get_allocation_stats()
        assert after.mi_alloc - before.mi_alloc <= after.alloc - before.alloc
        return after.alloc - before.alloc

    own, (X, y) = trainer(n_threads, 20, gradient), pixels(1280, 20)
    own.fit(X, y)
    net = own.network
    net.predict(X)
    wasteful(1)
    _nrt_python.memsys_enable_stats()
    assert allocations(lambda: wasteful(20)) == 20
    assert allocations(lambda: own.fit(X, y, epochs=1)) == 0
    assert allocations(lambda: own.fit(X, y, epochs=10)) == 0
    assert allocations(lambda: (net.predict(X), own.evaluate(X, y))) == 0


@pytest.mark.parametrize("gradient", ["fused", "stored"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_kernels_allocate_nothing(n_threads, gradient):
    """Numba counts the allocations of compiled code; that it does is seen with a kernel that makes some."""
    run_function(kernel_allocations, n_threads, gradient)


@pytest.mark.parametrize("work", ["partial_fit", "fit", "predict", "evaluate", "gradients"])
@pytest.mark.usefixtures("few_objects")
def test_no_growth(work):
    """A call leaves less than 16 bytes behind, and no object is that small.

    Of five rounds the best: the interpreter fills its free lists in others, but what leaks does so in all.
    """
    own, (X, y) = trainer(n_in=20), pixels(320, 20)
    own.fit(X, y)
    works = {
        "partial_fit": lambda: own.partial_fit(X, y),
        "fit": lambda: (own.fit(X, y), own.history.clear()),
        "predict": lambda: own.network.predict(X),
        "evaluate": lambda: own.evaluate(X, y),
        "gradients": lambda: own.network.gradients(X, y, loss="cross_entropy"),
    }

    def left() -> int:
        for _ in range(300):
            works[work]()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        sizes = [left() for _ in range(6)]
    finally:
        tracemalloc.stop()
    assert np.diff(sizes).min() < 16 * 300, sizes


@pytest.mark.parametrize("work", ["fit", "predict", "evaluate", "gradients"])
@pytest.mark.usefixtures("few_objects")
def test_data_are_let_go(work):
    """No array that was passed in stays alive through the network or the trainer."""
    own, arrays = trainer(n_in=20), list(pixels(320, 20))
    works = {
        "fit": lambda X, y: own.fit(X, y, validation_data=(X, y)),
        "predict": lambda X, y: own.network.predict(X),
        "evaluate": own.evaluate,
        "gradients": lambda X, y: own.network.gradients(X, y, loss="cross_entropy"),
    }
    works[work](*arrays)
    references = [weakref.ref(array) for array in arrays]
    arrays.clear()
    gc.collect()
    assert all(reference() is None for reference in references)


# --- the peak ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_maps_are_read_in_place(tmp_path, dtype):
    """Inputs and targets; tracemalloc sees every array that NumPy or a kernel allocates."""
    n, width, bound = 100_000, 128, 6 * MEGA
    np.memmap(tmp_path / "X", dtype, "w+", shape=(n, width)).flush()
    X = np.memmap(tmp_path / "X", dtype, "r", shape=(n, width))
    assert X.nbytes > 2 * bound
    net = fb.MLP([width, 4, width], seed=0)
    own = fb.Trainer(net, loss="squared_error", batch_size=512, seed=0, n_threads=1)
    works = {
        "fit": (lambda: own.fit(X, X, validation_data=(X, X)), 0),
        "evaluate": (lambda: own.evaluate(X, X), 0),
        "predict": (lambda: net.predict(X), n * width * 4),
        "gradients": (lambda: net.gradients(X, X, loss="squared_error"), 0),
        "copy": (lambda: X.copy(), 0),
    }
    few = X[:1000]
    own.fit(few, few)  # the memory of the compiler does not count
    own.evaluate(few, few)
    net.predict(few)
    net.gradients(few, few, loss="squared_error")
    raised = {}
    tracemalloc.start()
    try:
        for name, (work, outputs) in works.items():
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            work()
            raised[name] = tracemalloc.get_traced_memory()[1] - before - outputs
    finally:
        tracemalloc.stop()
    assert raised.pop("copy") >= X.nbytes
    assert all(size < bound for size in raised.values()), raised


def peak(n_threads: int) -> None:
    status = Path("/proc/self/status")

    def resident(name: str) -> float:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read_text())[1]) / 1024

    def raised(work: Callable[[], object]) -> float:
        """Megabytes that the process needs more at a time, while it does its work."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident("VmRSS")
        work()
        return resident("VmHWM") - before

    own, (X, y) = trainer(n_threads), pixels(60_000)
    net = own.network
    own.fit(X[:1000], y[:1000])
    assert raised(lambda: X.copy()) > 0.9 * X.nbytes / MEGA
    assert raised(lambda: own.fit(X, y)) < 20
    assert raised(lambda: own.evaluate(X, y)) < 20
    outputs = len(X) * 10 * 4 / MEGA
    assert raised(lambda: net.predict(X)) - outputs < 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from Linux's /proc")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_peak(n_threads):
    """MNIST's pixels are 45 MB: less than half as much again is needed to learn from them."""
    run_function(peak, n_threads)
