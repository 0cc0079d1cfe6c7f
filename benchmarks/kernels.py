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
from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.simd.memory import call, lanes
from fastbp.kernels.simd.target import TILE_PANELS, TILE_ROWS
from fastbp.kernels.simd.tiles import tile_fma, tile_store, tile_zero

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
    """An operation on some rows, by one thread."""
    call(kernel, (step, record, 0, 0, rows))


def kernels(
    dtype: type = np.float32, batch: int = 128, n_in: int = 512, n_out: int = 512
) -> dict[str, Callable[[], float]]:
    """Functions that measure the operations a second of each kernel of a second layer, on one core."""
    rng = np.random.default_rng(0)
    net = fb.MLP([n_in, n_in, n_out], activation="identity", dtype=dtype, seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e-9, momentum=0.9), batch_size=batch, n_threads=1)
    trainer.fit(rng.random((batch, n_in)).astype(dtype), rng.random((batch, n_out)))
    work = trainer._steps_of(batch).work  # of the step that has just been made, so its memory holds numbers
    operations = work.operations.tolist()
    kinds = [kernel_cache.names()[kernel].split("-")[0] for kernel, _ in operations]
    products = [operation for operation, kind in zip(operations, kinds, strict=True) if kind == "product"]
    learns = [operation for operation, kind in zip(operations, kinds, strict=True) if kind == "learn"]
    for record in work.records:
        if "total" in record.fields:  # each update is measured alone
            record.set(before=0, before_extra=0, total=record["total"] // 2, total_extra=10**9)

    def timed(operation: list[int]) -> Callable[[], float]:
        def measure() -> float:
            start = time.perf_counter()
            run(operation[0], work.step.address, operation[1], batch)
            return 2 * batch * n_in * n_out / (time.perf_counter() - start)

        measure.work = work  # keeps the memory of the operation alive
        measure()
        return measure

    return {
        "forward": timed(products[1]),
        "backward": timed(products[2]),
        "gradient + momentum": timed(learns[1]),
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
