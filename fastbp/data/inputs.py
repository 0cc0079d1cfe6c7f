"""This module checks the inputs X that users give: arrays, sparse matrices and data frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import sparse
from .arrays import KINDS, matrix, readable, within
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

    def transformed(self, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return x' = (x - shift) * scale in the dtype of `scale`, to which float64 is rounded at the end."""
        x = self.array if isinstance(self.array, np.ndarray) else self.array.toarray()
        with np.errstate(all="ignore"):
            seen: np.ndarray = (x.astype(np.result_type(x, scale)) - shift) * scale
            return seen.astype(scale.dtype, copy=False)


def inputs(X: Any, n_in: int, dtype: np.dtype, name: str = "X", *, exact: bool = False) -> Inputs:
    """Return a matrix with `n_in` columns as checked `Inputs`.

    A C-contiguous array of dtype uint8, float32 or float64 is not copied. All values must be finite in the given dtype.
    With `exact`, a copy of an array is not rounded to it, see `readable`.
    """
    if sparse.is_sparse(X):
        rows = sparse.read(X, n_in, dtype, name)
        return Inputs(rows, KINDS[rows.dtype])
    array = readable(matrix(X, n_in, name), dtype, exact=exact)
    within(array, name, dtype)
    return Inputs(array, KINDS[array.dtype])
