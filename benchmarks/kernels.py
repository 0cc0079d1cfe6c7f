"""Kernels as fractions of the FMA peak of one core, which is measured in the same run.

    python benchmarks/kernels.py [--rounds 60]

Each round times the peak and then the kernel; a line gives the median ratio over the rounds, and its spread. For whole
training steps see roofline.py.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numba
import numpy as np
from numba import njit, prange

import fastbp as fb
from fastbp.engine import kernel_cache, threads
from fastbp.engine.memory import Record
from fastbp.engine.parameters import Layout
from fastbp.kernels import dense, update
from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.simd.memory import call, lanes
from fastbp.kernels.simd.target import TILE_PANELS, TILE_ROWS
from fastbp.kernels.simd.tiles import tile_fma, tile_store, tile_zero
from fastbp.kernels.structs import LAYER, PRODUCT, STEP, UPDATE

FMAS = 40_000


@njit(nogil=True, error_model="numpy")
def multiply_add(A, out, n):
    """n times TILE_ROWS x TILE_PANELS independent vector multiply-adds from registers and the first cache line."""
    c = tile_zero(TILE_ROWS, TILE_PANELS, A)
    for _ in range(n):
        c = tile_fma(TILE_ROWS, TILE_PANELS, c, A, 0, 1, A, 0, lanes(A))
    tile_store(TILE_ROWS, TILE_PANELS, c, out, 0, TILE_ROWS * lanes(A))


@njit(nogil=True, parallel=True, error_model="numpy")
def multiply_add_everywhere(A, out, n, count):
    """`multiply_add` on `count` threads at once."""
    for t in prange(count):
        multiply_add(A, out[t], n)


def peak(dtype: type = np.float32, count: int = 1) -> Callable[[], float]:
    """A function that measures the operations a second of fused multiply-adds on `count` cores."""
    size = TILE_ROWS * TILE_PANELS
    A, out = aligned(size * 16, dtype), aligned(count * size * 16, dtype).reshape(count, -1)
    operations = 2 * size * lanes_of(dtype) * FMAS * count

    def measure() -> float:
        start = time.perf_counter()
        if count == 1:
            multiply_add(A, out[0], FMAS)
        else:
            numba.set_num_threads(count)
            multiply_add_everywhere(A, out, FMAS, count)
        return operations / (time.perf_counter() - start)

    threads.start()
    measure()
    return measure


@njit(nogil=True, error_model="numpy")
def run(kernel, step, record, rows):
    """An operation on the rows of part 0, by one thread."""
    call(kernel, (step, record, 0, 0, 0, 0, rows))


def kernels(
    dtype: type = np.float32, batch: int = 128, n_in: int = 512, n_out: int = 512
) -> dict[str, Callable[[], float]]:
    """Functions that measure the operations a second of each kernel on one core."""
    dtype, rng = np.dtype(dtype), np.random.default_rng(0)
    layout, L = Layout((n_in, n_in, n_out), dtype), lanes_of(dtype)  # the second layer has a transpose
    stride = (batch | 1) * L
    A, Z, D, E = (aligned(layout.panels(n) * stride, dtype) for n in (n_in, n_out, n_out, n_in))
    theta, v, transposed = (aligned(size, dtype) for size in (layout.size, layout.size, layout.transposed_size))
    A[:], D[:] = rng.random(A.size), rng.random(D.size) * 1e-6
    W, b, T = theta[layout.matrix(1)], theta[layout.bias(1)], transposed[layout.T[1] :]
    W[:] = rng.random(W.size) * 0.01
    step = Record(STEP, n=batch, batch=batch, part=batch, parts=1, threads=1, stride=stride)
    products = {"a_row": L, "a_panel": stride}
    forward = Record(PRODUCT, a=A, rows=n_in, W=W, w_panel=layout.up(n_in) * L, b=b, b_panel=L, out=Z, columns=n_out)
    backward = Record(PRODUCT, a=D, rows=n_out, W=T, w_panel=layout.up(n_out) * L, b=transposed, out=E, columns=n_in)
    for record in (forward, backward):
        record.set(**products)
    layer = Record(
        LAYER, n_in=n_in, n_out=n_out, W=layout.W[1], T=layout.T[1], transposed=1, biased=1, a_in=A, delta=D
    )  # fmt: skip
    h = np.array([0.1, 0.9], dtype)
    learn = Record(UPDATE, layers=layer.memory, depth=1, theta=theta, vectors=v, transposed=transposed, hyper=h)
    learn.set(size=layout.size)
    product = kernel_cache.kernel(dense.product, dtype)
    momentum = kernel_cache.kernel(update.learn, dtype, fb.SGD(0.1, momentum=0.9), False)

    def timed(kernel: int, record: Record) -> Callable[[], float]:
        def measure() -> float:
            start = time.perf_counter()
            run(kernel, step.address, record.address, batch)
            return 2 * batch * n_in * n_out / (time.perf_counter() - start)

        measure()
        return measure

    return {
        "forward": timed(product, forward),
        "backward": timed(product, backward),
        "gradient + momentum": timed(momentum, learn),
    }


def ratios(measure: Callable[[], float], reference: Callable[[], float], rounds: int) -> np.ndarray:
    """measure / reference, round by round; the reference is the better of before and after, as peaks are."""
    return np.array([measure() / max(reference(), reference()) for _ in range(rounds)])


def line(name: str, values: np.ndarray) -> None:
    """One row of the table."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    print(f"{name:34} {middle:6.3f}   [{low:.3f} .. {high:.3f}]")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    processor, tile = platform.processor() or platform.machine(), f"{TILE_ROWS}x{TILE_PANELS}"
    print(f"{processor}, numba {numba.__version__}, tile {tile}; 128x512x512")
    for dtype in (np.float32, np.float64):
        top = peak(dtype)
        print(f"FMA peak {np.dtype(dtype)}: {np.median([top() for _ in range(15)]) / 1e9:.0f} GFLOP/s")
        for name, measure in kernels(dtype).items():
            line(f"{name} {np.dtype(dtype)}", ratios(measure, top, rounds))


if __name__ == "__main__":
    main()
