"""Kernels stay inside their buffers, and are right, for this CPU, for one with AVX2 and for one with SSE2 alone."""

from __future__ import annotations

import itertools
import os
import platform
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers import PACKAGE, TESTS, guarded_copy, is_guarded, python_path, run, run_function

import fastbp as fb

TARGETS = {
    "host": {},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
others = pytest.mark.parametrize(
    "target",
    [
        "host",
        *(
            pytest.param(
                name, marks=pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not x86")
            )
            for name in ("haswell", "generic")
        ),
    ],
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="guard pages are made with mprotect")


def fit_between_guards() -> None:
    """Fit, evaluate, predict and take gradients for every shape."""
    import inside

    fits = 0
    shapes = [[1, 1], [16, 16], [17, 1], [15, 33], [7, 8, 9], [16, 32, 2], [61, 37, 23, 7], [3, 1, 18, 5, 40]]
    kinds = (np.uint8, np.float32, np.float64)
    for at_end in (True, False):
        with inside.guarded_memory(at_end):
            for sizes, dtype, kind in itertools.product(shapes, (np.float32, np.float64), kinds):
                fit_one(fits, sizes, dtype, kind, at_end)
                fits += 1
    print(fits)


def fit_one(k: int, sizes: list[int], dtype: type, kind: type, at_end: bool) -> None:
    """The fit of this number, with samples, parameters and outputs in guarded memory."""
    rng = np.random.default_rng(k)
    n, batch = [(1, 1), (2, 1), (7, 7), (9, 4), (19, 10), (33, 16)][k % 6]
    pairs = ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("identity", "squared_error")
    output, loss = pairs[k % 3 or sizes[-1] == 1]  # cross-entropy compares several outputs
    X, y = rng.integers(0, 3, (n, sizes[0])).astype(kind), rng.integers(0, sizes[-1], n)
    if not k % 2 or loss == "binary_cross_entropy":
        y = np.eye(sizes[-1], dtype=kind)[y]
    X, y = guarded_copy(X, at_end), guarded_copy(y, at_end)
    net = fb.MLP(sizes, activation="tanh", output=output, dtype=dtype, scale=[0.5, 1.0][k % 2], seed=0)
    options = {"batch_size": batch, "n_threads": 1 + k % 3, "gradient": ("fused", "stored")[k % 2], "seed": 0}
    optimizer = fb.Adam(0.01) if k % 2 else fb.SGD(0.01, momentum=0.9)
    fb.Trainer(net, loss=loss, optimizer=optimizer, **options).fit(X, y, epochs=2)
    fb.Trainer(net, loss=loss).evaluate(X, y)
    net.gradients(X, y, loss=loss)
    a = net.predict(X)
    assert is_guarded(a)
    assert np.isfinite(a).all()


@posix
@others
def test_guard_pages(target):
    """96 fits with every vector between two forbidden pages."""
    assert run_function(fit_between_guards, env=TARGETS[target]).stdout.split() == ["96"]


@posix
def test_guard_pages_do_guard():
    """One number too many, at either end, ends the process."""
    code = """
import numpy as np
from helpers import guarded
from numba import njit
from fastbp.kernels.simd import memory
@njit
def touch(x, out, i):
    memory.store(out, 0, memory.load(x, i))
x, out = guarded(64, np.float32, {at_end}), guarded(16, np.float32, True)
touch(x, out, 48)
print("inside", flush=True)
touch(x, out, {index})
"""
    for at_end, index in ((True, 64), (False, -16)):
        result = subprocess.run(
            [sys.executable, "-P", "-c", code.format(at_end=at_end, index=index)],
            capture_output=True,
            text=True,
            env={**os.environ, **python_path(PACKAGE.parent)},
            check=False,
        )
        assert result.stdout.split() == ["inside"]
        assert result.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("target", ["haswell", "generic"])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not x86")
def test_kernels(target):
    """The tests of vectors, activations and layers, compiled for another target, with momentum alone of the rules."""
    files = [str(TESTS / "kernels" / f"test_{name}.py") for name in ("simd", "activations", "layers")]
    options = ["-p", "no:cacheprovider", "-k", "(not forward or float32) and not sgd and not nesterov", *files]
    code = f"import sys, pytest; sys.exit(pytest.main({options}))"
    assert " passed" in run(code, {"PYTEST_ADDOPTS": "", **TARGETS[target]}).stdout
