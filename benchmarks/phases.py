"""Where the time of a training step goes, by thread: the lever to pull next.

    python benchmarks/phases.py [CASE ...] [--threads N] [--rounds 15]

Microseconds a step, medians over rounds, of each operation in the list that a step is, and of the waiting at the end of
each phase. They are measured by a loop like the trainer's, which reads the processor's clock around each operation. The
operation `learn` has three kinds of work in one tile, so these are told apart by leaving some out: `gradient` only
stores its sums, `update` is what `learn` takes more without transposes, `transpose` what it takes more with them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from cases import CASES, Case
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

from fastbp.engine import kernel_cache, threads
from fastbp.engine.runner import Work
from fastbp.kernels.loop import begin, divide, team
from fastbp.kernels.simd.memory import array_at, call, record_at
from fastbp.kernels.simd.target import TILE_ROWS
from fastbp.kernels.structs import OPERATION, PHASE, STEP


@intrinsic
def ticks(typingctx):
    """The processor's clock."""

    def codegen(context, builder, sig, args):
        function = builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(ir.IntType(64), []))
        return builder.call(function, [])

    return types.int64(), codegen


@njit(error_model="numpy", nogil=True)
def timed_run(address, p, t, spent):
    """`loop.run`, which adds the ticks of operation i to spent[t, i], and when it ended to the last place."""
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    operations = array_at(step.operations, phase.last, OPERATION)
    first, last = divide((step.rows + TILE_ROWS - 1) // TILE_ROWS, t, step.threads)
    first, last = first * TILE_ROWS, min(last * TILE_ROWS, step.rows)
    for i in range(phase.first, phase.last):
        began = ticks()
        call(operations[i].kernel, (address, operations[i].record, t, first, last))
        spent[t, i] += ticks() - began
    spent[t, -1] = ticks()


@njit(parallel={"prange": True, "fusion": False, "reduction": False}, error_model="numpy", nogil=True)
def timed_loop(address, first, last, spent):
    """`loop.loop`, whose thread t also adds the ticks that it waits at the end of phases to the last place but one."""
    for k in range(first, last):
        for p in range(begin(address, k)):
            threads = team(address, p)
            if threads == 1:
                timed_run(address, p, 0, spent)
            else:
                for t in prange(threads):
                    timed_run(address, p, np.int64(t), spent)
                joined = ticks()
                for t in range(threads):
                    spent[t, -2] += joined - spent[t, -1]


@njit
def clock():
    """`ticks`, from Python."""
    return ticks()


def measure(work: Work, steps: int, count: int) -> np.ndarray:
    """Microseconds a step of each thread in each operation, waiting, and altogether."""
    spent = np.zeros((count, len(work.operations) + 16), np.int64)  # two lines a thread at least
    work.step.set(threads=count, cost=0.0, diverged=0)
    tick, start = clock(), time.perf_counter()
    with threads.team(count):
        timed_loop(work.step.address, 0, steps * work.parts, spent)
    seconds, tick = time.perf_counter() - start, clock() - tick
    used = np.column_stack([spent[:, : len(work.operations)], spent[:, -2]]) * (seconds / tick)
    return np.column_stack([used, np.full(count, seconds)]) / steps * 1e6


def profile(case: Case, n_threads: int | None = None, rounds: int = 15) -> tuple[np.ndarray, list[str]]:
    """Microseconds a step, (threads, kinds of work), the last of which is the whole step; and the kinds' names."""
    X, y = case.data()
    works = [case.trainer(n_threads, gradient=gradient) for gradient in ("fused", "fused", "stored")]
    for trainer in works:
        trainer.fit(X[: 2 * case.batch], y[: 2 * case.batch])
    samples = works[0]._checker("training").read(X, y)
    samples = samples._replace(order=np.random.default_rng(0).permutation(case.n))
    steps, tables, names = min(case.steps, max(2, int(4e9 / case.operations))), [], []
    for number, trainer in enumerate(works):
        work = trainer._steps_of(case.batch).work
        with work.reading(samples):
            if number == 1:
                for record in work.records:
                    record.set(**{"transposed": 0} if "transposed" in record.fields else {})
            work.hyperparameters.lay_down(0, steps)
            count = work.threads
            table = np.median([measure(work, steps, count) for _ in range(rounds)][1:], axis=0)
        found = [kernel_cache.names()[kernel].split("-")[0] for kernel, _ in work.operations]
        learns = [i for i, name in enumerate(found) if name.startswith(("learn", "apply"))]
        tables.append(table[:, learns].sum(axis=1) if number else np.delete(table, learns, axis=1))
        names = names or [name for i, name in enumerate(found) if i not in learns]
        if not number:
            whole = table[:, learns].sum(axis=1)
        elif number == 2:
            sums = table[:, [i for i, name in enumerate(found) if name == "learn"]].sum(axis=1)
    split = [sums, tables[1] - sums, whole - tables[1]]
    names = [*names, "waiting", "step", "gradient", "update", "transpose"]
    return np.column_stack([tables[0], *split]), names


def main() -> None:
    """Print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; by default all")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    threads.start()
    for name in options.case or CASES:
        table, kinds = profile(CASES[name], options.threads, options.rounds)
        print(f"\n{name}: {CASES[name].title}, microseconds a step by each thread")
        for kind, row in zip(kinds, table.T, strict=True):
            print(f"{kind:20} " + " ".join(f"{value:9.2f}" for value in row))


if __name__ == "__main__":
    main()
