"""This module reads sparse matrices of `scipy.sparse`, which need not be installed, in the format CSR.

Such a matrix holds only its entries, which are mostly the values that are not 0, and their columns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ..engine.records import address
from .arrays import BLOCK, readable, within

MOST_COLUMNS = 2**31 - 1
"""The largest number of columns of a sparse matrix: the kernels have lists of int32 columns."""


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
        if n_columns > MOST_COLUMNS:
            raise ValueError(f"{name} must have at most {MOST_COLUMNS} columns if it is sparse, got {n_columns}")
        shape = int(X.shape[0]), n_columns
        rows = _rows(X, shape, dtype, name) if _is_of(X, "csr") else None
        if rows is None or not _increases(rows.indices, rows.starts):
            rows = _rows(_merged(X, shape, name), shape, dtype, name)
    except (ValueError, IndexError, TypeError, AttributeError, OverflowError) as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name} must be a valid sparse matrix: {error}") from None
    within(rows.entries, f"{name}.data", dtype)
    return rows


def _is_of(X: Any, form: str) -> bool:
    """Return whether X is a matrix or an array of a format, by its class: its attribute `format` may be wrong."""
    module = sys.modules["scipy.sparse"]
    kinds = (getattr(module, f"{form}_{kind}", None) for kind in ("matrix", "array"))
    return isinstance(X, tuple(kind for kind in kinds if kind is not None))


def _merged(X: Any, shape: tuple[int, int], name: str) -> Any:
    """Return a matrix of any format as a new CSR matrix, whose columns increase in each row.

    Equal places are added up. SciPy converts copies of the entries whose places have been checked. It trusts the arrays
    of a matrix, but the user may have changed them since it was made: then it would write anywhere in memory.
    """
    form = next((form for form in ENTRIES if _is_of(X, form)), None)
    if form is None:
        raise TypeError(f"{name} must have one of the formats {', '.join(ENTRIES)}, got {type(X).__name__}")
    values, rows, columns = (np.array(array) for array in ENTRIES[form](X, shape, name))
    if values.dtype.kind not in "buif" or values.ndim != 1 or not values.shape == rows.shape == columns.shape:
        raise ValueError(f"{name} must be a valid sparse matrix: each entry needs a number, a row and a column")
    _check_places(rows, shape[0], f"{name}.row")
    _check_places(columns, shape[1], f"{name}.col")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    made = sys.modules["scipy.sparse"].coo_matrix((values, (rows, columns)), shape).tocsr()
    made.sum_duplicates()
    return made


Entries = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The values of a matrix, their rows and their columns."""


def _of_csr(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a CSR matrix."""
    data, indices, starts = np.array(X.data), np.array(X.indices), np.array(X.indptr)
    _check(data, indices, starts, shape, name)
    return data[: starts[-1]], np.repeat(np.arange(shape[0]), np.diff(starts)), indices[: starts[-1]]


def _of_csc(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a CSC matrix, which is the transposed one in CSR."""
    values, columns, rows = _of_csr(X, shape[::-1], name)
    return values, rows, columns


def _of_bsr(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a BSR matrix, which is a CSR matrix of blocks."""
    data, indices, starts = np.array(X.data), np.array(X.indices), np.array(X.indptr)
    high, wide = data.shape[1:]
    _check(data[:, 0, 0], indices, starts, (shape[0] // high, shape[1] // wide), name)
    data, indices = data[: starts[-1]], indices[: starts[-1]].astype(np.int64)
    first = np.repeat(np.arange(shape[0] // high), np.diff(starts)) * high
    rows = first[:, None, None] + np.arange(high)[:, None]
    columns = (indices * wide)[:, None, None] + np.arange(wide)
    rows, columns = (np.broadcast_to(places, data.shape).ravel() for places in (rows, columns))
    return data.ravel(), rows, columns


def _of_coo(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a COO matrix."""
    return X.data, X.row, X.col


def _of_dok(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a DOK matrix, which is a dict."""
    places = np.array([*X.keys()], np.int64).reshape(-1, 2)
    return np.array([*X.values()], X.dtype), places[:, 0], places[:, 1]


def _of_lil(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a LIL matrix, which has lists of columns and lists of values."""
    columns, values = [*map(list, X.rows)], [*map(list, X.data)]
    counts = [len(row) for row in columns]
    if len(columns) != shape[0] or counts != [len(row) for row in values]:
        raise ValueError(f"{name}.rows and {name}.data must have lists of the same lengths, one a row")
    places = np.array([*chain.from_iterable(columns)], np.int64)
    return np.array([*chain.from_iterable(values)], X.dtype), np.repeat(np.arange(shape[0]), counts), places


def _of_dia(X: Any, shape: tuple[int, int], name: str) -> Entries:
    """Return the entries of a DIA matrix, which has a row of data for each diagonal. Values of 0 are no entries."""
    data, offsets = np.array(X.data), np.array(X.offsets)
    if data.ndim != 2 or offsets.shape != data.shape[:1] or offsets.dtype.kind not in "iu":
        raise ValueError(f"{name}.offsets must be one for each row of data, got shape {offsets.shape}")
    seen = (offsets > -shape[0]) & (offsets < shape[1])  # others are outside, however large they are
    data, offsets = data[seen, : shape[1]], offsets[seen].astype(np.int64)
    columns = np.broadcast_to(np.arange(data.shape[1]), data.shape)
    rows = columns - offsets[:, None]
    there = (rows >= 0) & (rows < shape[0]) & (data != 0)
    return data[there], rows[there], columns[there]


ENTRIES: dict[str, Callable[[Any, tuple[int, int], str], Entries]] = {
    "csr": _of_csr, "csc": _of_csc, "coo": _of_coo, "bsr": _of_bsr, "lil": _of_lil, "dok": _of_dok, "dia": _of_dia,
}  # fmt: skip
"""The functions that return the entries of a matrix of a format."""


def _rows(X: Any, shape: tuple[int, int], dtype: np.dtype, name: str) -> Rows:
    """Return a CSR matrix as `Rows`, whose arrays fit each other. The columns of a row may have any order."""
    # Each attribute is read once: what is checked is what is used. The starts are a copy that nobody can change.
    data, indices, starts = np.asarray(X.data), np.asarray(X.indices), np.array(X.indptr)
    _check(data, indices, starts, shape, name)
    return Rows(readable(data, dtype), _indices(indices), starts.astype(np.int64, copy=False), shape[1])


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


def _increases(indices: np.ndarray, indptr: np.ndarray) -> bool:
    """Return whether the columns increase in each row, so that no column comes twice."""
    for start in range(0, int(indptr[-1]) - 1, BLOCK):
        some = indices[start : min(start + BLOCK + 1, int(indptr[-1]))]
        falls = np.flatnonzero(some[1:] <= some[:-1]) + start + 1
        # The columns may only fall where a row begins.
        if (indptr[np.searchsorted(indptr, falls)] != falls).any():
            return False
    return True
