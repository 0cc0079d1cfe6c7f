"""This module normalizes the rows of a matrix (Ba et al. 2016): out_ri = gain_i x_ri + offset_i, with x of mean 0.

x_ri = (a_ri - m_r) / s_r, with the mean m_r of row r, and with s_r = sqrt(v_r + epsilon) of its variance v_r.
"""

from __future__ import annotations

from numba import njit

from .row_losses import from_columns, to_columns
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.memory import lanes, load, record_at, splat, store, vector_at
from .simd.vector import sqrt
from .structs import BLOCK, GAINS, STEP

inverse_root = elementwise(lambda v, epsilon: 1.0 / sqrt(v + epsilon), 2)
"""1 / sqrt(v + epsilon)."""


def normalize(dtype):
    """Return the operation that normalizes rows. It has a GAINS record."""

    @njit(**OPTIONS)
    def normalize(address, record, t, first, last):
        """x_ri = (a_ri - m_r) / s_r and out_ri = gain_i x_ri + offset_i for the rows first <= r < last."""
        step, w = record_at(address, STEP), record_at(record, GAINS)
        theta = vector_at(w.theta, dtype)
        gain, offset = record_at(w.gain, BLOCK).at, record_at(w.offset, BLOCK).at
        A, X, out, inverse = (
            vector_at(w.a, dtype), vector_at(w.x, dtype), vector_at(w.out, dtype), vector_at(w.inverse, dtype),
        )  # fmt: skip
        C, n, c = vector_at(step.scratch, dtype), w.columns, t * step.room
        L = lanes(A)
        rest = c + 2 * ((n + L - 1) // L * L * L)
        for r in range(first, last, L):
            count, share = min(L, last - r), splat(C, 1.0 / n)
            to_columns(A, r * L, step.stride, n, count, C, c)
            mean, variance = splat(C, 0.0), splat(C, 0.0)
            for i in range(c, c + n * L, L):
                mean += load(C, i)
            mean = mean * share
            for i in range(c, c + n * L, L):
                store(C, i, load(C, i) - mean)
                variance += load(C, i) * load(C, i)
            s = inverse_root(variance * share, splat(C, w.epsilon))
            store(C, rest, s)
            for m in range(count):  # a thread may begin in the middle of a line
                inverse[r + m] = C[rest + m]
            for i in range(c, c + n * L, L):
                store(C, i, load(C, i) * s)
            from_columns(C, c, X, r * L, step.stride, n, count)
            for i in range(n):
                x = load(C, c + i * L) * splat(C, theta[gain + i])
                store(C, c + i * L, x + splat(C, theta[offset + i]))
            from_columns(C, c, out, r * L, step.stride, n, count)

    return normalize


def denormalize(dtype):
    """Return the operation of the backward pass of `normalize`. It has a GAINS record."""

    @njit(**OPTIONS)
    def denormalize(address, record, t, first, last):
        """dC/da_ri = (g_ri - mean_j g_rj - x_ri mean_j g_rj x_rj) / s_r with g_ri = gain_i delta_ri   (chain rule)."""
        step, w = record_at(address, STEP), record_at(record, GAINS)
        theta, gain = vector_at(w.theta, dtype), record_at(w.gain, BLOCK).at
        D, X, E, inverse = (
            vector_at(w.delta, dtype), vector_at(w.x, dtype), vector_at(w.delta_in, dtype), vector_at(w.inverse, dtype),
        )  # fmt: skip
        C, n, c = vector_at(step.scratch, dtype), w.columns, t * step.room
        L = lanes(D)
        x = (n + L - 1) // L * L * L
        rest = c + 2 * x
        for r in range(first, last, L):
            count, share = min(L, last - r), splat(C, 1.0 / n)
            to_columns(D, r * L, step.stride, n, count, C, c)
            to_columns(X, r * L, step.stride, n, count, C, c + x)
            mean, dot = splat(C, 0.0), splat(C, 0.0)
            for i in range(n):
                at = c + i * L
                store(C, at, load(C, at) * splat(C, theta[gain + i]))
                mean += load(C, at)
                dot += load(C, at) * load(C, at + x)
            for m in range(L):  # lanes after the last row repeat it, as `to_columns` does
                C[rest + m] = inverse[r + min(m, count - 1)]
            mean, dot, s = mean * share, dot * share, load(C, rest)
            for at in range(c, c + n * L, L):
                store(C, at, (load(C, at) - mean - load(C, at + x) * dot) * s)
            from_columns(C, c, E, r * L, step.stride, n, count)

    return denormalize
