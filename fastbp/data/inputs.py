"""This module checks the inputs X that users give: arrays, sparse matrices and data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import sparse
from .arrays import KINDS, as_it_is, blocks, in_place, matrix, readable, within
from .sparse import Rows


class Inputs(NamedTuple):
    """`Inputs` holds inputs that the kernels can read as they are.

    Attributes
    ----------
    array : C-contiguous array, or Rows
        The array or the sparse matrix, of dtype uint8, float32 or float64.
    kind : int
        The number that tells the kernels the dtype: UINT8, FLOAT32 or FLOAT64.
    """

    array: np.ndarray | Rows
    kind: int
    columns: tuple[str, ...] | None = None
    """The names of the columns in the order of the array, or None if nobody has given names."""

    @property
    def sparse(self) -> bool:
        """Whether the inputs are a sparse matrix."""
        return not isinstance(self.array, np.ndarray)


def inputs(X: Any, n_in: int, dtype: np.dtype, name: str = "X") -> Inputs:
    """Return a matrix with `n_in` columns as checked `Inputs`.

    A C-contiguous array of dtype uint8, float32 or float64 is not copied. All values must be finite in the given dtype.
    """
    if sparse.is_sparse(X):
        rows = sparse.read(X, n_in, dtype, name)
        return Inputs(rows, KINDS[rows.dtype])
    array = readable(matrix(X, n_in, name), dtype)
    within(array, name, dtype)
    return Inputs(array, KINDS[array.dtype])


def input_blocks(X: Any, n_in: int, dtype: np.dtype) -> tuple[int, Iterable[tuple[int, Inputs]]]:
    """Return the number of rows of an array, and its rows in blocks, each as (number of the first row, rows).

    An array that the kernels can read as it is comes as one block. Whether its values are finite is not checked here:
    the kernels find out, and `within` then names the value.
    """
    array = matrix(X, n_in)
    if in_place(array):
        array = as_it_is(array)
        return len(array), [(0, Inputs(array, KINDS[array.dtype]))]
    readables = ((first, readable(block, dtype)) for first, block in blocks(array))
    return len(array), ((first, Inputs(block, KINDS[block.dtype])) for first, block in readables)


def check_blocks(X: Any, epochs: int) -> Iterable[Any]:
    """Return X if it is an iterable of blocks that can be used for so many epochs, or raise TypeError or ValueError."""
    if isinstance(X, np.ndarray | str | bytes | dict) or sparse.is_sparse(X) or not isinstance(X, Iterable):
        raise TypeError(f"y must be given, unless X is an iterable of blocks (X, y); got {type(X).__name__}")
    if isinstance(X, Iterator) and epochs > 1:
        raise ValueError(
            f"epochs must be 1 with an iterator, which goes through its blocks once, got {epochs}; a list, or an "
            f"object whose __iter__ begins anew, can have more"
        )
    return X
