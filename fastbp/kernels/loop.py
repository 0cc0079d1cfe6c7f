"""The loop over parts: the operations of a step, in phases, divided over threads; the only `prange` of the project.

A large minibatch comes in *parts*, so that its activations stay in the cache and a call returns soon. For each part the
loop runs all phases. Inside a phase each thread runs all operations for its share, without waiting for others.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .records import OPERATION, PHASE, STEP, divide, rows_of
from .simd import OPTIONS
from .simd.memory import array_at, call, record_at
from .simd.target import TILE_ROWS


@njit(**OPTIONS)
def phase_count(address):
    """How many phases a step has."""
    return record_at(address, STEP).phase_count


@njit(**OPTIONS)
def team(address, p, k):
    """How many threads phase p needs after part k: none if it is for the end of a minibatch and this is not it."""
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    if phase.at_end and not rows_of(step, k)[4]:
        return 0
    return 1 if phase.alone else step.threads


@njit(**OPTIONS)
def run(address, p, k, t):
    """The operations of phase p for what thread t has of part k: of its rows, whole tiles, but for the last."""
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    operations = array_at(step.operations, phase.last, OPERATION)
    start, rows, _, _, _ = rows_of(step, k)
    first, last = divide((rows + TILE_ROWS - 1) // TILE_ROWS, t, step.threads)
    for i in range(phase.first, phase.last):
        call(
            operations[i].kernel,
            (address, operations[i].record, k, t, start, first * TILE_ROWS, min(last * TILE_ROWS, rows)),
        )


@njit(**OPTIONS)
def diverged(address):
    """Whether the loss of the last part was not finite."""
    return record_at(address, STEP).diverged != 0


def loop(parallel: bool):
    """The loop over parts first <= k < last of a STEP, `loop(address, first, last)`, with `prange` over threads or not.

    It returns the first part whose loss is not finite, before the parameters have seen it, else `last`.
    """
    # Fusion would merge the loops of two phases and so remove the barrier between them.
    options = {"prange": True, "fusion": False, "reduction": False} if parallel else False

    @njit(parallel=options, error_model="numpy", nogil=True)
    def loop(address, first, last):
        for k in range(first, last):
            for p in range(phase_count(address)):
                threads = team(address, p, k)
                if threads == 1:
                    run(address, p, k, 0)
                else:
                    for t in prange(threads):
                        run(address, p, k, np.int64(t))
                if diverged(address):
                    return k
        return last

    return loop
