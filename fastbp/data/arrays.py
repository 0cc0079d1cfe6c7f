"""Arrays that users give: checked, and in a form that the kernels can read.

Arrays that the kernels can read are passed on as they are; others are converted. A message names the argument, where
in it the fault is, what it was and what it must be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import numpy as np

from ..kernels.simd.memory import FLOAT32, FLOAT64, UINT8

KINDS = {np.dtype(np.uint8): UINT8, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}
BLOCK = 1 << 20
"""How many numbers are checked in one go: a check must not need memory of the size of the data."""

LIMITS = {np.dtype(kind): np.finfo(kind).max for kind in (np.float32, np.float64)}
"""The largest number of a dtype."""


def within_dtype(values: object, name: str, dtype: np.dtype) -> None:
    """No number is beyond the largest of a dtype."""
    if np.abs(values).max(initial=0) > LIMITS[dtype]:
        raise ValueError(f"{name} must be finite in {dtype}, got {values!r}")


class Inputs(NamedTuple):
    """An array that the kernels can read in place."""

    array: np.ndarray
    kind: int


def numeric(values: object, name: str) -> np.ndarray:
    """An array of real numbers, and of no subclass: np.matrix and masked arrays have rules of their own."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask, got a masked array; fill or drop what is masked")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    return array


def _in_place(array: np.ndarray) -> bool:
    """Whether the kernels can read an array where it lies."""
    known = array.dtype == np.bool_ or (array.dtype in KINDS and array.dtype.isnative)
    return known and array.flags.c_contiguous and array.flags.aligned


def readable(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array itself if the kernels can read it where it lies, else a converted copy."""
    if _in_place(array):
        return array.view(np.uint8) if array.dtype == np.bool_ else array
    kind = array.dtype if array.dtype in KINDS and array.dtype.isnative else dtype
    return np.require(array, kind, ["C_CONTIGUOUS", "ALIGNED"])


def blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, rows) of an array, piece by piece."""
    rows = max(1, BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def within(
    array: np.ndarray, name: str, dtype: np.dtype, low: float = -math.inf, high: float = math.inf, first: int = 0
) -> None:
    """All numbers are finite, in a dtype too, and in [low, high]; else name the first that is not."""
    if array.dtype.kind in "bu" and low <= 0 and high == math.inf:
        return
    limit = LIMITS[dtype] if array.dtype == np.float64 else math.inf
    for start, block in blocks(array):
        # min and max carry NaN on, and need no memory.
        least, most = block.min(), block.max()
        if not (least >= max(low, -limit) and most <= min(high, limit) and np.isfinite(least) and np.isfinite(most)):
            fine = np.isfinite(block) & (block >= max(low, -limit)) & (block <= min(high, limit))
            rule = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite in {dtype}"
            rule += f" and at least {low:g}" if math.isfinite(low) and not math.isfinite(high) else ""
            refuse(block, fine, name, rule, start + first)


def refuse(block: np.ndarray, fine: np.ndarray, name: str, rule: str, first: int) -> NoReturn:
    """Raise ValueError for the first number of a block, whose first row is row `first`, that is not fine."""
    bad = np.argwhere(~fine)[0]
    where = ", ".join(str(int(i)) for i in (bad[0] + first, *bad[1:]))
    raise ValueError(f"{name}[{where}] is {block[tuple(bad)]}; every value must be {rule}")


def matrix(X: object, n_in: int, name: str = "X") -> np.ndarray:
    """A matrix of numbers with n_in columns and a row at least."""
    array = numeric(X, name)
    if array.ndim != 2 or array.shape[1] != n_in:
        raise ValueError(f"{name} must have shape (n, {n_in}), a row a sample; got {array.shape}")
    if not len(array):
        raise ValueError(f"{name} must have at least one row, got shape {array.shape}")
    return array


def inputs(X: object, n_in: int, dtype: np.dtype, name: str = "X") -> Inputs:
    """A matrix of n_in columns that the kernels can read: C-contiguous uint8, float32 or float64 as it is."""
    array = readable(matrix(X, n_in, name), dtype)
    within(array, name, dtype)
    return Inputs(array, KINDS[array.dtype])


def readable_blocks(X: np.ndarray, dtype: np.dtype) -> Iterator[tuple[int, Inputs]]:
    """(first row, rows) of a matrix, in a form that the kernels can read: all at once if they can read it in place.

    Whether its numbers are finite is for the kernels to see; `within` then says which is not.
    """
    for first, block in [(0, X)] if _in_place(X) else blocks(X):
        array = readable(block, dtype)
        yield first, Inputs(array, KINDS[array.dtype])
