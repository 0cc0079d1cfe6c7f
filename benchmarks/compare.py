"""fastbp beside PyTorch, JAX, NumPy and scikit-learn: the same data, weights, order, learning rate and arithmetic.

    python benchmarks/compare.py [CASE ...] [--rounds 7] [--mnist DIR]     measure, and write benchmarks/RESULTS.md
    python benchmarks/compare.py --quote           copy a part of it into README.md, and draw benchmarks/speed.svg

All libraries train the same networks on the same data, from the same initial weights, with the same order of samples,
the same learning rate and the same arithmetic. Each library runs in its own process. The processes work in turns, so
that a disturbance of the machine hits all libraries alike.

A cell of a table holds the median of the times, then the tenth and the ninetieth percentile in brackets. The number in
bold is the ratio: how many times as long as fastbp the library takes. It is the median, over all rounds, of the time of
the library divided by the time of fastbp in the same round.

Before and after each turn, the script measures how fast all cores multiply and add, and how fast their threads meet. If
the cores are slower than 0.85 of their best, or if the threads need 1.5 times as long as usual to meet, something else
uses the machine, or a virtual machine's cores are far apart. The script then repeats the turn, until it has waited as
long as `--patience` allows. After the first turn it computes the loss of each library's network in float64, and
compares it with the loss of fastbp's network.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import platform
import re
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import quote
from cases import CASES, PIXELS, Case
from kernels import peak
from numba import njit, prange
from peers import PEERS, serve

from fastbp.engine import threads

HERE = Path(__file__).parent
RESULTS, README, PICTURE = HERE / "RESULTS.md", HERE.parent / "README.md", HERE / "speed.svg"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
"""The marks around the tables."""
SAME_LOSS = 0.02
"""Relative difference of final losses that rounding may make: steps of float32 in another order drift apart."""

TARGETS = {
    "XS": {"JAX": 2.0, "PyTorch": 40, "best": 2.0},
    "T": {"JAX": 2.0, "PyTorch": 15, "best": 2.0},
    "S": {"JAX": 1.4, "PyTorch": 3.4, "best": 1.4, "peak": 0.66},
    "M": {"JAX": 1.25, "PyTorch": 1.5, "best": 1.25, "peak": 0.86},
    "L": {"JAX": 1.12, "PyTorch": 1.3, "best": 1.12, "peak": 0.87},
    **{name: {"JAX": 1.3, "PyTorch": 2, "best": 1.2} for name in "DRAO"},
    **{f"{name}, 10,000 rows": {"JAX": 1.3, "PyTorch": 1.4, "best": 1.2} for name in "SM"},
    "S, 1 row": {"PyTorch": 1.5},
    "S, pixels": {"JAX": 2.6},
    "M, pixels": {"JAX": 1.6},
    "T, pixels": {"JAX": 3.5},
    "O, pixels": {"JAX": 2.5},
    "MNIST": {"JAX": 3.0, "PyTorch": 2.2, "best": 2.0},
}
"""What this project wants to reach: peer / fastbp at least, and the fraction of the FMA peak of all cores."""

APART = """Two cores of a virtual machine exchange a cache line in 70 ns, but in 350 ns when the host has moved them
under separate L3 caches. A step of S then takes 220 to 260 us instead of 150 us. Two changes did not help: that each
core gathers all inputs that it will sum over, and that a core writes inputs past the caches for the other core."""
ARITHMETIC = """Arithmetic takes most of the time of both libraries. The ratio cannot be more than one divided by the
other library's own fraction of the peak."""
EPOCHS = """The number of epochs to 98 % varies between 5 and 8 by rounding alone, and NumPy has nothing to compile or
to load. Of about 3 s, the imports and the data take 0.5 s. The rest are epochs of 0.3 s, of which the arithmetic alone
takes 0.21 s."""
TANH = "The arithmetic alone takes 1,880 us on both cores of this machine, and tanh takes another 100 us."
BOUNDS = {
    **dict.fromkeys(("S", "M", "D"), APART),
    **dict.fromkeys(("S, 10,000 rows", "M, 10,000 rows", "L", "A"), ARITHMETIC),
    "R": TANH,
    "MNIST": EPOCHS,
}
"""What bounds a figure that is below its target."""


class Worker:
    """A peer in its own process."""

    def __init__(self, name: str, case: Case, count: int):
        self.name, self.count = name, count
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name, case, count), daemon=True)
        self.process.start()
        other.close()
        try:
            self.problem = self.connection.recv()
        except EOFError:
            self.problem = "it ended"

    def ask(self, request):
        """Have something done, and wait for the answer."""
        self.connection.send(request)
        return self.connection.recv()

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(None)
        self.process.join()


def workers(case: Case) -> list[Worker]:
    """One for each peer that is installed and can do the case; PyTorch with the number of threads that suits it."""
    found = []
    for name in PEERS:
        if name == "PyTorch":
            trials = [Worker(name, case, count) for count in sorted({1, threads.available()})]
            taken = [np.inf if trial.problem else min(trial.ask("fit") for _ in range(3)) for trial in trials]
            for trial in trials:
                trial.stop()
            found.append(Worker(name, case, trials[int(np.argmin(taken))].count))
        else:
            found.append(Worker(name, case, threads.available()))
        if found[-1].problem:
            print(f"{case.title}: {name} is left out: {found[-1].problem}")
            found.pop().process.join()
    return found


def loss(case: Case, parameters) -> float:
    """The mean loss over the data, in float64."""
    X, y = case.data()
    a = X[:5000].astype(np.float64)
    for W, b in parameters[:-1]:
        z = a @ W.astype(np.float64) + b
        a = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}[
            case.activation
        ](z)
    z = a @ parameters[-1][0].astype(np.float64) + parameters[-1][1]
    if case.loss == "squared_error":
        return float(0.5 * ((z - y[:5000]) ** 2).sum(axis=1).mean())
    z -= z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y[:5000]]).mean())


@njit(parallel={"prange": True, "fusion": False}, nogil=True)
def meet(n, count, out):
    """Have `count` threads meet n times."""
    for _ in range(n):
        for t in prange(count):
            out[t, 0] += 1


class Quiet:
    """Says whether the machine is ours: multiply-adds on all cores, and their meetings, are near the best of this run.

    A virtual machine's cores may be one, or far apart, for seconds or minutes at a time: a meeting of two then takes
    four times as long, or twice.
    """

    def __init__(self, patience: float):
        self.patience, self.turns, self.disturbed = patience, 0, 0
        self.count = threads.available()
        self.peak, self.best, self.quickest = peak(count=self.count), 0.0, np.inf
        for _ in range(60):
            self.measure()
            time.sleep(0.1)

    def measure(self) -> bool:
        """Whether it is so now."""
        rate = max(self.peak() for _ in range(12))  # the first ones wake the other cores up
        out, pace = np.zeros((self.count, 16)), np.inf
        for _ in range(5):
            start = time.perf_counter()
            meet(100, self.count, out)
            pace = min(pace, time.perf_counter() - start)
        self.best, self.quickest = max(self.best, rate), min(self.quickest, pace)
        return rate > 0.85 * self.best and pace < 1.5 * self.quickest

    def within(self, seconds: float) -> bool:
        """Whether it is so, or becomes so within some time: libraries spin on for a while when their work is done."""
        end = time.monotonic() + seconds
        while True:
            if self.measure():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.05)

    def ask(self, worker: Worker, request):
        """A worker's answer of a time when the machine was ours; of any time, once patience has run out."""
        while True:
            start = time.monotonic()
            self.within(max(self.patience, 0.3))
            ready = time.monotonic()
            answer = worker.ask(request)
            done = time.monotonic()
            fine = self.within(0.3)
            self.patience -= ready - start
            if fine or self.patience <= 0:
                self.turns, self.disturbed = self.turns + 1, self.disturbed + (not fine)
                return answer
            self.patience -= done - ready


def alternate(crew: list[Worker], request, rounds: int, quiet: Quiet) -> dict[str, np.ndarray]:
    """Seconds of each worker in each round."""
    taken = {worker.name: [] for worker in crew}
    for k in range(rounds + 1):
        for worker in crew[k % len(crew) :] + crew[: k % len(crew)]:
            taken[worker.name].append(quiet.ask(worker, request))
    return {name: np.array(values[1:]) for name, values in taken.items()}


def spread(values: np.ndarray) -> str:
    """Median and range."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:,.{digits}f} [{low:,.{digits}f} .. {high:,.{digits}f}]"


def ratios(taken: dict[str, np.ndarray]) -> dict[str, float]:
    """How many times the seconds of fastbp each peer took, and the best of them."""
    found = {name: np.median(values / taken["fastbp"]) for name, values in taken.items() if name != "fastbp"}
    return {**found, "best": min(found.values(), default=np.nan)}


def row(name: str, title: str, taken: dict[str, np.ndarray], unit: float, notes: dict[str, str]) -> list[str]:
    """A line of a table: fastbp's time, then the times and ratios of the others."""
    cells = [name, title, spread(taken["fastbp"] * unit)]
    for peer in list(PEERS)[1:]:
        if peer in taken:
            ratio = taken[peer] / taken["fastbp"]
            cells.append(f"{spread(taken[peer] * unit)}{notes.get(peer, '')}: **{np.median(ratio):.2f}**")
        else:
            cells.append("-")
    return [*cells, f"**{ratios(taken)['best']:.2f}**"]


def table(head: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measure(
    name: str, case: Case, rounds: int, quiet: Quiet
) -> tuple[list[str], list[list[str]], dict[str, dict[str, float]]]:
    """The rows of a case for training and inference, and all ratios."""
    crew = workers(case)
    losses = {worker.name: loss(case, worker.ask("weights")) for worker in crew}  # each has made one fit
    taken = alternate(crew, "fit", rounds, quiet)
    for peer, value in losses.items():
        if not abs(value - losses["fastbp"]) <= SAME_LOSS * abs(losses["fastbp"]):
            print(f"{name}: {peer} ended at a loss of {value:.5f}, fastbp at {losses['fastbp']:.5f}: not the same work")
    fraction = float(np.median(case.operations / taken["fastbp"])) / quiet.best
    notes = {worker.name: f", {worker.count} thread{'s' * (worker.count > 1)}" for worker in crew}
    notes = {"PyTorch": notes.get("PyTorch", "")}
    apart = max(abs(value / losses["fastbp"] - 1) for value in losses.values())
    training = [*row(name, case.title, taken, 1e6, notes), f"{fraction:.2f}", f"{losses['fastbp']:.4f}, {apart:.1e}"]
    found, inference = {name: {**ratios(taken), "peak": fraction}}, []
    if name in ("S", "M"):
        for rows, calls in ((10_000, 3), (1, 2000)):
            label = f"{name}, {rows:,} row{'s' * (rows > 1)}"
            taken = alternate(crew, (rows, calls), rounds, quiet)
            inference.append(row(label, case.title, taken, 1e6, {}))
            found[label] = ratios(taken)
    for worker in crew:
        worker.stop()
    return training, inference, found


def digits(directory: Path, rounds: int) -> tuple[list[list[str]], dict[str, dict[str, float]]]:
    """Seconds from process start to finish until 98 % of MNIST's test digits are right; other weights each round."""
    taken, epochs = {}, {}
    for k in range(rounds + 1):
        for name, peer in PEERS.items():
            with contextlib.suppress(metadata.PackageNotFoundError):
                metadata.version({"sklearn": "scikit-learn"}.get(peer.package, peer.package))
                start = time.perf_counter()
                command = [sys.executable, str(HERE / "peers.py"), name, str(directory), "0.98", "30", str(k)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(done.stderr[-2000:])
                elif k:  # the first is to warm caches up
                    taken.setdefault(name, []).append(time.perf_counter() - start)
                    epochs.setdefault(name, []).append(int(done.stdout))
    taken = {name: np.array(values) for name, values in taken.items()}
    epochs = {name: f", {min(counts)} to {max(counts)} epochs" for name, counts in epochs.items()}
    line = row("MNIST", "784-256-10 b64", taken, 1.0, epochs)
    line[2] += epochs["fastbp"]
    return [line], {"MNIST": ratios(taken)}


def machine() -> str:
    """What this ran on."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    packages = []
    for name in ("numba", "numpy", "torch", "jax", "scikit-learn"):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            packages.append(f"{name} missing")
    return f"{model}, {threads.available()} cores; Python {platform.python_version()}, {', '.join(packages)}"


def missed(found: dict[str, dict[str, float]]) -> list[str]:
    """Lines for the targets that were not reached, in a group for each reason."""
    groups: dict[str, list[str]] = {}
    for name, wanted in TARGETS.items():
        for peer, least in wanted.items():
            value = found.get(name, {}).get(peer, np.nan)
            if value < least:
                time = "the fastest other library" if peer == "best" else peer
                what = f"{value:.2f} of the peak" if peer == "peak" else f"{time} takes {value:.2f} times as long"
                reason = " ".join(BOUNDS.get(name, "No reason is known.").split())
                groups.setdefault(reason, []).append(f"  - {name}: {what}, and the target is {least:g}.")
    return [line for reason, lines in groups.items() for line in (f"- {reason}", *lines)]


def write(tables: list[str]) -> None:
    """Write benchmarks/RESULTS.md. What follows its tables comes from other scripts, and stays."""
    after = RESULTS.read_text(encoding="utf-8").partition(f"{END}\n")[2] if RESULTS.exists() else ""
    title = "# Measurements\n\nThe tables are written by `python benchmarks/compare.py --mnist DIR`."
    text = "\n\n".join([title, __doc__.split("\n\n", 2)[2].strip(), BEGIN, *tables, END]).replace("-->\n\n", "-->\n")
    RESULTS.write_text(f"{text}\n{after}", encoding="utf-8")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"of {', '.join((*CASES, *PIXELS))}; by default all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait for a quiet machine, in all")
    parser.add_argument("--mnist", type=Path, help="a directory with MNIST's IDX files, for pixels")
    parser.add_argument("--quote", action="store_true")
    options = parser.parse_args()
    if options.quote:
        quote.write(RESULTS, README, PICTURE)
        return
    threads.start()
    training, inference, mnist, found, quiet = [], [], [], {}, Quiet(options.patience)
    cases = CASES | {name: replace(case, mnist=options.mnist) for name, case in PIXELS.items() if options.mnist}
    for name in options.case or cases:
        line, more, values = measure(name, cases[name], options.rounds, quiet)
        training.append(line)
        inference += more
        found |= values
        for cells in [line, *more]:
            print(" | ".join(cells), flush=True)
    if options.mnist and not options.case:
        mnist, values = digits(options.mnist, options.rounds)
        found |= values
        print(" | ".join(mnist[0]), flush=True)
    head = ["case", "network", "fastbp", *list(PEERS)[1:], "best"]
    share = f"{quiet.turns} turns, {quiet.disturbed} of them disturbed."
    parts = [f"{machine()}. {share}\n\nMicroseconds a training step; in bold how many times those of fastbp:"]
    parts.append(table([*head, "of the peak", "loss, apart"], training))
    if inference:
        parts += ["Microseconds a prediction:", table(head, inference)]
    if mnist:
        parts += ["Seconds from the start of the process to 98 % of MNIST's test digits:", table(head, mnist)]
    lines = missed(found)
    heading = "Targets that were not reached, and why:\n"
    parts.append("\n".join([heading, *lines]) if lines else "All targets are reached.")
    if options.case:
        return  # a part is not a result
    write(parts)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
