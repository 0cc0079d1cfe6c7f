"""Inputs: the rows of a minibatch, gathered from the user's arrays into panels.

Arrays are read where they lie, in their own type: raw pixels are converted and scaled in registers, and never
copied to floats.
"""

from __future__ import annotations

from numba import njit

from .job import LAYER, job_at, row_in_batch, share_of_rows
from .random import gaussian, row_key, scramble, survive, uniform
from .simd import (
    FLOAT32,
    INLINE,
    OPTIONS,
    UINT8,
    array_at,
    keep,
    lanes,
    load,
    load_input,
    load_input_part,
    splat,
    store,
)

ROWS = 16
"""Rows that are gathered side by side: one after another, every line went to another panel, which took half as long
again."""


@njit(**INLINE)
def sample(order, start, r):
    """The index of row r of the minibatch that starts at `start`; an empty order is the order of storage."""
    return order[start + r] if len(order) else start + r


@njit(**OPTIONS)
def gather(X, kind, n_in, order, start, shift, scale, A, a, stride, first, last):
    """A[r] = (X[order[start + r]] - shift) * scale for rows first <= r < last.

    Parameters
    ----------
    X : address of a row-major matrix of n_in columns of type `kind` (UINT8, FLOAT32, FLOAT64).
    order : vector of int64 sample numbers, or empty.
    shift, scale : vectors of n_in numbers, zero-padded to a line.
    A : vector; the result is n_in columns in panels at `a`, with zeros in the padding.
    """
    L = lanes(A)
    size = 1 if kind == UINT8 else 4 if kind == FLOAT32 else 8
    whole = n_in // L * L
    for top in range(first, last, ROWS):
        to = a
        for j in range(0, whole, L):
            d, e = load(shift, j), load(scale, j)
            for r in range(top, min(top + ROWS, last)):
                x = load_input(A, kind, X + (sample(order, start, r) * n_in + j) * size, L)
                store(A, to + r * L, (x - d) * e)
            to += stride
        if whole < n_in:
            for r in range(top, min(top + ROWS, last)):
                x = load_input_part(A, kind, X + (sample(order, start, r) * n_in + whole) * size, n_in - whole)
                store(A, to + r * L, (x - load(shift, whole)) * load(scale, whole))


def disturb(dtype):
    """The kernel of noise and dropout of the inputs: `disturb(address of JOB, part, thread)`."""

    @njit(**OPTIONS)
    def disturb(address, k, t):
        """a^0 += noise * gaussian, then a share of it is dropped, for the rows that thread t has of part k."""
        job = job_at(address)
        first, last = share_of_rows(job, k, t)
        A, a = array_at(job.A, job.A_size, dtype), array_at(job.layers, job.depth, LAYER)[0].a
        L, noise, rate = lanes(A), splat(A, job.noise), splat(A, job.dropout)
        for r in range(first, last):
            key = row_key(job.seed, job.step + k // job.parts, 0, row_in_batch(job, k, r))
            other = scramble(key)
            for j in range(0, job.n_in, L):
                i = a + j // L * job.stride + r * L
                x = load(A, i)
                if job.noise > 0.0:
                    x += noise * gaussian(uniform(A, key, j), uniform(A, other, j))
                if job.dropout > 0.0:
                    x = x * survive(uniform(A, other, j + job.n_in), rate)
                store(A, i, keep(x, job.n_in - j, 0.0))

    return disturb


@njit(**INLINE)
def one_hot(labels, order, start, Y, y, stride, first, last, n_out):
    """Y[r, i] = 1 if labels[order[start + r]] = i else 0, in panels at `y`, for rows first <= r < last."""
    L = lanes(Y)
    for r in range(first, last):
        for p in range(0, (n_out + L - 1) // L * stride, stride):
            store(Y, y + p + r * L, splat(Y, 0.0))
        label = labels[sample(order, start, r)]
        Y[y + label // L * stride + r * L + label % L] = 1.0
