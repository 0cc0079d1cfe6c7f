"""This module reads data frames, which are tables with names of columns, from pandas, polars, pyarrow and others.

It imports none of these libraries. A frame is an object with `columns`, and with `to_numpy` or `__array__`. Names and
dtypes of all columns are asked for once, and numbers come in one call: a call for each column took 78 ms for a row of
1,000 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np

LAZY = ("collect", "compute", "toPandas", "execute")
"""The methods by which frames that are not in memory yet become frames in memory, in polars, dask, Spark and Ibis."""


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame, also one that is not in memory yet."""
    if isinstance(X, np.ndarray | list | tuple):
        return False
    if _method_of_lazy(X) is not None:
        return True
    named = hasattr(type(X), "columns") or hasattr(X, "columns")  # the names take time, their property does not
    return named and (hasattr(X, "to_numpy") or hasattr(X, "__array__"))


def _method_of_lazy(X: Any) -> str | None:
    """Return the name of the method that brings a frame into memory, or None if it is there or is not a frame."""
    methods = LAZY if hasattr(type(X), "columns") else ()
    return next((method for method in methods if hasattr(type(X), method)), None)


def kinds(X: Any) -> set[Any]:
    """Return the different dtypes of the columns of a frame of pandas, and of a frame of polars the classes of them."""
    dtypes = X.dtypes
    if hasattr(dtypes, "tolist"):
        return {*dtypes.tolist()}
    return {kind if isinstance(kind, type) else type(kind) for kind in dtypes}  # these dtypes hash slowly


def holds_numbers(array: np.ndarray) -> bool:
    """Return whether the first values of an array of objects are numbers, such as Decimals, or missing."""
    some = [value for value in array.flat[:100] if value is not None]
    return bool(some) and all(isinstance(value, Number) for value in some)


def read(X: Any, columns: tuple[str, ...] | None, name: str = "X") -> tuple[Any, tuple[str, ...] | None]:
    """Return a frame as an array of numbers with its columns in the wanted order, and the names in this order.

    Anything that is not a frame comes back as it is, with the wanted names. If `columns` is None, or if the names of
    the frame are not strings, its own order counts.

    Raises
    ------
    ValueError
        If a column or a value is missing, or if a column is new.
    TypeError
        If a column does not hold numbers, or if the frame is not in memory.
    """
    if type(X) is np.ndarray or not is_frame(X):  # the first test saves a prediction of one row 0.5 us of 33
        return X, columns
    method = _method_of_lazy(X)
    if method is not None:
        kind = f"{type(X).__module__.partition('.')[0]} {type(X).__name__}"
        raise TypeError(f"{name} must be in memory, got a {kind}: give {name.partition(' ')[0]}.{method}()")
    labels = _labels(X)
    own = labels if labels and all(issubclass(kind, str) for kind in {*map(type, labels)}) else None
    if columns is None or own is None or own == columns:
        return _array(X, labels, name), columns or own
    wanted, found = set(columns), {label: k for k, label in enumerate(own)}
    missing = [repr(column) for column in columns if column not in found]
    others = [repr(column) for column in own if column not in wanted]
    wrong = [f"{', '.join(missing)} is missing"] * bool(missing) + [f"{', '.join(others)} is new"] * bool(others)
    if wrong or len(own) != len(columns):
        wrong = wrong or ["a name comes twice"]
        raise ValueError(f"{name} must have the columns of the training: {' and '.join(wrong)}")
    return _array(X, labels, name)[:, [found[column] for column in columns]], columns


def _labels(X: Any) -> tuple[Any, ...]:
    """Return the names of the columns of a frame."""
    if hasattr(type(X), "column_names"):  # pyarrow, whose `columns` are data
        return tuple(X.column_names)
    columns = X.columns
    return tuple(columns.tolist() if hasattr(columns, "tolist") else columns)  # the index of pandas iterates slowly


def _array(X: Any, labels: Sequence[Any], name: str) -> np.ndarray:
    """Return a frame as an array of numbers, without missing values."""
    array = _at_once(X)
    if array is None:
        array = _by_column(X, labels, name)
    if array.ndim != 2 or array.shape[1] != len(labels):
        raise ValueError(f"{name} must have a column for each of {len(labels)} names, got shape {array.shape}")
    if array.dtype.kind == "f" and array.size and np.isnan(array.min()):
        row, k = map(int, np.argwhere(np.isnan(array))[0])
        raise ValueError(f"{name}[{labels[k]!r}] is nan in row {row}; every value must be finite")
    return array


def _at_once(X: Any) -> np.ndarray | None:
    """Return a frame of pandas or polars as an array, by one call, or None if a column does not hold numbers."""
    if not hasattr(type(X), "dtypes") or not hasattr(X, "to_numpy"):
        return None
    if hasattr(type(X), "iloc"):  # pandas
        found = kinds(X)
        if not all(getattr(kind, "kind", "") in tuple("buif") for kind in found):
            return None
        if not all(isinstance(kind, np.dtype) for kind in found):  # nullable, with NaN for a missing value
            return np.asarray(X.to_numpy(dtype=np.float64, na_value=np.nan))
        # Of bools and other numbers, pandas makes objects.
        numbers = (np.dtype(np.uint8) if kind.kind == "b" and len(found) > 1 else kind for kind in found)
        return np.asarray(X.to_numpy(dtype=np.result_type(*numbers))) if found else None
    if not all(kind.__name__ == "Boolean" or (kind.__name__ != "Decimal" and _is_numeric(kind)) for kind in kinds(X)):
        return None
    array = np.asarray(X.to_numpy())
    return array if array.dtype.kind in "buif" else None


def _is_numeric(kind: Any) -> bool:
    """Return whether a dtype of polars is one of numbers."""
    return hasattr(kind, "is_numeric") and bool(kind.is_numeric())


def _by_column(X: Any, labels: Sequence[Any], name: str) -> np.ndarray:
    """Return a frame as an array, column by column. An error names the column that does not hold numbers."""
    if hasattr(type(X), "column_names"):
        series = X.columns
    elif hasattr(X, "iloc"):  # names may come twice
        series = [X.iloc[:, k] for k in range(len(labels))]
    elif hasattr(X, "__getitem__"):
        series = [X[label] for label in labels]
    else:
        return np.asarray(X.__array__() if hasattr(X, "__array__") else X.to_numpy())
    converted = [values(each, f"{name}[{label!r}]") for each, label in zip(series, labels, strict=True)]
    return np.column_stack(converted) if converted else np.empty((len(X), 0))


def values(series: Any, name: str) -> np.ndarray:
    """Return a column of numbers or bools as an array, or raise TypeError. A missing value becomes NaN."""
    dtype = series.dtype if hasattr(series, "dtype") else series.type
    array, kind = np.asarray(series), getattr(dtype, "kind", "")
    if array.dtype.kind == "O" and kind and kind in "buif":  # pandas, with missing values
        array = series.to_numpy(dtype=np.float64, na_value=np.nan)
    # The sizes of categories that are numbers mean nothing.
    if array.dtype.kind not in "buif" or kind == "O" or hasattr(dtype, "index_type"):
        way = "encode it, for example one-hot, or drop it"
        if array.dtype.kind == "O" and holds_numbers(array):
            way = f"convert it to floats{', with astype(float)' if hasattr(series, 'astype') else ''}"
        raise TypeError(f"{name} must be a column of numbers, got dtype {dtype}: {way}")
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def plain(y: Any, name: str) -> Any:
    """Return targets of a frame, or of a nullable column, as an array. Return anything else as it is."""
    if is_frame(y):
        return read(y, None, name)[0]
    kind = getattr(getattr(y, "dtype", None), "kind", None)
    nullable = kind is not None and kind in "buif" and not isinstance(y.dtype, np.dtype) and hasattr(y, "to_numpy")
    return values(y, name) if nullable else y
