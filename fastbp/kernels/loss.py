"""This module computes the loss C(a^L, y) of each sample and dC/da^L, and the mean over the minibatch.

A loss comes from the caller as a formula, or as a function of columns (`fastbp.losses`). Softmax with cross-entropy,
and sigmoid with binary cross-entropy, have one function each: it takes z^L, and computes a^L and delta^L = a^L - y. It
stays exact up to |z| = 1e4 and more.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .inputs import order_of, sample
from .row_losses import columns_of, from_columns, hit, to_columns
from .simd import OPTIONS
from .simd.memory import lanes, load, record_at, splat, store, vector_at
from .simd.tiles import spread
from .structs import LOSS, STEP


def loss(dtype, loss, output: str):
    """Return the operation of a loss, and of the activation function `output` if that is not "". It has a LOSS record.

    The loss is an object with `parameter_count`, and with what `row_losses.columns_of` needs.
    """
    evaluate, count = columns_of(loss, output), loss.parameter_count

    @njit(**OPTIONS)
    def loss_of_rows(address, record, t, first, last):
        """costs[r] = w_r C_r, hits[r] = w_r hit_r and delta_r = dC/da^L, for the rows first <= r < last.

        If the loss includes the activation function, a^L also gets its values in place of z^L, and delta_r = dC/dz^L.
        """
        step, o = record_at(address, STEP), record_at(record, LOSS)
        A, Y, D = vector_at(o.a, dtype), vector_at(o.y, dtype), vector_at(o.delta, dtype)
        C, a, L, n_out = vector_at(step.scratch, dtype), t * step.room, lanes(A), o.columns
        n_targets, size = o.targets, (n_out + L - 1) // L * L * L
        d, y = a + size, a + 2 * size
        sums = y + (n_targets + L - 1) // L * L * L
        parameters = spread(count, vector_at(o.parameters, dtype))
        costs, hits = vector_at(o.costs, np.float64), vector_at(o.hits, np.float64)
        given, weight = vector_at(step.sample_weights, np.float64), splat(C, 1.0)
        order, start = order_of(step), step.start
        for r in range(first, last, L):
            rows = min(L, last - r)
            to_columns(A, r * L, step.stride, n_out, rows, C, a)
            to_columns(Y, r * L, step.stride, n_targets, rows, C, y)
            if step.weighted:
                for m in range(L):  # lanes after the last row repeat it, as `to_columns` does
                    C[sums + 2 * L + m] = given[sample(order, start, r + min(m, rows - 1))]
                weight = load(C, sums + 2 * L)
            store(C, sums, weight * evaluate(C, a, y, d, n_out, parameters))
            if n_targets == n_out:  # else there are no classes, and nothing is right or wrong
                store(C, sums + L, weight * hit(C, a, y, n_out, o.by_output, o.threshold))
            from_columns(C, a, A, r * L, step.stride, n_out, rows)
            from_columns(C, d, D, r * L, step.stride, n_out, rows)
            for m in range(rows):
                costs[r + m] = C[sums + m]
                hits[r + m] = C[sums + L + m]

    return loss_of_rows


def average_over_batch(dtype):
    """Return the operation that turns the delta^L of each sample into that of the mean loss. It has a LOSS record."""

    @njit(**OPTIONS)
    def average_over_batch(address, record, t, first, last):
        """delta_r *= w_r / sum_s w_s for the rows first <= r < last. Without weights, each w is 1."""
        step, o = record_at(address, STEP), record_at(record, LOSS)
        D, order, start = vector_at(o.delta, dtype), order_of(step), step.start
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
def weigh_batch(address, record, t, first, last):
    """batch_weight = sum_s w_s over the samples of a minibatch, in their order; then seen += batch_weight.

    If `weighted` is not 1, each w_s counts as 1 here. This happens before the first part of a minibatch. Before the
    other parts, the operation does nothing.
    """
    step = record_at(address, STEP)
    if not step.begins:
        return
    total = float(step.batch_rows)
    if step.weighted == 1:
        order, given, total = order_of(step), vector_at(step.sample_weights, np.float64), 0.0
        for r in range(step.batch_rows):
            total += given[sample(order, step.start, r)]
    step.batch_weight = total
    step.seen += total


@njit(**OPTIONS)
def add_up(address, record, t, first, last):
    """cost += sum_r costs[r] and hit += sum_r hits[r] over the rows of the part, in their order.

    If the sum of the losses is not finite, both stay as they are, and `diverged` of the STEP becomes 1.
    """
    step, o = record_at(address, STEP), record_at(record, LOSS)
    costs, hits = vector_at(o.costs, np.float64), vector_at(o.hits, np.float64)
    cost, hit = 0.0, 0.0
    for r in range(step.rows):
        cost += costs[r]
        hit += hits[r]
    if not math.isfinite(cost):
        step.diverged = 1
        return
    step.cost += cost
    step.hit += hit
