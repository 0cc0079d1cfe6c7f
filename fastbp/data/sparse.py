"""This module reads sparse matrices of `scipy.sparse`, which need not be installed, in the format CSR.

Such a matrix holds only its entries, which are mostly the values that are not 0, and their columns.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..engine.records import address
from .arrays import BLOCK, readable, within


class Rows:
    """`Rows` is a sparse matrix that the kernels can read. It takes the place of an array of shape (n, columns).

    Row i has the entries starts[i] <= e < starts[i + 1]: the values data[e] in the columns indices[e], which increase.

    Parameters
    ----------
    data : array of shape (n_entries,), or longer
        The values, of dtype uint8, float32 or float64.
    indices : int32 or int64 array of the same length
        The columns.
    starts : int64 array of shape (n + 1,)
        The number of the first entry of each row, and then the number of all entries.
    columns : int
        The number of columns of the matrix.
    """

    ndim = 2

    def __init__(self, data: np.ndarray, indices: np.ndarray, starts: np.ndarray, columns: int):
        self.data, self.indices, self.starts, self.columns = data, indices, starts, columns

    def __len__(self) -> int:
        return self.starts.size - 1

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return len(self), self.columns

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.data.dtype

    @property
    def nbytes(self) -> int:
        """The number of bytes of the entries, and of the starts of the rows."""
        return self.entries.size * (self.data.itemsize + self.indices.itemsize) + self.starts.nbytes

    @property
    def entries(self) -> np.ndarray:
        """The values of all rows, one row after another."""
        return self.data[self.starts[0] : self.starts[-1]]

    @property
    def places(self) -> dict[str, int]:
        """The addresses of the arrays, as fields of a record for the kernels."""
        wide = self.indices.dtype == np.int64
        arrays = {"source": self.data, "starts": self.starts, "indices": self.indices}
        return {"wide": wide} | {name: address(array) for name, array in arrays.items()}

    def __getitem__(self, rows: np.ndarray | slice) -> Rows:
        """Return some rows. For a slice, the entries are not copied."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            return Rows(self.data, self.indices, self.starts[first : max(first, last) + 1], self.columns)
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return Rows(self.data[entries], self.indices[entries], starts, self.columns)

    @property
    def entry_columns(self) -> np.ndarray:
        """The columns of the `entries`."""
        return self.indices[self.starts[0] : self.starts[-1]]

    def columns_with_entries(self) -> np.ndarray:
        """Return the numbers of the columns that have entries, in increasing order."""
        return np.unique(self.entry_columns)

    def toarray(self) -> np.ndarray:
        """Return the matrix as an array."""
        out = np.zeros(self.shape, self.dtype)
        out[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.entry_columns] = self.entries
        return out

    def buffer(self, rows: int) -> Rows:
        """Return an empty matrix like this one, with room for a number of rows. `fill` makes it larger if needed."""
        room = 2 * max(self.entries.size, 1)
        empty = np.empty(room, self.dtype), np.empty(room, self.indices.dtype)
        return Rows(*empty, np.zeros(rows + 1, np.int64), self.columns)

    def fill(self, first: int, other: Rows) -> None:
        """Overwrite the rows from number `first` on. The rows before them stay, and those after them are lost."""
        entries, to = slice(other.starts[0], other.starts[-1]), self.starts[first]
        end = to + entries.stop - entries.start
        if end > self.data.size:
            self.data, self.indices = (np.resize(array, 2 * end) for array in (self.data, self.indices))
        self.data[to:end], self.indices[to:end] = other.data[entries], other.indices[entries]
        self.starts[first + 1 : first + 1 + len(other)] = other.starts[1:] - other.starts[0] + to


def is_sparse(X: Any) -> bool:
    """Return whether X is a sparse matrix of scipy, in any format, or `Rows`."""
    if isinstance(X, np.ndarray):
        return False
    # While another thread imports SciPy, the module may lack this function, and nobody can have a matrix.
    issparse = getattr(sys.modules.get("scipy.sparse"), "issparse", None)
    return isinstance(X, Rows) or (issparse is not None and issparse(X))


def read(X: Any, n_columns: int, dtype: np.dtype, name: str) -> Rows:
    """Return a sparse matrix as checked `Rows`, whose values are finite in the given dtype.

    There is no copy of values and columns if the format is CSR, the columns of each row increase, and the kernels can
    read the dtype of the values. If the matrix does not fit, ValueError or TypeError names the argument.
    """
    if isinstance(X, Rows):
        return X
    try:
        if X.dtype.kind not in "buif":
            raise TypeError(f"{name} must be a matrix of real numbers, got dtype {X.dtype}")
        if X.ndim != 2 or X.shape[1] != n_columns:
            raise ValueError(f"{name} must have shape (n, {n_columns}), a row a sample; got {X.shape}")
        if not X.shape[0]:
            raise ValueError(f"{name} must have at least one row, got shape {X.shape}")
        _check_convertible(X, name)
        X = X.tocsr()
        rows = _rows(X, dtype, name)
        if not _increases(rows.indices, rows.starts):
            X = X.copy()
            X.has_sorted_indices = X.has_canonical_format = False  # these flags of a matrix may be wrong
            X.sum_duplicates()
            rows = _rows(X, dtype, name)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name} must be a valid sparse matrix: {error}") from None
    within(rows.entries, f"{name}.data", dtype)
    return rows


def _rows(X: Any, dtype: np.dtype, name: str) -> Rows:
    """Return a CSR matrix as `Rows`, whose arrays fit each other. The columns of a row may have any order."""
    # Each attribute is read once: what is checked is what is used. The starts are a copy that nobody can change.
    data, indices, starts = np.asarray(X.data), np.asarray(X.indices), np.array(X.indptr)
    _check(data, indices, starts, X.shape, name)
    return Rows(readable(data, dtype), _indices(indices), starts.astype(np.int64, copy=False), X.shape[1])


def _indices(indices: np.ndarray) -> np.ndarray:
    """Return the columns in a form that the kernels can read, as a view: nobody else can change its shape."""
    kind = indices.dtype if indices.dtype in (np.int32, np.int64) and indices.dtype.isnative else np.int64
    return np.require(indices, kind, ["C_CONTIGUOUS", "ALIGNED"]).view()


def _check(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int], name: str) -> None:
    """Raise ValueError unless the arrays of a CSR matrix of this shape fit each other, and its columns exist."""
    if indptr.shape != (shape[0] + 1,) or indptr.dtype.kind not in "iu":
        raise ValueError(f"{name}.indptr must be {shape[0] + 1} integers, got {indptr.dtype} of shape {indptr.shape}")
    if data.ndim != 1 or data.shape != indices.shape:
        shapes = f"{data.shape} and {indices.shape}"
        raise ValueError(f"{name}.data and {name}.indices must be vectors of the same length, got {shapes}")
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any() or indptr[-1] > data.size:
        raise ValueError(f"{name}.indptr must begin with 0, not decrease, and end with at most {data.size} entries")
    _check_places(indices[: indptr[-1]], shape[1], f"{name}.indices")


def _check_places(places: np.ndarray, n: int, name: str) -> None:
    """Raise ValueError unless these are numbers of rows or of columns, from 0 to n - 1."""
    if places.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got {places.dtype}")
    if places.size and not (places.min() >= 0 and places.max() < n):
        raise ValueError(f"{name} must be at least 0 and below {n}, got {places.min()} to {places.max()}")


def _check_convertible(X: Any, name: str) -> None:
    """Raise ValueError if the conversion to CSR by SciPy would read or write outside of the arrays of a matrix.

    SciPy checks the arrays when it makes a matrix, but the user may have changed them since then.
    """
    (n, n_columns), kind = X.shape, X.format
    if kind == "csc":
        _check(X.data, X.indices, X.indptr, (n_columns, n), name)
    elif kind == "bsr":
        high, wide = X.data.shape[1:]
        _check(X.data[:, 0, 0], X.indices, X.indptr, (n // high, n_columns // wide), name)
    elif kind == "coo":
        _check_places(X.row, n, f"{name}.row")
        _check_places(X.col, n_columns, f"{name}.col")
    elif kind == "dia" and X.offsets.shape != X.data.shape[:1]:
        raise ValueError(f"{name}.offsets must be one for each row of data, got shape {X.offsets.shape}")
    elif kind == "lil" and [len(row) for row in X.rows] != [len(row) for row in X.data]:
        raise ValueError(f"{name}.rows and {name}.data must have lists of the same lengths")


def _increases(indices: np.ndarray, indptr: np.ndarray) -> bool:
    """Return whether the columns increase in each row, so that no column comes twice."""
    for start in range(0, int(indptr[-1]) - 1, BLOCK):
        some = indices[start : min(start + BLOCK + 1, int(indptr[-1]))]
        falls = np.flatnonzero(some[1:] <= some[:-1]) + start + 1
        # The columns may only fall where a row begins.
        if (indptr[np.searchsorted(indptr, falls)] != falls).any():
            return False
    return True
