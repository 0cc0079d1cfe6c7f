"""Loss: C(a^L, y) of each sample, and dC/da^L; then the mean over the minibatch.

A loss comes from above as a formula or a function of columns (`fastbp.losses`). Softmax with cross-entropy, and sigmoid
with binary cross-entropy, are one function each: it takes z^L, and gives a^L and delta^L = a^L - y, which holds at
|z| = 1e4 too.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .columns import from_columns, hit, to_columns
from .inputs import order_of, sample
from .records import LOSS, STEP, rows_of
from .simd import OPTIONS
from .simd.memory import lanes, load, record_at, splat, store, vector_at
from .simd.tiles import spread


def loss(dtype, loss, output: str):
    """The operation of a loss for a dtype, with a LOSS record.

    Parameters
    ----------
    loss : object
        With `parameter_count` and functions of columns (`columns.py`): one by itself, and in the dict `fused` those
        which are one with an output activation.
    output : the name of that activation, or "".
    """
    evaluate, count = loss.fused[output] if output else loss.columns(), loss.parameter_count

    @njit(**OPTIONS)
    def loss(address, record, k, t, start, first, last):
        """C and hits of each row, and dC/da^L, for the rows that thread t has of part k."""
        step, o = record_at(address, STEP), record_at(record, LOSS)
        A, Y, D = vector_at(o.a, dtype), vector_at(o.y, dtype), vector_at(o.delta, dtype)
        C, a, L, n_out = vector_at(step.scratch, dtype), t * step.room, lanes(A), o.columns
        size = (n_out + L - 1) // L * L * L
        y, d, sums = a + size, a + 2 * size, a + 3 * size
        parameters = spread(count, vector_at(o.parameters, dtype))
        costs, hits = vector_at(o.costs, np.float64), vector_at(o.hits, np.float64)
        given, weight = vector_at(step.sample_weights, np.float64), splat(C, 1.0)
        order = order_of(step)
        for r in range(first, last, L):
            rows = min(L, last - r)
            to_columns(A, r * L, step.stride, n_out, rows, C, a)
            to_columns(Y, r * L, step.stride, n_out, rows, C, y)
            if step.weighted:
                for m in range(L):  # lanes beyond the last row stand for it, see `to_columns`
                    C[sums + 2 * L + m] = given[sample(order, start, r + min(m, rows - 1))]
                weight = load(C, sums + 2 * L)
            store(C, sums, weight * evaluate(C, a, y, d, n_out, parameters))
            store(C, sums + L, weight * hit(C, a, y, n_out, o.by_output, o.threshold))
            from_columns(C, a, A, r * L, step.stride, n_out, rows)
            from_columns(C, d, D, r * L, step.stride, n_out, rows)
            for m in range(rows):
                costs[r + m] = C[sums + m]
                hits[r + m] = C[sums + L + m]

    return loss


def average_over_batch(dtype):
    """The operation that makes delta^L that of the minibatch's mean loss, with a LOSS record."""

    @njit(**OPTIONS)
    def average_over_batch(address, record, k, t, start, first, last):
        """delta_r *= w_r / sum_s w_s for the rows that thread t has of part k; weights that are not given are 1."""
        step, o = record_at(address, STEP), record_at(record, LOSS)
        D, order = vector_at(o.delta, dtype), order_of(step)
        given, weighted, L = vector_at(step.sample_weights, np.float64), step.weighted, lanes(D)
        scale = splat(D, 1.0 / step.batch_weight if step.batch_weight > 0.0 else 0.0)
        for at in range(0, (o.columns + L - 1) // L * step.stride, step.stride):
            for r in range(first, last):
                factor = scale
                if weighted:
                    factor = splat(D, given[sample(order, start, r)]) * scale
                store(D, at + r * L, load(D, at + r * L) * factor)

    return average_over_batch


@njit(**OPTIONS)
def weigh_batch(address, record, k, t, start, first, last):
    """Before the first part of a minibatch: the sum of its samples' weights, in their order."""
    step = record_at(address, STEP)
    _, _, batch_rows, begins, _ = rows_of(step, k)
    if not begins:
        return
    total = float(batch_rows)
    if step.weighted:
        order, given, total = order_of(step), vector_at(step.sample_weights, np.float64), 0.0
        for r in range(batch_rows):
            total += given[sample(order, start, r)]
    step.batch_weight = total
    step.seen += total


@njit(**OPTIONS)
def add_up(address, record, k, t, start, first, last):
    """The losses and hits of part k, summed in the order of its rows; if the loss is not finite, STEP.diverged."""
    step, o = record_at(address, STEP), record_at(record, LOSS)
    rows = rows_of(step, k)[1]
    costs, hits = vector_at(o.costs, np.float64), vector_at(o.hits, np.float64)
    cost, hit = 0.0, 0.0
    for r in range(rows):
        cost += costs[r]
        hit += hits[r]
    if not math.isfinite(cost):
        step.diverged = 1
        return
    step.cost += cost
    step.hit += hit
