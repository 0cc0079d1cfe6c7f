"""This module copies the rows of a minibatch from the user's arrays into panels.

The arrays are read in their own dtype. Raw pixels, for example, are converted and scaled in registers, and are never
copied to floats in memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .panels import LINE
from .random import gaussian, row_key, scramble, survive, uniform
from .simd import INLINE, OPTIONS
from .simd.memory import (
    FLOAT32,
    UINT8,
    array_at,
    fetch,
    keep,
    lanes,
    load,
    load_input,
    load_input_part,
    record_at,
    splat,
    store,
    vector_at,
)
from .structs import INPUT_NOISE, MATRIX, STEP
from .zeros import mark, marks_of

ROWS = 16
"""The number of rows that are copied side by side. One row after another took half as long again, because each cache
line then goes to another panel than the line before."""


@njit(**INLINE)
def order_of(step):
    """Return the numbers of the samples of this run. The vector is empty if the samples are used in their own order."""
    return array_at(step.order, step.order_size, np.int64)


@njit(**INLINE)
def sample(order, start, r):
    """Return the number of the sample in row r of the part that begins with sample `start`."""
    return order[start + r] if len(order) else start + r


def _gather(dtype, masked: bool):
    """Return the operation that copies rows of a matrix of the user into panels. It has a MATRIX record.

    With `masked`, it also writes the masks of the inputs.
    """
    find = marks_of(dtype)

    @njit(**OPTIONS)
    def gather(address, record, t, first, last):
        """A[r] = (X[order[start + r]] - shift) * scale for the rows first <= r < last."""
        step, m = record_at(address, STEP), record_at(record, MATRIX)
        order, start, shift, scale = order_of(step), step.start, vector_at(m.shift, dtype), vector_at(m.scale, dtype)
        X, kind, n_in, row, panel, A = m.source, m.kind, m.columns, m.row, m.panel, vector_at(m.panels, dtype)
        L = lanes(A)
        size = 1 if kind == UINT8 else 4 if kind == FLOAT32 else 8
        whole = n_in // L * L
        source = vector_at(X, np.uint8)
        if masked:
            marks = find(m.zeros)
        for top in range(first, last, ROWS):
            to, line = 0, 0
            if masked:  # without this fetching, masks and waiting for rows of a large matrix took half as long again
                for r in range(top + ROWS, min(top + 2 * ROWS, last)):
                    at = sample(order, start, r) * n_in * size
                    for byte in range(at, at + n_in * size, LINE):
                        fetch(source, byte)
            for j in range(0, whole, L):
                d, e = load(shift, j), load(scale, j)
                for r in range(top, min(top + ROWS, last)):
                    x = load_input(kind, X + (sample(order, start, r) * n_in + j) * size, L, d, e)
                    store(A, to + r * row, x)
                    if masked:
                        mark(marks, line, r, x)
                to, line = to + panel, line + 1
            if whole < n_in:
                d, e = load(shift, whole), load(scale, whole)
                for r in range(top, min(top + ROWS, last)):
                    x = load_input_part(kind, X + (sample(order, start, r) * n_in + whole) * size, n_in - whole, d, e)
                    store(A, to + r * row, x)
                    if masked:
                        mark(marks, line, r, x)

    return gather


def gather(dtype):
    """Return the operation that copies rows of a matrix of the user into panels. It has a MATRIX record."""
    return _gather(dtype, False)


def gather_with_masks(dtype):
    """Return the operation `gather` that also writes the masks of the inputs."""
    return _gather(dtype, True)


def one_hot(dtype):
    """Return the operation that writes labels as one-hot rows. It has a MATRIX record."""

    @njit(**OPTIONS)
    def one_hot(address, record, t, first, last):
        """Y[r, i] = 1 if labels[order[start + r]] = i else 0, for the rows first <= r < last."""
        step, m = record_at(address, STEP), record_at(record, MATRIX)
        order, start = order_of(step), step.start
        labels, Y = vector_at(m.source, np.int64), vector_at(m.panels, dtype)
        L, stride = lanes(Y), m.panel
        for r in range(first, last):
            for p in range(0, (m.columns + L - 1) // L * stride, stride):
                store(Y, p + r * L, splat(Y, 0.0))
            label = labels[sample(order, start, r)]
            Y[label // L * stride + r * L + label % L] = 1.0

    return one_hot


def noise(dtype):
    """Return the operation that adds noise and dropout to the inputs. It has an INPUT_NOISE record."""

    @njit(**OPTIONS)
    def noise(address, record, t, first, last):
        """a^0 += deviation * gaussian, and then a^0 *= mask, for the rows first <= r < last."""
        step, m = record_at(address, STEP), record_at(record, INPUT_NOISE)
        A = vector_at(m.panels, dtype)
        L, deviation, rate = lanes(A), splat(A, m.deviation), splat(A, m.dropout)
        n_in, noisy, dropped = m.columns, m.deviation > 0.0, m.dropout > 0.0
        for r in range(first, last):
            key = row_key(step.seed, step.number, 0, step.offset + r)
            other = scramble(key)
            for j in range(0, n_in, L):
                i = j // L * m.panel + r * m.row
                x = load(A, i)
                if noisy:
                    x += deviation * gaussian(uniform(A, key, j), uniform(A, other, j))
                if dropped:
                    x = x * survive(uniform(A, other, j + n_in), rate)
                store(A, i, keep(x, n_in - j, 0.0))

    return noise
