"""This module checks arrays that users give, and converts them where the kernels cannot read them.

An error message names the argument and the place of the wrong value, says what the value must be, and shows what it
was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..kernels.structs import FLOAT32, FLOAT64, UINT8
from .frames import holds_numbers
from .usable import unmasked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

KINDS = {np.dtype(np.uint8): UINT8, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}
"""The numbers by which the kernels know the dtypes that they can read."""

BLOCK = 1 << 20
"""The number of values that are checked together. A check must not need as much memory as the data."""

LIMITS = {np.dtype(kind): np.finfo(kind).max for kind in (np.float32, np.float64)}
"""The largest finite number of each dtype, in this dtype: as a float, it would not fit into float32 everywhere."""


def within_dtype(values: ArrayLike, name: str, dtype: np.dtype) -> None:
    """Raise ValueError if a value is larger than the largest finite number of the dtype."""
    if np.abs(values).max(initial=0) > LIMITS[dtype]:
        raise ValueError(f"{name} must be finite in {dtype}, got {values!r}")


def numeric(values: Any, name: str, advice: str = "") -> np.ndarray:
    """Return the values as a plain NumPy array of real numbers.

    An object of a subclass, such as np.matrix, becomes a plain array, because a subclass may have other rules. `advice`
    is the end of the message about values that are not real numbers.

    Raises
    ------
    TypeError
        If one of the values is masked, if they are a tensor of PyTorch that requires a gradient, or if they are not
        real numbers.
    ValueError
        If the values do not form an array.
    """
    if type(values) is not np.ndarray:
        values = unmasked(values, name)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        if "unsupported ScalarType" in str(error):  # PyTorch, for example bfloat16
            kind, tensor = getattr(values, "dtype", "this"), name.partition(" ")[0]
            raise TypeError(f"{name} must be of a dtype that NumPy has, got {kind}: give {tensor}.float()") from None
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    except RuntimeError as error:
        if "detach()" not in str(error):
            raise
        tensor = name.partition(" ")[0]
        raise TypeError(f"{name} must not require a gradient, as this tensor does: give {tensor}.detach()") from None
    if array.dtype.kind not in "buif":
        if array.dtype.kind == "V" or (array.dtype.kind == "O" and holds_numbers(array)):  # bfloat16 of JAX has kind V
            advice = f"; {name.partition(' ')[0]}.astype(float) converts numbers"
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}{advice}")
    return array


def matrix(X: Any, n_in: int, name: str = "X") -> np.ndarray:
    """Return X as a matrix of numbers with `n_in` columns and at least one row, or raise ValueError or TypeError."""
    array = numeric(X, name)
    if array.ndim != 2 or array.shape[1] != n_in:
        raise ValueError(f"{name} must have shape (n, {n_in}), a row a sample; got {array.shape}")
    if not len(array):
        raise ValueError(f"{name} must have at least one row, got shape {array.shape}")
    return array


def in_place(array: np.ndarray) -> bool:
    """Return whether the kernels can read an array as it is."""
    known = array.dtype == np.bool_ or (array.dtype in KINDS and array.dtype.isnative)
    return known and array.flags.c_contiguous and array.flags.aligned


def as_it_is(array: np.ndarray) -> np.ndarray:
    """Return a view of an array that the kernels can read as it is. Nobody else can change the shape of the view."""
    return array.view(np.uint8 if array.dtype == np.bool_ else array.dtype)


def readable(array: np.ndarray, dtype: np.dtype, *, exact: bool = False) -> np.ndarray:
    """Return a view of the array if the kernels can read it as it is, else a converted copy.

    The copy has the given dtype. With `exact`, it has float64 where this dtype would round numbers: they are rounded
    later, when a mean is subtracted.
    """
    if in_place(array):
        return as_it_is(array)
    kind = array.dtype if array.dtype in KINDS and array.dtype.isnative else dtype
    if exact and not np.can_cast(array.dtype, kind):
        kind = np.dtype(np.float64)
    with np.errstate(all="ignore"):  # a tiny number may become 0, whatever np.seterr says
        return np.require(array, kind, ["C_CONTIGUOUS", "ALIGNED"])


def blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the array in pieces of at most `BLOCK` values, each as (number of its first row, rows)."""
    rows = max(1, BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def within(
    array: np.ndarray, name: str, dtype: np.dtype, low: float = -math.inf, high: float = math.inf, first: int = 0
) -> None:
    """Raise ValueError unless all values are from `low` to `high`, and finite in the given dtype.

    The message contains the name of the argument and the place of the first wrong value. `first` is the number of the
    first row of the array.
    """
    if array.dtype.kind in "bu" and low <= 0 and high == math.inf:
        return
    limit = LIMITS[dtype] if array.dtype == np.float64 else math.inf
    for start, block in blocks(array):
        # The minimum and the maximum of values with a NaN are NaN, and computing them needs no memory.
        least, most = block.min(), block.max()
        if not (least >= max(low, -limit) and most <= min(high, limit) and np.isfinite(least) and np.isfinite(most)):
            fine = np.isfinite(block) & (block >= max(low, -limit)) & (block <= min(high, limit))
            rule = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite in {dtype}"
            rule += f" and at least {low:g}" if math.isfinite(low) and not math.isfinite(high) else ""
            refuse(block, fine, name, rule, start + first)


def refuse(block: np.ndarray, fine: np.ndarray, name: str, rule: str, first: int) -> NoReturn:
    """Raise ValueError for the first value of a block that is not fine. `rule` says what the values must be."""
    bad = np.argwhere(~fine)[0]
    where = ", ".join(str(int(i)) for i in (bad[0] + first, *bad[1:]))
    raise ValueError(f"{name}[{where}] is {block[tuple(bad)]}; every value must be {rule}")
