"""This module has the loop over parts, which runs the operations of a step and divides them over threads.

A large minibatch comes in *parts*, so that its activations stay in the cache, and a call returns soon. For each part,
the loop runs all phases, and in each phase it runs all operations. In a phase, each thread runs all operations for its
share, without waiting for the others. This is the only `prange` of the project.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .simd import OPTIONS
from .simd.memory import array_at, call, record_at
from .simd.target import TILE_ROWS
from .structs import OPERATION, PHASE, STEP, divide, rows_of


@njit(**OPTIONS)
def phase_count(address):
    """Return the number of phases of a step."""
    return record_at(address, STEP).phase_count


@njit(**OPTIONS)
def team(address, p, k):
    """Return the number of threads that phase p needs after part k.

    It is 0 if the phase belongs to the end of a minibatch, and part k is not the last one.
    """
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    if phase.at_end and not rows_of(step, k)[4]:
        return 0
    return 1 if phase.alone else step.threads


@njit(**OPTIONS)
def run(address, p, k, t):
    """Run the operations of phase p for the share of thread t of part k.

    Each thread gets whole tiles of rows; only the last tile of the part may be smaller.
    """
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
    """Return whether the loss of the last part is not finite."""
    return record_at(address, STEP).diverged != 0


def loop(parallel: bool):
    """Return the loop `loop(address, first, last)` over the parts first <= k < last of the STEP at an address.

    The loop returns `last`. If the loss of a part is not finite, it returns the number of this part, and the parameters
    have not changed for it.

    Parameters
    ----------
    parallel : bool
        Whether the loop uses `prange` over threads.
    """
    # Fusion would merge the loops of two phases, and the threads would not wait for each other between them.
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
