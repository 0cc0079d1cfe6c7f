"""This module holds `Buffer`, a matrix for the rows of a part, and says when a product leaves the zeros of one out."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ..kernels.panels import LINE, aligned, round_up
from ..kernels.simd.bits import WORD, mask_dtype
from ..kernels.structs import ZEROS
from .records import Record

FEW, FEW_OF_ONE_PANEL = 0.4, 0.1
"""The largest share of numbers that are not 0 for which a product leaves zeros out, if its result has several panels,
or one. With 0.4, a step took 0.64 to 0.96 of the time that it took with all zeros; with 0.2 and one panel, 1.07."""

Form = Literal["dense", "zeros", "entries"]
"""How kernels read a matrix: all of it; without the numbers that are 0; or as lists of the entries of a sparse matrix.
All forms give the same bits."""


class Buffer(NamedTuple):
    """`Buffer` is a matrix for the rows of a part."""

    panels: np.ndarray
    """The memory of the matrix."""
    columns: int
    row: int
    """The number of values from one row to the next."""
    panel: int
    """The number of values from one panel to the next."""
    zeros: Record | None = None
    """The ZEROS record, if kernels leave zeros out."""
    form: Form = "dense"
    """How kernels read the matrix."""
    direct: bool = False
    """Whether kernels read the array of the user, which is row-major, in place of panels."""


def pays(share: float, n_out: int, lanes: int) -> bool:
    """Return whether leaving zeros out is faster for a product with n_out columns.

    `share` is the share of the numbers of the left matrix that are not 0. A panel has `lanes` columns.
    """
    return share <= (FEW if n_out > lanes else FEW_OF_ONE_PANEL)


def zeros_of(rows: int, panels: int, dtype: np.dtype) -> Record:
    """Return the ZEROS record, with its memory, of a matrix with so many rows and panels."""
    kind = mask_dtype(dtype)
    # Without the half line, the masks of a row would lie in few sets of the cache.
    stride = round_up(rows, WORD) + LINE // 2
    every = round_up(panels, WORD // (8 * kind().itemsize))
    words, masks = aligned(rows * every, kind), aligned(panels * stride, kind)
    return Record(ZEROS, words=words, word_stride=every, masks=masks, mask_stride=stride)
