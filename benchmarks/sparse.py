"""Sparse matrices: fastbp beside scikit-learn, steps by the number of columns, and dense inputs by their zeros.

python benchmarks/sparse.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

ROWS, COLUMNS, ENTRIES, HIDDEN, BATCH = 20_000, 50_000, 100, 64, 128
"""Of the comparison with scikit-learn."""

SOLVERS = ("sgd", "momentum", "adam")


def words(n: int, columns: int, entries: int, often: bool = False) -> sparse.csr_matrix:
    """Return rows with numbers in different columns: drawn evenly, or some of them often, like words in texts."""
    rng = np.random.default_rng(0)
    wide = columns // entries
    steps = rng.integers(0, wide, (n, entries)) if not often else np.exp(rng.random((n, entries)) * np.log(wide)) - 1
    indices = (steps.astype(np.int32) + np.arange(entries, dtype=np.int32) * wide).ravel()
    starts = np.arange(n + 1, dtype=np.int32) * entries
    return sparse.csr_matrix((rng.random(n * entries, np.float32), indices, starts), (n, columns))


def memory(name: str) -> float:
    """Return a line of what Linux tells about the memory of this process, in MB: VmRSS, or VmHWM, the largest VmRSS."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def begin() -> float:
    """Begin to watch the largest memory of this process. Return its memory now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def fastbp_epoch(solver: str) -> tuple[float, float]:
    """Train two epochs. Return the seconds of the second one, and the MB that training needed besides the data."""
    import fastbp as fb

    rules = {"sgd": fb.SGD(1e-3), "momentum": fb.SGD(1e-3, momentum=0.9, nesterov=True), "adam": fb.Adam()}

    def trainer(columns: int) -> fb.Trainer:
        net = fb.MLP([columns, HIDDEN, 2], output="softmax", seed=0)
        return fb.Trainer(net, loss="cross_entropy", optimizer=rules[solver], batch_size=BATCH, seed=0)

    y = np.arange(ROWS) % 2
    trainer(64).fit(words(256, 64, 4), y[:256])  # loads the kernels, of which the data are not to blame
    X = words(ROWS, COLUMNS, ENTRIES)
    before, own = begin(), trainer(COLUMNS)
    own.fit(X, y)
    start = time.perf_counter()
    own.fit(X, y)
    return time.perf_counter() - start, memory("VmHWM") - before


def sklearn_epoch(solver: str) -> tuple[float, float]:
    """Do the same with scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    options = {"sgd": {"momentum": 0.0, "nesterovs_momentum": False}}.get(solver, {})
    rule = "adam" if solver == "adam" else "sgd"

    def network(epochs: int) -> MLPClassifier:
        settings = {"batch_size": BATCH, "alpha": 0.0, "max_iter": epochs, "random_state": 0, "solver": rule}
        return MLPClassifier((HIDDEN,), **settings, **options)

    y = np.arange(ROWS) % 2
    network(1).fit(words(256, 64, 4), y[:256])
    X = words(ROWS, COLUMNS, ENTRIES)
    before, own = begin(), network(1)
    own.fit(X, y)
    start = time.perf_counter()
    own.partial_fit(X, y)
    return time.perf_counter() - start, memory("VmHWM") - before


def steps(rounds: int) -> None:
    """Print microseconds of a step by plain SGD with 10,000 and with 1,000,000 columns, 30 entries a row, in turns."""
    import fastbp as fb

    for often in (False, True):
        for hidden, batch in ((64, 128), (16, 32)):
            trainers = {}
            for columns in (10_000, 1_000_000):
                net = fb.MLP([columns, hidden, 2], output="softmax", seed=0)
                own = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(1e-3), batch_size=batch, seed=0)
                trainers[columns] = own, words(100_000, columns, 30, often)
            taken = {columns: [] for columns in trainers}
            for k in range(rounds + 1):
                for columns, (own, X) in trainers.items():
                    own.fit(X, np.arange(X.shape[0]) % 2)
                    taken[columns] += [own.history["seconds"][-1] * batch / X.shape[0] * 1e6] * (k > 0)
            few, many = (statistics.median(values) for values in taken.values())
            drawn = "some columns often" if often else "columns drawn evenly"
            print(f"{hidden} hidden, batch {batch}, {drawn}: {few:.1f} us and {many:.1f} us, {many / few:.2f} times")


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epoch", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.epoch:
        print(*{"fastbp": fastbp_epoch, "sklearn": sklearn_epoch}[options.epoch[0]](options.epoch[1]))
        return
    X = words(ROWS, COLUMNS, ENTRIES)
    bytes_of = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20
    print(f"CSR {ROWS} x {COLUMNS}, {ENTRIES} entries a row: {bytes_of:.0f} MB; network {COLUMNS}-{HIDDEN}-2:", end=" ")
    print(f"{4 * COLUMNS * HIDDEN / 2**20:.0f} MB; batch {BATCH}")
    for solver in SOLVERS:
        found = {"fastbp": [], "sklearn": []}
        for _ in range(options.rounds):
            for name, results in found.items():
                command = [sys.executable, str(Path(__file__)), "--epoch", name, solver]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results.append([float(word) for word in done.stdout.split()])
        (own, needed), (other, others) = (np.median(results, axis=0) for results in found.values())
        times = f"an epoch {own:.3f} s, scikit-learn {other:.3f} s, {other / own:.1f} times as long"
        print(f"{solver}: {times}; besides the data {needed:.0f} MB, scikit-learn {others:.0f} MB", flush=True)
    steps(options.rounds)


if __name__ == "__main__":
    main()
