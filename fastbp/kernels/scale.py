"""This module multiplies each column of a matrix by a gain: out_ri = gain_i a_ri."""

from __future__ import annotations

from numba import njit

from .simd import OPTIONS
from .simd.memory import lanes, load, record_at, store, vector_at
from .structs import BLOCK, GAINS, STEP


def scale(dtype):
    """Return the operation out = gain * a. It has a GAINS record."""

    @njit(**OPTIONS)
    def scale(address, record, t, first, last):
        """out_ri = gain_i x_ri for the rows first <= r < last."""
        step, w = record_at(address, STEP), record_at(record, GAINS)
        theta, gain = vector_at(w.theta, dtype), record_at(w.gain, BLOCK).at
        X, out = vector_at(w.x, dtype), vector_at(w.out, dtype)
        L = lanes(X)
        for i in range((w.columns + L - 1) // L):
            for r in range(i * step.stride + first * L, i * step.stride + last * L, L):
                store(out, r, load(X, r) * load(theta, gain + i * L))

    return scale
