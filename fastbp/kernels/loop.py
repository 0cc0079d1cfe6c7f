"""This module has the loop over parts, which runs the operations of a step and divides them over threads.

A large minibatch comes in *parts*, so that its activations stay in the cache, and a call returns soon. For each part,
the loop runs all phases, and in each phase it runs all operations. In a phase, each thread runs all operations for its
share, without waiting for the others. This is the only `prange` of the project.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .simd import INLINE, OPTIONS
from .simd.memory import array_at, call, record_at, vector_at
from .simd.target import TILE_ROWS
from .structs import OPERATION, PHASE, STEP


@njit(**INLINE)
def divide(n, t, threads):
    """Return the range first <= u < last of n units that thread t works on."""
    return n * t // threads, n * (t + 1) // threads


@njit(**INLINE)
def begin_epoch(step, epoch):
    """Begin one of several epochs: keep the sums of the epoch before, and take the order of this one."""
    if epoch > 0:
        log = vector_at(step.log, np.float64)
        log[3 * epoch - 3], log[3 * epoch - 2], log[3 * epoch - 1] = step.cost, step.hit, step.seen
    step.cost, step.hit, step.seen = 0.0, 0.0, 0.0
    if step.orders:
        step.order = step.orders + epoch * step.n * 8


@njit(**OPTIONS)
def begin(address, k):
    """Describe part k in the STEP record, and return the number of phases.

    If the last minibatch is smaller, it has fewer parts, and those that are left over have no rows.
    """
    step = record_at(address, STEP)
    batch, part = k // step.parts, k % step.parts
    step.number = step.steps_done + batch
    if step.batches:
        epoch, batch = batch // step.batches, batch % step.batches
        if batch == 0 and part == 0:
            begin_epoch(step, epoch)
    stop = min((batch + 1) * step.batch, step.n)
    step.offset = part * step.part
    step.start = batch * step.batch + step.offset
    step.rows = max(min(step.part, stop - step.start), 0)
    step.batch_rows = stop - batch * step.batch
    step.begins = part == 0
    step.ends = step.rows > 0 and step.start + step.rows == stop
    return step.phase_count


@njit(**OPTIONS)
def team(address, p):
    """Return the number of threads that phase p needs.

    It is 0 if the phase belongs to the end of a minibatch, and this part is not the last one.
    """
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    if phase.at_end and not step.ends:
        return 0
    return 1 if phase.alone else step.threads


@njit(**OPTIONS)
def run(address, p, t):
    """Run the operations of phase p for the share of thread t.

    Each thread gets whole tiles of rows; only the last tile of the part may be smaller.
    """
    step = record_at(address, STEP)
    phase = array_at(step.phases, step.phase_count, PHASE)[p]
    operations = array_at(step.operations, phase.last, OPERATION)
    first, last = divide((step.rows + TILE_ROWS - 1) // TILE_ROWS, t, step.threads)
    first, last = first * TILE_ROWS, min(last * TILE_ROWS, step.rows)
    for i in range(phase.first, phase.last):
        call(operations[i].kernel, (address, operations[i].record, t, first, last))


@njit(**OPTIONS)
def diverged(address):
    """Return whether the loss of the last part is not finite."""
    return record_at(address, STEP).diverged != 0


def loop(parallel: bool):
    """Return the loop `loop(address, first, last)` over the parts first <= k < last of the STEP at an address.

    The loop returns `last`. If the loss of a part is not finite, it returns the number of this part, and the parameters
    have not changed for it. With `parallel`, it uses `prange` over threads.
    """
    # Fusion would merge the loops of two phases, and the threads would not wait for each other between them.
    options = {"prange": True, "fusion": False, "reduction": False} if parallel else False

    @njit(parallel=options, error_model="numpy", nogil=True)
    def loop(address, first, last):
        for k in range(first, last):
            for p in range(begin(address, k)):
                threads = team(address, p)
                if threads == 1:
                    run(address, p, 0)
                else:
                    for t in prange(threads):
                        run(address, p, np.int64(t))
                if diverged(address):
                    return k
        return last

    return loop


serial = loop(False)
"""The loop for one thread."""
