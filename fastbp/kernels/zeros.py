"""This module notes which numbers of a matrix are 0, for the kernels that leave them out.

Whoever writes a line of the matrix also writes its mask, which has a bit for each number of the line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .panels import mask_dtype
from .simd import INLINE
from .simd.bits import store_mask
from .simd.memory import record_at, vector_at
from .structs import ZEROS


class Marks(NamedTuple):
    """`Marks` has the masks of a matrix, in two orders: one for sums over the rows, and one for sums over the columns.

    The mask of line j of row r is masks[j mask_stride + r], and it is words[r word_stride + j] too.
    """

    masks: np.ndarray
    mask_stride: int
    words: np.ndarray
    word_stride: int


def marks_of(dtype):
    """Return the function that finds the `Marks` of a ZEROS record for a matrix of a dtype."""
    bits = mask_dtype(dtype)

    @njit(**INLINE)
    def marks_of(address):
        """Return the `Marks` of the ZEROS record at an address."""
        z = record_at(address, ZEROS)
        return Marks(vector_at(z.masks, bits), z.mask_stride, vector_at(z.words, bits), z.word_stride)

    return marks_of


@njit(**INLINE)
def mark(marks, line, r, x):
    """Note which numbers of a vector x, which is line `line` of row r, are not 0."""
    store_mask(marks.masks, line * marks.mask_stride + r, x)
    store_mask(marks.words, r * marks.word_stride + line, x)
