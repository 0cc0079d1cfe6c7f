"""This module computes the means and the standard deviations of columns, in float64, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from . import sparse
from .arrays import blocks, matrix, numeric, within
from .weights import check_some, sample_weights

CONSTANT = 16 * np.finfo(np.float64).eps
"""A column whose deviation is at most this share of its mean is constant: rounding alone gives such a deviation."""

NEAR = 1e-18
"""Deviations whose squares are below this share of the square of the mean are computed around a better mean: rounding
of the first one may be larger than they are."""

SQUARED = 1e-140, 1e140
"""The numbers between which the largest of a column may lie so that squares stay in the range of float64."""


class Moments(NamedTuple):
    """`Moments` holds the means and the standard deviations of columns.

    Attributes
    ----------
    mean, deviation : float64 arrays of shape (n_columns,)
        The numbers of each column. The deviation of a constant column is 0.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """The factors that give each column the deviation 1: 1 / deviation, and 1 for a constant column."""
        return 1 / np.where(self.deviation > 0, self.deviation, 1.0)


def of_inputs(X: Any, n_in: int, sample_weight: Any = None) -> tuple[Moments, bool]:
    """Return the moments of the columns of an array or a sparse matrix of shape (n, n_in), and whether it is sparse.

    The inputs are read where they are, in blocks. If they or the weights do not fit, ValueError or TypeError is raised.
    """
    if sparse.is_sparse(X):
        rows = sparse.read(X, n_in, np.dtype(np.float64), "X")
        return _of_rows(rows, _weights(sample_weight, len(rows))), True
    array = matrix(X, n_in)
    return of_array(array, "X", _weights(sample_weight, len(array))), False


def of_targets(y: Any, n_out: int, sample_weight: Any = None) -> Moments:
    """Return the moments of targets of shape (n, n_out), or (n,) for one output, as `of_inputs` does."""
    array = numeric(y, "y")
    if array.ndim == 1 and n_out == 1:
        array = array[:, None]
    array = matrix(array, n_out, "y")
    return of_array(array, "y", _weights(sample_weight, len(array)))


def _weights(values: Any, n: int) -> np.ndarray | None:
    """Return checked weights whose sum is above 0."""
    return check_some(sample_weights(values, n), "sample_weight")


def of_array(array: np.ndarray, name: str, weights: np.ndarray | None = None) -> Moments:
    """Return the moments of the columns of an array of numbers.

    The squares are summed around the mean of their block, and the blocks are put together by the formula of Chan et al.
    (1979). A difference of large sums would lose the digits of a small deviation.
    """
    total, mean, squares = 0.0, np.zeros(array.shape[1]), np.zeros(array.shape[1])
    with np.errstate(all="ignore"):
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 4
        unit = _units(np.abs(some).max(axis=0) for _, some in blocks(array)) if wide else None
        for start, some in blocks(array):
            within(some, name, np.dtype(np.float64), first=start)
            block = some.astype(np.float64)
            w = np.ones(len(block)) if weights is None else weights[start : start + len(block)]
            more = w.sum()
            if not more:
                continue
            if unit is not None:
                block /= unit
            center = w @ block / more
            block -= center
            found = w @ (block * block)
            near = found < NEAR * more * center * center
            if near.any():
                apart = block[:, near]
                rest = w @ apart / more
                apart -= rest
                found[near], center[near] = w @ (apart * apart), center[near] + rest
            step, total = center - mean, total + more
            squares += found + step * step * (more * (total - more) / total)
            mean += step * (more / total)
        return _moments(mean, squares, total, unit)


def _units(largest: Iterable[np.ndarray]) -> np.ndarray | None:
    """Return a power of two for each column, by which it is divided so that squares stay in range, or None.

    The largest numbers of each column come in arrays, one after another.
    """
    most = np.zeros(1)
    for each in largest:
        most = np.maximum(most, each)
    if not ((most > SQUARED[1]) | ((most > 0) & (most < SQUARED[0]))).any():
        return None
    unit: np.ndarray = np.ldexp(1.0, np.clip(np.frexp(most.astype(np.float64))[1], -1022, 1022))
    return unit


def _of_rows(rows: sparse.Rows, weights: np.ndarray | None) -> Moments:
    """Return the moments of the columns of a sparse matrix. A value without an entry is 0."""
    n, w = rows.columns, np.ones(len(rows)) if weights is None else weights
    columns, of_entry, total = rows.entry_columns, np.repeat(w, np.diff(rows.starts)), w.sum()
    entries = rows.entries.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        most = np.zeros(n)
        np.maximum.at(most, columns, np.abs(entries))
        unit = _units([most])
        if unit is not None:
            entries = entries / unit[columns]

        def sums(values: np.ndarray) -> np.ndarray:  # without entries, `bincount` counts in integers
            return np.bincount(columns, values, n).astype(np.float64, copy=False)

        mean = sums(of_entry * entries) / total
        around = entries - mean[columns]
        squares = sums(of_entry * around * around) + np.maximum(total - sums(of_entry), 0.0) * mean * mean
        near = squares < NEAR * total * mean * mean
        if near.any():
            around -= np.where(near, sums(of_entry * around) / total, 0.0)[columns]
            squares = np.where(near, sums(of_entry * around * around), squares)
        return _moments(mean, squares, total, unit)


def _moments(mean: np.ndarray, squares: np.ndarray, total: float, unit: np.ndarray | None) -> Moments:
    """Return the moments in the unit of the user, with the deviation 0 for columns that are constant up to rounding."""
    deviation = np.sqrt(np.maximum(squares, 0.0) / total)
    deviation = np.where(deviation > CONSTANT * np.abs(mean), deviation, 0.0)
    return Moments(mean, deviation) if unit is None else Moments(mean * unit, deviation * unit)
