"""Nothing aborts, hangs or corrupts: forks, threads, damaged caches, Ctrl-C, copies, losses that are not finite."""

from __future__ import annotations

import copy
import hashlib
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import time
import types
import unittest.mock
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import PACKAGE, compilations, path, run

import fastbp as fb

SAMPLES = 500
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")


def data(n: int = SAMPLES, n_in: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, n_in), dtype=np.uint8), rng.integers(0, 10, n)


def trainer(seed: int = 0, n_threads: int | None = 2, sizes: tuple[int, ...] = (30, 40, 10)) -> fb.Trainer:
    net = fb.MLP(sizes, output="softmax", scale=1 / 255, seed=seed)
    optimizer = fb.SGD(0.1, momentum=0.9)
    return fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, batch_size=100, seed=seed, n_threads=n_threads)


def digest(net: fb.MLP) -> str:
    """Of the bits of all parameters."""
    return hashlib.sha256(b"".join(array.tobytes() for array in (*net.weights, *net.biases))).hexdigest()


def fitted(seed: int = 0, n_threads: int | None = 2) -> str:
    """The parameters after ten steps."""
    own = trainer(seed, n_threads)
    own.fit(*data(), epochs=2)
    return digest(own.network)


def in_child(work: Callable[[], str], seconds: int = 30) -> str:
    """What `work` returns in a forked child; it must return, and the child exit with 0."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(seconds)  # ends a child that waits for ever
        status = 1
        try:
            os.write(write, work().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"the child ended with wait status {status}"
    return answer


# --- forks --------------------------------------------------------------------------------------------------


def fork() -> None:
    own = trainer()
    own.fit(*data())
    begun = digest(own.network)
    forked = in_child(lambda: (own.fit(*data()), digest(own.network))[1])
    assert digest(own.network) == begun  # the child's parameters are its own
    own.fit(*data())
    assert forked == digest(own.network)
    assert in_child(lambda: in_child(fitted)) == fitted()


@needs_fork
def test_fork(layer):
    """GNU OpenMP ends a forked child that asks for threads after its parent had some."""
    run("import test_robustness as t; t.fork()", layer)


def fork_clean() -> None:
    from fastbp import threads

    assert in_child(lambda: f"{threads.allowed()} {fitted()}") == f"True {fitted()}"


@needs_fork
def test_fork_before_any_thread(layer):
    """A child may use threads if its parent had not."""
    run("import test_robustness as t; t.fork_clean()", layer)


def fork_pool() -> None:
    expected = [fitted(seed) for seed in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(fitted, range(4)).get(timeout=30) == expected


@needs_fork
def test_fork_pool(layer):
    run("import test_robustness as t; t.fork_pool()", layer)


def fork_while_predicting() -> None:
    net, (X, _) = trainer().network, data()
    X_long = data(100_000)[0]
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
    run("import test_robustness as t; t.fork_while_predicting()")


# --- Python threads -----------------------------------------------------------------------------------------


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
    run(f"import test_robustness as t; t.many_networks({layer['NUMBA_THREADING_LAYER']!r})", layer)


def one_network() -> None:
    net, X = trainer().network, data(2000)[0]
    parts = [X[: 1 + 499 * k] for k in range(4)]
    expected = [net.predict(part) for part in parts]
    for n_threads in (1, 2):
        answers = together(lambda k, n=n_threads: [net.predict(parts[k], n_threads=n) for _ in range(50)])
        for k, predictions in enumerate(answers):
            assert all(np.array_equal(a, expected[k]) for a in predictions)


def test_one_network_many_threads(layer):
    run("import test_robustness as t; t.one_network()", layer)


def one_trainer() -> None:
    own = trainer(n_threads=1, sizes=(784, 16, 10))
    sets = [data(n, 784) for n in (100, 500, 5000, 20_000)]
    together(lambda k: [own.fit(*sets[k]) for _ in range(10)])
    assert len(own.history["loss"]) == 40
    assert np.isfinite(own.history["loss"]).all()


def test_one_trainer_many_threads():
    """The threads take turns: one job record holds the addresses and sizes of the data."""
    run("import test_robustness as t; t.one_trainer()")


def leave(n_threads: int) -> None:
    own = trainer(n_threads=n_threads)
    begun = threading.Event()

    def forever() -> None:
        while True:
            own.fit(*data())
            begun.set()

    threading.Thread(target=forever, daemon=True).start()
    assert begun.wait(60)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_exit_while_a_thread_trains(layer, n_threads):
    run(f"import test_robustness as t; t.leave({n_threads})", layer)


# --- the kernel cache ---------------------------------------------------------------------------------------


def compiling() -> None:
    """Train on one thread; print the cache's directory, the parameters' digest, and whether Numba compiled."""
    from fastbp.kernels import compiled

    seen = compilations()
    print(compiled.cache_directory(), fitted(n_threads=1), bool(seen))


def fit(env: dict[str, str]) -> tuple[str, ...]:
    """What `compiling` prints in a fresh process."""
    return tuple(run("import test_robustness as t; t.compiling()", env).stdout.split())


@pytest.fixture(scope="module")
def warm() -> tuple[Path, str]:
    """The directory of a cache that holds all that is needed to train, and the parameters that come out."""
    fit({})
    directory, bits, compiled = fit({})
    if directory == "None":
        pytest.skip("there is no place for a kernel cache here")
    assert compiled == "False"
    return Path(directory), bits


def test_no_place_for_a_cache(warm, tmp_path):
    """Nowhere to write costs the time to compile and nothing else. Below a file even root cannot write."""
    shutil.copytree(PACKAGE, tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "fastbp/kernels/__pycache__").touch()
    nowhere = str(tmp_path / "fastbp/__init__.py/x")
    homes = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    assert fit({**path(tmp_path), **homes, "NUMBA_CACHE_DIR": ""}) == ("None", warm[1], "True")


DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    # As a power cut leaves it: the length is right, one block was never written. This one holds machine code.
    "hole": lambda content: content[: len(content) // 8] + bytes(512) + content[len(content) // 8 + 512 :],
}


def check_damaged(warm: tuple[Path, str], tmp_path: Path, damaged: str, kind: str) -> None:
    """With some files of the cache damaged, kernels are compiled once more, and the result is what it was."""
    directory, bits = warm
    copied = shutil.copytree(directory, tmp_path / directory.name)
    for file in sorted(copied.glob(damaged)):
        file.write_bytes(DAMAGE[kind](file.read_bytes()))
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert fit(env) == (str(copied), bits, "True")
    assert fit(env) == (str(copied), bits, "False"), "the damaged file was not replaced"


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_cache(warm, tmp_path, kind):
    """The kernel that is the quickest to compile."""
    check_damaged(warm, tmp_path, "serial.kernel", kind)


def test_damaged_cache_of_every_kernel(warm, tmp_path):
    check_damaged(warm, tmp_path, "*", "half")


def test_cache_goes_by_content(warm, tmp_path):
    """Another installation of the same sources, at another time and place, finds the same kernels."""
    directory, bits = warm
    copied = shutil.copytree(directory, tmp_path / directory.name)
    shutil.copytree(PACKAGE, tmp_path / "fastbp", copy_function=shutil.copyfile)  # not the times
    assert fit({**path(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path)}) == (str(copied), bits, "False")


def test_cache_key(tmp_path):
    """It changes with the sources, the target and the settings that machine code depends on."""

    def key(env: dict[str, str]) -> str:
        return run("from fastbp.kernels import compiled; print(compiled.cache_directory().name)", env).stdout

    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    shutil.copytree(PACKAGE, tmp_path / "fastbp")
    keys = [key(place), key({**place, "NUMBA_CPU_NAME": "generic"}), key({**place, "NUMBA_BOUNDSCHECK": "1"})]
    assert key({**place, **path(tmp_path)}) == keys[0]
    source = tmp_path / "fastbp/kernels/losses.py"
    source.write_bytes(source.read_bytes().replace(b"0.5", b"0.6", 1))
    keys.append(key({**place, **path(tmp_path)}))
    assert len(set(keys)) == 4


def test_import_compiles_nothing_and_starts_no_thread():
    run("""
        import sys
        from pathlib import Path

        import llvmlite.binding
        import numba
        import numpy
        from conftest import compilations

        def threads():
            return len(list(Path("/proc/self/task").iterdir())) if sys.platform == "linux" else 0

        def parse(source, context=None, original=llvmlite.binding.parse_assembly):
            parsed.append(source)
            return original(source, context)

        parsed, before, compiled = [], threads(), compilations()
        llvmlite.binding.parse_assembly = parse
        import fastbp

        assert not compiled
        # One small function, where the registers are not known otherwise.
        assert sum(map(len, parsed)) < 1000, parsed
        assert threads() == before
        parallel = sys.modules.get("numba.np.ufunc.parallel")
        assert not (parallel and parallel._is_initialized), "Numba's thread pool"
        """)


# --- Ctrl-C -------------------------------------------------------------------------------------------------


def interrupts() -> None:
    own, (X, y) = trainer(n_threads=1, sizes=(784, 1024, 512, 10)), data(20_000, 784)
    own.fit(X[:100], y[:100])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    delays = []
    for _ in range(5):
        before = digest(own.network)
        timer = threading.Timer(0.3, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            own.fit(X, y, epochs=10)
        delays.append(time.perf_counter() - sent[-1])
        timer.join()
        assert digest(own.network) != before
        assert all(np.isfinite(array).all() for array in (*own.network.weights, *own.network.biases))
    assert len(own.history["loss"]) == 1
    own.fit(X[:1000], y[:1000])
    assert np.isfinite(own.history["loss"]).all()
    # An epoch takes seconds. Of five the median, as the machine may be busy with other things.
    assert sorted(delays)[2] < 0.2, delays


def test_interrupt():
    """Ctrl-C ends training within 0.2 s; what was learnt stays, and training can go on."""
    run("import test_robustness as t; t.interrupts()")


def calls(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float], n: int) -> list[float]:
    """How long each call into compiled code lasts in a fit of n parts, by a clock by which part k takes seconds(k)."""
    from fastbp import engine

    now, lengths = 0.0, []

    def loop(*arguments: int) -> int:
        nonlocal now
        first, last, _ = arguments[-3:]
        lengths.append(sum(map(seconds, range(first, last))))
        now += lengths[-1]
        return last

    monkeypatch.setattr(engine, "time", types.SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(engine, "compiled", unittest.mock.Mock(loop=lambda parallel: loop))
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


# --- copies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_copies(copied):
    """A copy predicts and learns to the same bits, momentum and order of samples included, and shares no memory."""
    own, (X, y) = trainer(), data()
    own.fit(X, y)
    net, other = copied(own.network), copied(own)
    begun, predicted = digest(own.network), own.network.predict(X)
    for twin in (net, other.network):
        assert digest(twin) == begun
        assert np.array_equal(twin.predict(X), predicted)
    other.fit(X, y, epochs=2)
    assert digest(own.network) == digest(net) == begun != digest(other.network)
    own.fit(X, y, epochs=2)
    assert digest(own.network) == digest(other.network)
    assert own.history["loss"] == other.history["loss"]
    assert digest(net) == begun


# --- losses that are not finite -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2])
def test_divergence(n_threads):
    """A step multiplies the error by 1 - 2 eta; its square leaves float32 in the second epoch."""
    eta, n = 1e3, 4
    X, y = np.ones((n, 1)), np.ones((n, 1))
    net = fb.MLP([1, 1], seed=0)
    own = fb.Trainer(
        net,
        loss="squared_error",
        optimizer=fb.SGD(eta, momentum=1e-6),
        batch_size=1,
        shuffle=False,
        n_threads=n_threads,
    )
    error, step = float(net.predict(X[:1])[0, 0]) - 1, 1
    while 0.5 * error * error < float(np.finfo(np.float32).max):
        error, step = error * (1 - 2 * eta), step + 1
    assert n < step <= 2 * n

    own.fit(X, y)
    begun = digest(net)
    with pytest.raises(FloatingPointError, match=f"step {step - n} of epoch 2"):
        own.fit(X, y, epochs=3)
    assert digest(net) == begun
    assert len(own.history["loss"]) == 1
    # Without an error a step is the momentum's alone: it is 0, and the parameters stay.
    own.fit(0 * X, net.predict(0 * X), epochs=1)
    assert digest(net) == begun
    fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1)).fit(X, y)
    assert digest(net) != begun


def test_divergence_outside_training():
    net = fb.MLP([1, 1], seed=0)
    own = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.01))
    small, large = np.ones((2, 1)), np.full((2, 1), 1e30)
    with pytest.raises(FloatingPointError, match="not finite"):
        own.evaluate(large, small)
    with pytest.raises(FloatingPointError, match="not finite"):
        net.gradients(large, small, loss="squared_error")
    with pytest.raises(FloatingPointError, match="validation"):
        own.fit(small, small, validation_data=(large, small))
    assert own.evaluate(small, small)["loss"] >= 0
