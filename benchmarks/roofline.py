"""How near training steps come to what the machine can do.

    python benchmarks/roofline.py [--rounds 15] [--write]

For each case two floors, from what is measured in the same run: its operations at the multiply-adds a second of all
cores, and its memory traffic at the bytes a second that they read. The traffic is what cannot stay in a cache: the
minibatch's inputs and, of a network that is larger than the last-level cache, each weight, its transpose and its
optimizer state as often as a step reads and writes them. With --write the table goes into benchmarks/ROOFLINE.md, with
a picture.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from cases import CASES, Case
from compare import machine, table
from kernels import peak
from numba import njit, prange

from fastbp.engine import threads

HERE = Path(__file__).parent
STATES = {"sgd": 1, "adam": 2}


@njit(parallel=True, fastmath=True, nogil=True)
def _sums(x, count, out):
    """Read all of x, shared out."""
    share = len(x) // count
    for t in prange(count):
        total = np.float32(0)
        for i in range(t * share, (t + 1) * share):
            total += x[i]
        out[t] = total


def bandwidth(count: int) -> Callable[[], float]:
    """A function that measures the bytes a second that `count` cores read from memory."""
    x, out = np.ones(1 << 26, np.float32), np.zeros(count, np.float32)

    def measure() -> float:
        start = time.perf_counter()
        _sums(x, count, out)
        return x.nbytes / (time.perf_counter() - start)

    measure()
    return measure


def last_level_cache() -> int:
    """Bytes of the largest cache; 32 MiB where it is not known."""
    sizes = [32 << 20]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(path.read_text().strip().removesuffix("K")) << 10)
    return sizes[-1] if len(sizes) == 1 else max(sizes[1:])


def traffic(case: Case) -> int:
    """Bytes of a step that come from memory or go there."""
    weights = sum(a * b for a, b in pairwise(case.sizes))
    transposed = weights - case.sizes[0] * case.sizes[1]
    states = STATES[case.rule] * weights if case.rule == "adam" or case.mu else 0
    inputs = case.batch * case.sizes[0]
    if 4 * (weights + transposed + states) <= last_level_cache():
        return 4 * inputs
    # W for forward, its transpose for backward; then W and the states read and written, the transpose written.
    return 4 * (inputs + weights + transposed + 2 * (weights + states) + transposed)


def step(case: Case, n_threads: int | None = None) -> Callable[[], float]:
    """A function that measures the seconds of a training step."""
    trainer, (X, y) = case.trainer(n_threads), case.data()
    trainer.fit(X, y)

    def measure() -> float:
        start = time.perf_counter()
        trainer.fit(X, y)
        return (time.perf_counter() - start) / case.steps

    return measure


def picture(points: dict[str, tuple[float, float]], top: float, read: float) -> None:
    """Operations a second over operations a byte, below the two roofs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    x = np.geomspace(0.5, 2e4, 200)
    axes.loglog(x, np.minimum(top, read * x) / 1e9, color="black", label="measured roof")
    for name, (intensity, rate) in points.items():
        axes.plot(intensity, rate / 1e9, "o", color="tab:blue")
        axes.annotate(name, (intensity, rate / 1e9), xytext=(4, -10), textcoords="offset points")
    axes.set(xlabel="operations a byte of memory traffic", ylabel="GFLOP/s", ylim=(5, 2 * top / 1e9))
    axes.grid(which="both", alpha=0.2)
    axes.legend()
    figure.savefig(HERE / "roofline.png", dpi=100, metadata={"Software": None})


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    threads.start()
    count = threads.available()
    flops, reads = peak(count=count), bandwidth(count)
    top, read = max(flops() for _ in range(500)), max(reads() for _ in range(10))
    rows, points = [], {}
    for name, case in CASES.items():
        measure = step(case)
        reached = float(np.median([measure() for _ in range(options.rounds)]))
        compute, memory = case.operations / top, traffic(case) / read
        floor = max(compute, memory)
        cells = [f"{1e6 * value:,.1f}" for value in (compute, memory, reached)]
        rows.append([name, case.title, *cells, f"{floor / reached:.2f}"])
        points[name] = case.operations / traffic(case), case.operations / reached
        print(" | ".join(rows[-1]), flush=True)
    head = ["case", "network", "arithmetic, us", "memory, us", "a step takes, us", "floor / step"]
    text = [
        "# Roofline",
        "Written by `python benchmarks/roofline.py --write`.",
        f"{machine()}. {top / 1e9:.0f} GFLOP/s of float32 multiply-adds, {read / 1e9:.0f} GB/s read from memory.",
        table(head, rows),
        __doc__.split("\n\n")[2].split(" With --write")[0].strip(),
        "![Operations a second over operations a byte](roofline.png)",
    ]
    if options.write:
        (HERE / "ROOFLINE.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
        picture(points, top, read)


if __name__ == "__main__":
    main()
