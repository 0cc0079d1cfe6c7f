"""Random numbers without a state: each is a hash of where it is used.

The number for a column depends on the seed, the step, the layer, the row of the minibatch and the column alone. So
masks and noise do not depend on how rows are shared out, and a step can be repeated.
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
    """A bijection of 64 bits in which every bit of x moves every bit of the result (Steele et al. 2014)."""
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


@njit(**INLINE)
def row_key(seed, step, layer, row):
    """What all numbers of a row start from. The inputs are layer 0; layers from 256 on are free for other uses."""
    key = scramble(U(seed) + U(0x9E3779B97F4A7C15))
    key = scramble(key ^ U(step))
    return scramble(key ^ (U(layer) << U(48)) ^ U(row))


@njit(**INLINE)
def uniform(A, key, column):
    """The numbers in [0, 1) of columns column .. column + lanes of a row, multiples of 2^-24 in either dtype."""
    return hashed(A, key, column)


survive = elementwise(lambda u, rate: where(u < rate, 0.0, 1.0 / (1.0 - rate)), 2)
"""survive(u, rate): 0 with probability `rate`, else 1 / (1 - rate), so that the mean stays 1."""

gaussian = elementwise(
    lambda u, v: sqrt(-2.0 * log(1.0 - u)) * (2.0 * sine_of_half_turns(v - 0.5) * sine_of_half_turns(v - 0.5) - 1.0), 2
)
"""gaussian(u, v): a number of the standard normal distribution, of two uniform ones   (Box and Muller 1958).

sqrt(-2 ln(1 - u)) cos(2 pi v), with cos(2 pi v) = 2 sin^2(pi (v - 1/2)) - 1.
"""
