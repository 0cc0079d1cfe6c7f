"""This module reads data frames, which are tables with names of columns, from pandas, polars and other libraries.

It imports none of these libraries. A frame is an object with `columns`, and with `to_numpy` or `__array__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame."""
    if isinstance(X, np.ndarray | list | tuple):
        return False
    return hasattr(X, "columns") and (hasattr(X, "to_numpy") or hasattr(X, "__array__"))


def names(X: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a frame, or None if X is not a frame, or if a name is not a string."""
    columns = tuple(X.columns) if is_frame(X) else ()
    return columns if columns and all(isinstance(name, str) for name in columns) else None


def ordered(X: Any, columns: Sequence[str] | None, name: str = "X") -> Any:
    """Return a frame as an array of numbers with its columns in the wanted order. Return anything else as it is.

    If `columns` is None, or if the frame does not have names, its own order counts. ValueError is raised if a column or
    a value is missing, or if a column is new, and TypeError if a column does not hold numbers.
    """
    if type(X) is np.ndarray or not is_frame(X):  # the first test saves a prediction of one row 0.5 us of 33
        return X
    own, order = names(X), list(range(len(X.columns)))
    if columns is not None and own is not None and own != tuple(columns):
        missing = [repr(column) for column in columns if column not in own]
        others = [repr(column) for column in own if column not in columns]
        wrong = [f"{', '.join(missing)} is missing"] * bool(missing) + [f"{', '.join(others)} is new"] * bool(others)
        if wrong or len(own) != len(columns):
            wrong = wrong or ["a name comes twice"]
            raise ValueError(f"{name} must have the columns of the training: {' and '.join(wrong)}")
        order = [own.index(column) for column in columns]
    return _array(X, order, name)


def _array(X: Any, order: list[int], name: str) -> np.ndarray:
    """Return some columns of a frame as an array."""
    series = [_series(X, k) for k in order]
    labels = [X.columns[k] for k in order]
    kinds = {str(each.dtype) for each in series}
    if len(kinds) == 1 and isinstance(series[0].dtype, np.dtype) and series[0].dtype.kind in "buif":
        array = np.asarray(X)
        array = array if order == list(range(array.shape[1])) else array[:, order]
    else:
        converted = [values(each, f"{name}[{label!r}]") for each, label in zip(series, labels, strict=True)]
        array = np.column_stack(converted) if converted else np.empty((len(X), 0))
    if array.dtype.kind == "f":
        missing = np.argwhere(np.isnan(array))
        if missing.size:
            row, k = map(int, missing[0])
            raise ValueError(f"{name}[{labels[k]!r}] is nan in row {row}; every value must be finite")
    return array


def _series(X: Any, k: int) -> Any:
    """Return a column of a frame by its number."""
    return X.iloc[:, k] if hasattr(X, "iloc") else X[X.columns[k]]


def values(series: Any, name: str) -> np.ndarray:
    """Return a column of numbers or bools as an array, or raise TypeError. A missing value becomes NaN."""
    array, kind = np.asarray(series), getattr(series.dtype, "kind", "")
    if array.dtype.kind == "O" and kind and kind in "buif":  # pandas, with missing values
        array = series.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype.kind not in "buif" or kind == "O":  # the sizes of categories that are numbers mean nothing
        raise TypeError(
            f"{name} must be a column of numbers, got dtype {series.dtype}: encode it, for example one-hot, or drop it"
        )
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def plain(y: Any, name: str) -> Any:
    """Return targets of a frame, or of a nullable column, as an array. Return anything else as it is."""
    if is_frame(y):
        return ordered(y, None, name)
    kind = getattr(getattr(y, "dtype", None), "kind", None)
    nullable = kind is not None and kind in "buif" and not isinstance(y.dtype, np.dtype) and hasattr(y, "to_numpy")
    return values(y, name) if nullable else y
