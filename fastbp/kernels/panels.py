"""This module stores matrices in panels. Each row of a panel is one cache line.

A matrix of shape (rows, cols) has ceil(cols / lanes) *panels*. A panel has all the rows, each with `lanes` values: 16
float32 or 8 float64, which is one aligned cache line of 64 bytes. So all kernels read and write whole lines, one after
another. Zeros fill the last panel, and no loop must treat a remainder. In a row-major array whose rows are a power of
two apart, the rows would share few sets of the cache: at 512 columns, this ran at 87 GFLOP/s instead of 115.

All parameters of a network are one vector theta. For each layer it holds W in panels, with `n_in` rounded up to whole
blocks of lanes x lanes values, and then b. Gradients and states of optimizers are vectors of the same layout. The
padding of theta is zero and stays zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

LINE = 64


def lanes_of(dtype: np.dtype) -> int:
    """Return the number of values in a row of a panel: 16 for float32, 8 for float64."""
    return LINE // np.dtype(dtype).itemsize


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least n."""
    return -(-n // multiple) * multiple


def aligned(n: int, dtype: DTypeLike) -> np.ndarray:
    """Return a vector of n zeros that begins at a cache line."""
    dtype = np.dtype(dtype)
    raw = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n * dtype.itemsize].view(dtype)


def pack(matrix: np.ndarray, panels: np.ndarray, rows: int) -> None:
    """Write a matrix into the start of a flat vector, in panels of `rows` rows. The padding becomes 0.

    The vector has at least ceil(columns / lanes) * rows * lanes values.
    """
    lanes = lanes_of(panels.dtype)
    n_rows, n_cols = matrix.shape
    count = -(-n_cols // lanes)
    view = panels[: count * rows * lanes].reshape(count, rows, lanes)
    view[:] = 0
    whole = n_cols // lanes
    view[:whole, :n_rows] = matrix[:, : whole * lanes].reshape(n_rows, whole, lanes).swapaxes(0, 1)
    if whole < count:
        view[whole, :n_rows, : n_cols - whole * lanes] = matrix[:, whole * lanes :]


def unpack(panels: np.ndarray, rows: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the matrix that `pack` wrote, as a new C-contiguous array of the given shape."""
    lanes = lanes_of(panels.dtype)
    n_rows, n_cols = shape
    count = -(-n_cols // lanes)
    view = panels[: count * rows * lanes].reshape(count, rows, lanes)[:, :n_rows]
    # With one panel, all of these are views of the vector, so a copy is necessary.
    return view.swapaxes(0, 1).reshape(n_rows, count * lanes)[:, :n_cols].copy()
