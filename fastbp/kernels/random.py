"""This module makes random numbers without a state: each number is a hash of the place where it is used.

The number for a column depends only on the seed, the step, the layer, the row of the minibatch, and the column. So
dropout and noise do not depend on how rows are divided over threads, and a step can be repeated.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .simd import INLINE
from .simd.formulas import elementwise
from .simd.functions import log, sine_of_half_turns
from .simd.memory import hashed
from .simd.vector import sqrt, where

U = np.uint64


@njit(**INLINE)
def scramble(x):
    """Return a bijective mix of 64 bits: each bit of x affects each bit of the result (Steele et al. 2014)."""
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


@njit(**INLINE)
def row_key(seed, step, layer, row):
    """Return the key from which all random numbers of a row are made.

    The inputs are layer 0. Layers from 256 on are free for other uses.
    """
    key = scramble(U(seed) + U(0x9E3779B97F4A7C15))
    key = scramble(key ^ U(step))
    return scramble(key ^ (U(layer) << U(48)) ^ U(row))


@njit(**INLINE)
def uniform(A, key, column):
    """Return random numbers in [0, 1) for the columns column .. column + lanes - 1 of a row, as a vector.

    In both dtypes, the numbers are multiples of 2^-24.
    """
    return hashed(A, key, column)


survive = elementwise(lambda u, rate: where(u < rate, 0.0, 1.0 / (1.0 - rate)), 2)
"""survive(u, rate) is 0 with probability `rate`, and else 1 / (1 - rate), so that the mean is 1."""

gaussian = elementwise(
    lambda u, v: sqrt(-2.0 * log(1.0 - u)) * (2.0 * sine_of_half_turns(v - 0.5) * sine_of_half_turns(v - 0.5) - 1.0), 2
)
"""gaussian(u, v) is a random number of the standard normal distribution, if u and v are uniform (Box and Muller 1958).

It is sqrt(-2 ln(1 - u)) cos(2 pi v), computed with cos(2 pi v) = 2 sin^2(pi (v - 1/2)) - 1.
"""
