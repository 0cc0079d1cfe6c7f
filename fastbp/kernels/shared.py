"""This module works with a matrix of weights that share numbers: places w_ij with the same number are one parameter.

The kernels of products and gradients have a matrix of all places. `spread` writes it, and `collect` sums its gradient.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .loop import divide
from .simd import OPTIONS
from .simd.memory import array_at, record_at, vector_at
from .structs import SHARED, STEP, UPDATE


def collect(dtype):
    """Return the operation that sums the gradient of all places of a number. It has a SHARED record."""

    @njit(**OPTIONS)
    def collect(address, record, t, first, last):
        """dC/dw_g = sum of dC/dw_ij over the places (i, j) with number g, for the numbers of thread t.

        The sum is taken in float64 and in the order of the places.
        """
        s = record_at(record, SHARED)
        gradient, sums = vector_at(record_at(s.update, UPDATE).gradient, dtype), vector_at(s.sums, dtype)
        starts, members = vector_at(s.starts, np.int64), vector_at(s.members, np.int64)
        first, last = divide(s.count, t, record_at(address, STEP).threads)
        for g in range(first, last):
            total = 0.0
            for e in range(starts[g], starts[g + 1]):
                total += sums[members[e]]
            gradient[s.at + g] = total

    return collect


def spread(dtype):
    """Return the operation that writes the numbers to all of their places. It has a SHARED record."""

    @njit(**OPTIONS)
    def spread(address, record, t, first, last):
        """w_ij = w_g for each place (i, j) with number g, and for its place in the transpose, for thread t."""
        s = record_at(record, SHARED)
        u = record_at(s.update, UPDATE)
        theta, copy = vector_at(u.theta, dtype), vector_at(u.transposed, dtype)
        indices = array_at(s.indices, s.size, np.int64)
        first, last = divide(s.size, t, record_at(address, STEP).threads)
        for i in range(first, last):
            copy[s.to + i] = theta[s.at + indices[i]]

    return spread
