"""This module refuses what NumPy would convert to numbers that mean nothing: masked values, dates and times."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import numpy as np

from .frames import is_frame, kinds

TIMES = ("date", "time", "duration", "period", "interval")
"""The beginnings of the names of dtypes of dates and times, in NumPy, pandas, polars and Arrow, in small letters."""

CLOCKS = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
"""The classes of dates and times in arrays and columns of objects."""


def unmasked(values: Any, name: str) -> Any:
    """Return a masked array without its mask, also one inside of lists, and return anything else as it is.

    TypeError is raised if a value is masked: the number behind the mask means nothing.
    """
    if "numpy.ma" not in sys.modules:  # nobody has made a masked array, and importing the module takes 15 ms
        return values
    if isinstance(values, np.ma.MaskedArray):
        masked = np.argwhere(np.atleast_1d(np.ma.getmaskarray(values))) if not values.dtype.names else np.empty(0)
        if masked.size:
            place = f"[{', '.join(map(str, masked[0].tolist()))}]" if values.ndim else ""
            raise TypeError(
                f"{name} must be an array without a mask, got a masked array in which {name}{place} is masked; fill or "
                f"drop what is masked"
            )
        return np.asarray(values)
    if isinstance(values, list | tuple) and _may_be_masked(values):
        return [unmasked(value, f"{name}[{i}]") for i, value in enumerate(values)]
    return values


def _may_be_masked(values: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether a list, or a list in it, has a masked array."""
    kinds = {*map(type, values)}
    if any(issubclass(kind, np.ma.MaskedArray) for kind in kinds):
        return True
    nested = any(issubclass(kind, list | tuple) for kind in kinds)
    return nested and any(_may_be_masked(value) for value in values if isinstance(value, list | tuple))


def timeless(X: Any, name: str) -> Any:
    """Return inputs or targets, and raise TypeError if they, or a column of them, are dates or times.

    Libraries would convert dates to nanoseconds since 1970, which are far too large for training. A list of numbers
    becomes an array; everything else stays as it is.
    """
    if is_frame(X) and hasattr(X, "dtypes"):
        names = [getattr(kind, "__name__", str(kind)).lower() for kind in kinds(X)]
        if not any(name.startswith(("object", *TIMES)) for name in names):
            return X  # a look at each column took 3 ms for 1,000 of them
        for column, dtype in zip(X.columns, X.dtypes, strict=True):
            _refuse_times(f"{name}[{column!r}]", dtype, X[column] if str(dtype).lower() == "object" else ())
    elif isinstance(X, list | tuple):
        try:
            array = timeless(np.asarray(X), name)
        except ValueError:  # rows of different lengths, which others refuse
            return X
        return array if array.dtype.kind in "buif" else X
    elif hasattr(X, "dtype"):
        _refuse_times(name, X.dtype, np.ravel(np.asarray(X)) if X.dtype == object else ())
    return X


def _refuse_times(name: str, dtype: Any, objects: Any) -> None:
    """Raise TypeError if this dtype, or the class of one of the objects, is that of dates or times."""
    clocks = [kind for kind in {*map(type, objects)} if issubclass(kind, CLOCKS) or kind.__name__ == "Period"]
    if clocks or str(dtype).lower().startswith(TIMES):
        raise TypeError(
            f"{name} must be numbers, got {clocks[0].__name__ if clocks else dtype}, which is a date or a time: give "
            f"numbers instead, for example the days since the first one, (t - t.min()) / np.timedelta64(1, 'D')"
        )
