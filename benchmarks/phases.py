"""Where the time of a training step goes, by thread: the lever to pull next.

    python benchmarks/phases.py [CASE ...] [--threads N] [--rounds 15]

Microseconds a step, medians over rounds. Phase 1 and the waiting at the ends of both phases are measured by a loop like
the trainer's that reads the processor's clock between stages. Phase 2 has its three kinds of work in one tile, so they
are told apart by leaving some out: `gradient` is phase 2 that only stores its sums, `update` what it takes more to
update in their place, `transpose` what it takes more to keep the transposed weights up to date as well.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from cases import CASES, Case
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

from fastbp import threads
from fastbp.kernels.job import AHEAD, BACK, FUSED, INPUTS, STORE, SUM
from fastbp.kernels.minibatch import tally, weigh
from fastbp.kernels.simd import call

STAGES = ("inputs", "forward", "loss", "backward", "wait 1", "phase 2", "wait 2")


@intrinsic
def ticks(typingctx):
    """The processor's clock."""

    def codegen(context, builder, sig, args):
        function = builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(ir.IntType(64), []))
        return builder.call(function, [])

    return types.int64(), codegen


@njit(parallel={"prange": True, "fusion": False, "reduction": False}, error_model="numpy", nogil=True)
def timed_loop(propagate, judge, descend, job, other, first, last, threads, spent):
    """`minibatch.loop`, whose thread t adds the ticks of each of STAGES to spent[t]; phase 2 is that of `other`."""
    for k in range(first, last):
        weigh(job, k)
        for t in prange(threads):
            start = ticks()
            call(propagate, (job, k, np.int64(t), INPUTS))
            gathered = ticks()
            call(propagate, (job, k, np.int64(t), AHEAD))
            ahead = ticks()
            call(judge, (job, k, np.int64(t)))
            judged = ticks()
            call(propagate, (job, k, np.int64(t), BACK))
            end = ticks()
            spent[t, 0] += gathered - start
            spent[t, 1] += ahead - gathered
            spent[t, 2] += judged - ahead
            spent[t, 3] += end - judged
            spent[t, 7] = end
        joined = ticks()
        for t in range(threads):
            spent[t, 4] += joined - spent[t, 7]
        tally(job, k)
        for t in prange(threads):
            start = ticks()
            call(descend, (other, k, np.int64(t), SUM))
            spent[t, 7] = ticks()
            spent[t, 5] += spent[t, 7] - start
        joined = ticks()
        for t in range(threads):
            spent[t, 6] += joined - spent[t, 7]


def profile(case: Case, n_threads: int | None = None, rounds: int = 15) -> tuple[np.ndarray, list[str]]:
    """Microseconds a step, (threads, kinds of work + 1), the last of which is the whole step; and the kinds' names."""
    X, y = case.data()
    trainer = case.trainer(n_threads, gradient="stored")
    trainer.fit(X[: 2 * case.batch], y[: 2 * case.batch])
    job = trainer._prepare(case.n)
    _, *kernels = job._kernels(1)
    other, layers = job._memory.copy(), job.vectors["layers"].copy()
    order, steps = np.random.default_rng(0).permutation(case.n), min(case.steps, max(2, int(4e9 / case.operations)))

    def measure(stored: int, with_transpose: bool) -> np.ndarray:
        job.set(threads=count, cost=0)
        other[:] = job._memory
        layers["T"] = job.vectors["layers"]["T"] if with_transpose else -1
        other["stored"], other["layers"] = stored, layers.ctypes.data
        spent = np.zeros((count, 16), np.int64)  # two lines a thread
        addresses = job._memory.ctypes.data, other.ctypes.data
        tick, start = clock(), time.perf_counter()
        with threads.team(count):
            timed_loop(*kernels, *addresses, 0, steps * job.parts, count, spent)
        seconds, tick = time.perf_counter() - start, clock() - tick
        return np.column_stack([spent[:, :7] * (seconds / tick), np.full(count, seconds)]) / steps * 1e6

    kinds = [(FUSED, True), (FUSED, False), (STORE, False)]
    with job.reading(*trainer._check(X, y), order):
        job._foresee(0, steps)
        count = job.threads
        full, bare, stored = np.median([[measure(*kind) for kind in kinds] for _ in range(rounds)][1:], axis=0)
    phase_2 = [stored[:, 5], bare[:, 5] - stored[:, 5], full[:, 5] - bare[:, 5]]
    names = [*STAGES[:5], "gradient", "update", "transpose", STAGES[6], "step"]
    return np.column_stack([full[:, :5], *phase_2, full[:, 6:]]), names


@njit
def clock():
    """`ticks`, from Python."""
    return ticks()


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
        print(f"\n{name}: {CASES[name].title}, microseconds a step")
        print("thread  " + " ".join(f"{kind:>9}" for kind in kinds))
        for t, row in enumerate(table):
            print(f"{t:6}  " + " ".join(f"{value:9.2f}" for value in row))


if __name__ == "__main__":
    main()
