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

from fastbp import threads
from fastbp.kernels import gradient
from fastbp.kernels.backward import backward
from fastbp.kernels.forward import forward
from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.rules import HYPERPARAMETERS
from fastbp.kernels.simd import M, N, lanes, tile_fma, tile_store, tile_zero

FMAS = 40_000
weights, _ = gradient.kernels("momentum")


@njit(nogil=True, error_model="numpy")
def multiply_add(A, out, n):
    """n times M x N independent vector multiply-adds from registers and the first cache line."""
    c = tile_zero(M, N, A)
    for _ in range(n):
        c = tile_fma(M, N, c, A, 0, 1, A, 0, lanes(A))
    tile_store(M, N, c, out, 0, M * lanes(A))


@njit(nogil=True, parallel=True, error_model="numpy")
def multiply_add_everywhere(A, out, n, count):
    """`multiply_add` on `count` threads at once."""
    for t in prange(count):
        multiply_add(A, out[t], n)


def peak(dtype: type = np.float32, count: int = 1) -> Callable[[], float]:
    """A function that measures the operations a second of fused multiply-adds on `count` cores."""
    A, out = aligned(M * N * 16, dtype), np.stack([aligned(M * N * 16, dtype)] * count)
    out = aligned(count * M * N * 16, dtype).reshape(count, -1)
    operations = 2 * M * N * lanes_of(dtype) * FMAS * count

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
def one_forward(A, W, batch, n_in, n_out, stride, z):
    for i in range(0, n_out // lanes(A), N):
        forward(A, 0, lanes(A), stride, W, 0, n_in, n_out, A, z, stride, 0, batch, i)


@njit(nogil=True, error_model="numpy")
def one_backward(D, T, batch, n_in, n_out, stride, d, zeros):
    for j in range(0, n_in // lanes(D), N):
        backward(D, 0, stride, T, zeros, 0, 0, n_in, n_out, d, 0, batch, j)


@njit(nogil=True, error_model="numpy")
def one_gradient(A, D, batch, n_in, n_out, stride, h, P, S, T):
    L = lanes(A)
    for j in range(n_in // L):
        for i in range(n_out // L):
            p, t = (i * (n_in // L) + j) * L * L, (j * (n_out // L) + i) * L * L
            weights(A, j * stride, D, i * stride, batch, h, 0, (), P, p, S, S, T, t, False, True, False)


def kernels(
    dtype: type = np.float32, batch: int = 128, n_in: int = 512, n_out: int = 512
) -> dict[str, Callable[[], float]]:
    """Functions that measure the operations a second of each kernel on one core."""
    L = lanes_of(dtype)
    stride = (batch | 1) * L
    rng = np.random.default_rng(0)
    A, D = aligned((n_in + n_out) // L * stride, dtype), aligned((n_in + n_out) // L * stride, dtype)
    P, S, T = (aligned(n_in * n_out + n_out + N * L, dtype) for _ in range(3))
    h = aligned(HYPERPARAMETERS, dtype)
    h[:2] = 0.1, 0.9
    A[:], D[:], P[: n_in * n_out] = rng.random(A.size), rng.random(D.size) * 1e-6, rng.random(n_in * n_out) * 0.01
    zeros, operations = n_in * n_out, 2 * batch * n_in * n_out

    def timed(kernel, *args) -> Callable[[], float]:
        def measure() -> float:
            start = time.perf_counter()
            kernel(*args)
            return operations / (time.perf_counter() - start)

        measure()
        return measure

    return {
        "forward": timed(one_forward, A, P, batch, n_in, n_out, stride, n_in // L * stride),
        "backward": timed(one_backward, D, T, batch, n_in, n_out, stride, n_out // L * stride, zeros),
        "gradient + momentum": timed(one_gradient, A, D, batch, n_in, n_out, stride, h, P, S, T),
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
    print(f"{platform.processor() or platform.machine()}, numba {numba.__version__}, tile {M}x{N}; 128x512x512")
    for dtype in (np.float32, np.float64):
        top = peak(dtype)
        print(f"FMA peak {np.dtype(dtype)}: {np.median([top() for _ in range(15)]) / 1e9:.0f} GFLOP/s")
        for name, measure in kernels(dtype).items():
            line(f"{name} {np.dtype(dtype)}", ratios(measure, top, rounds))


if __name__ == "__main__":
    main()
