"""Start-up, in fresh processes: the import, and the first fit with an empty and with a warm kernel cache.

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
X, y = rng.integers(0, 256, (1280, 784), np.uint8), rng.integers(0, 10, 1280)
start = time.perf_counter()
net = fb.MLP([784, 128, 10], output="softmax", scale=1 / 255, seed=0)
fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1, momentum=0.9), batch_size=64, seed=0).fit(X, y)
print(time.perf_counter() - start)
"""


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
    cold, warm, imports = [], [], []
    for _ in rounds:
        with tempfile.TemporaryDirectory() as cache:
            imports.append(seconds(IMPORT, cache))
            cold += seconds(FIT, cache)
            warm += seconds(FIT, cache)
    numba, own = (statistics.median(column) for column in zip(*imports, strict=True))
    print(f"import numba {numba:.2f} s, import fastbp {own:.3f} s more")
    print(f"first fit, empty cache {statistics.median(cold):.2f} s  [{min(cold):.2f} .. {max(cold):.2f}]")
    print(f"first fit, warm cache  {statistics.median(warm):.2f} s  [{min(warm):.2f} .. {max(warm):.2f}]")


if __name__ == "__main__":
    main()
