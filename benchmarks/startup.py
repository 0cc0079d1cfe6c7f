"""Start-up, in fresh processes: the import, and the first fit with an empty and with a warm kernel cache.

Dense inputs, and inputs with many zeros, for which there are more kernels.

python benchmarks/startup.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

IMPORT = """
import time
start = time.perf_counter()
import numba
middle = time.perf_counter()
import fastbp
print(middle - start, time.perf_counter() - middle)
"""
FIT = """
import time
import numpy as np
import fastbp as fb
rng = np.random.default_rng(0)
X, y = rng.integers(1, 256, (1280, 784), np.uint8), rng.integers(0, 10, 1280)
X[rng.random(X.shape) > {share}] = 0
for hidden in (128, {widths}):
    start = time.perf_counter()
    net = fb.MLP([784, hidden, 10], output="softmax", scale=1 / 255, seed=0)
    fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1, momentum=0.9), batch_size=64, seed=0).fit(X, y)
    print(time.perf_counter() - start)
"""
DENSE = FIT.format(share=1.0, widths="")
PIXELS = FIT.format(share=0.19, widths="100, 64, 300, 20")
"""Inputs of which 19 % are not 0, as in pictures of digits; then networks of other widths in the same process."""


def seconds(code: str, cache: str) -> list[float]:
    """What a fresh process prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = range(parser.parse_args().rounds)
    cold, warm, imports, pixels = [], [], [], []
    for _ in rounds:
        with tempfile.TemporaryDirectory() as cache:
            imports.append(seconds(IMPORT, cache))
            cold += seconds(DENSE, cache)
            warm += seconds(DENSE, cache)
        with tempfile.TemporaryDirectory() as cache:
            pixels.append(seconds(PIXELS, cache))
    numba, own = (statistics.median(column) for column in zip(*imports, strict=True))
    print(f"import numba {numba:.2f} s, import fastbp {own:.3f} s more")
    print(f"first fit, empty cache {statistics.median(cold):.2f} s  [{min(cold):.2f} .. {max(cold):.2f}]")
    print(f"first fit, warm cache  {statistics.median(warm):.2f} s  [{min(warm):.2f} .. {max(warm):.2f}]")
    first, *others = (statistics.median(column) for column in zip(*pixels, strict=True))
    print(f"first fit with 19 % nonzeros, empty cache {first:.2f} s, then hidden widths 100, 64, 300 and 20:", end=" ")
    print(", ".join(f"{each:.2f}" for each in others), "s")


if __name__ == "__main__":
    main()
