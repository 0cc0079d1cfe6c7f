"""How much slower or faster is one checkout of fastbp than another? Both at once, in turns.

    python benchmarks/turns.py BEFORE AFTER [CASE ...] [--processes 5] [--rounds 9]     training and predictions
    python benchmarks/turns.py BEFORE AFTER --startup [--processes 5]                   the import and the first fit

BEFORE and AFTER are directories that hold a `fastbp` package. Each pair of processes has one for either of them. They
take turns: one waits while the other works, and who begins changes with each round. A ratio is seconds of AFTER /
seconds of BEFORE. That of a pair is the median over its rounds; printed are the median over all pairs and their range,
then medians of the times themselves. Several pairs matter: by where its code and data lie in memory, the same version
differs by some percent from one process to another. Cases are those of cases.py, and predictions with one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import startup
from cases import CASES
from peers import serve


class Work(NamedTuple):
    """What is timed: a request that `peers.serve` knows, and the name of its case."""

    case: str
    request: Any


WORK = {
    **{name: Work(name, "fit") for name in CASES},
    "S 1 row": Work("S", (1, 2000)),
    "S 10,000 rows": Work("S", (10_000, 3)),
}
"""name: work. A request for predictions is of rows, and of how many calls."""

ENOUGH_SECONDS, LEAST_ROUNDS = 7.0, 3
"""A pair of processes ends early when it has taken this long, but not before so many rounds."""


def serve_checkout(connection: Connection, checkout: str, case: str) -> None:
    """Be `peers.serve` with the fastbp of a checkout, which nothing has imported yet."""
    sys.path.insert(0, checkout)
    serve(connection, "fastbp", CASES[case], 0)


class Worker:
    """A checkout in a process of its own, which has trained once when this returns.

    Parameters
    ----------
    checkout : the directory.
    case : a name of `CASES`.

    Raises
    ------
    SystemExit
        If the process cannot do it.
    """

    def __init__(self, checkout: Path, case: str):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve_checkout, args=(other, str(checkout), case), daemon=True)
        self.process.start()
        other.close()
        problem = "its process ended"
        with contextlib.suppress(EOFError):
            problem = self.connection.recv()
        if problem:
            raise SystemExit(f"{checkout}: {case}: {problem}")

    def ask(self, request: Any) -> float:
        """Have something done, wait for it, and return the seconds that it took."""
        self.connection.send(request)
        return self.connection.recv()

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(None)
        self.process.join()


class Pair(NamedTuple):
    """What a pair of processes took: medians over its rounds, in seconds."""

    before: float
    after: float
    ratio: float


def alternate(workers: list[Worker], request: Any, rounds: int) -> list[list[float]]:
    """The seconds of each worker in each round; a round before them only warms up."""
    start, taken = time.monotonic(), []
    for k in range(rounds + 1):
        order = workers if k % 2 else workers[::-1]
        seconds = {worker: worker.ask(request) for worker in order}
        taken.append([seconds[worker] for worker in workers])
        if k >= LEAST_ROUNDS and time.monotonic() - start > ENOUGH_SECONDS:
            break
    return taken[1:]


def compare(before: Path, after: Path, work: Work, rounds: int) -> Pair:
    """Time a pair of processes."""
    workers = [Worker(checkout, work.case) for checkout in (before, after)]
    taken = alternate(workers, work.request, rounds)
    for worker in workers:
        worker.stop()
    b, a = (statistics.median(column) for column in zip(*taken, strict=True))
    return Pair(b, a, statistics.median(y / x for x, y in taken))


def report(name: str, pairs: list[Pair], unit: float) -> None:
    """Print a line: the median and the range of the ratios, then the medians of the times."""
    b, a, ratios = (sorted(column) for column in zip(*pairs, strict=True))
    times = f"{statistics.median(b) * unit:12,.2f} {statistics.median(a) * unit:12,.2f}"
    print(f"{name:24} {statistics.median(ratios):.3f}  [{ratios[0]:.3f} .. {ratios[-1]:.3f}] {times}", flush=True)


def head(unit: str) -> None:
    """Print the head of the lines that follow."""
    print(f"{'':24} after / before        {f'before, {unit}':>13} {f'after, {unit}':>12}")


def training(before: Path, after: Path, names: list[str], processes: int, rounds: int) -> None:
    """Compare steps of training, and predictions."""
    head("us")
    for name in names:
        report(name, [compare(before, after, WORK[name], rounds) for _ in range(processes)], 1e6)


def seconds(checkout: Path, code: str, cache: str) -> list[float]:
    """What a fresh process prints, with the fastbp of a checkout."""
    return startup.seconds(f"import sys; sys.path.insert(0, {str(checkout)!r})\n{code}", cache)


STARTS = "import", "first fit, empty cache", "first fit, warm cache", "19 % nonzeros, empty cache", "then other widths"
"""What `start_of` measures."""


def start_of(checkout: Path) -> tuple[float, ...]:
    """Seconds in fresh processes, in the order of `STARTS`. The import is without numba's."""
    with tempfile.TemporaryDirectory() as cache:
        own = seconds(checkout, startup.IMPORT, cache)[1]
        cold, warm = (seconds(checkout, startup.DENSE, cache)[0] for _ in range(2))
    with tempfile.TemporaryDirectory() as cache:
        pixels, *others = seconds(checkout, startup.PIXELS, cache)
    return own, cold, warm, pixels, max(others)


def starting(before: Path, after: Path, processes: int) -> None:
    """Compare imports and first fits."""
    for checkout in (before, after):
        seconds(checkout, startup.IMPORT, "")  # which may write bytecode
    taken = []
    for k in range(processes):
        if k % 2:
            a, b = start_of(after), start_of(before)
        else:
            b, a = start_of(before), start_of(after)
        taken.append((b, a))
    head("ms")
    for j, name in enumerate(STARTS):
        report(name, [Pair(b[j], a[j], a[j] / b[j]) for b, a in taken], 1e3)


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, metavar="BEFORE")
    parser.add_argument("after", type=Path, metavar="AFTER")
    parser.add_argument("case", nargs="*", help=f"of {', '.join(map(repr, WORK))}; by default all")
    parser.add_argument("--processes", type=int, default=5, help="pairs of processes for each case")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each process that are timed, at most")
    parser.add_argument("--startup", action="store_true", help="compare imports and first fits instead")
    options = parser.parse_args()
    if unknown := [name for name in options.case if name not in WORK]:
        parser.error(f"CASE must be of {', '.join(map(repr, WORK))}; got {unknown}")
    before, after = options.before.resolve(), options.after.resolve()
    for checkout in (before, after):
        if not (checkout / "fastbp" / "__init__.py").is_file():
            parser.error(f"{checkout} holds no fastbp")
    if options.startup:
        starting(before, after, options.processes)
    else:
        training(before, after, options.case or list(WORK), options.processes, options.rounds)


if __name__ == "__main__":
    main()
