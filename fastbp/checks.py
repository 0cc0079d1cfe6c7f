"""The border: every argument is checked here, once, before a kernel that checks nothing sees it.

A message names the argument, what it was and what it must be. Arrays that the kernels can read are passed on as they
are; others are converted.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import numpy as np

from .kernels.losses import LOSSES
from .kernels.simd import FLOAT32, FLOAT64, UINT8

KINDS = {np.dtype(np.uint8): UINT8, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}
BLOCK = 1 << 20
"""Numbers looked at in one go: checking must not need memory of the size of the data."""

LIMITS = {np.dtype(kind): np.finfo(kind).max for kind in (np.float32, np.float64)}
"""The largest number of a dtype."""

SUM_TOLERANCE = 1e-3
"""How far from 1 the sum of a row of probabilities may be."""


def integer(value: object, name: str, least: int) -> int:
    """An int that is not below `least`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def real(value: object, name: str, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False) -> float:
    """A finite float in [low, high), or (low, high)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < low or value >= high or (open_low and value == low):
        rule = f"{'above' if open_low else 'at least'} {low:g}" if math.isfinite(low) else ""
        rule += f"{' and ' if rule else ''}below {high:g}" if math.isfinite(high) else ""
        raise ValueError(f"{name} must be a finite number{f' {rule}' if rule else ''}, got {value}")
    return value


def choice(value: object, name: str, among: object) -> str:
    """One of the names of a registry."""
    if not isinstance(value, str) or value not in among:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, among))}, got {value!r}")
    return value


def named(value: object, name: str, among: object, classes: dict[str, type]) -> tuple[str, float]:
    """The name and parameter of a row of a registry, given as its name or as an object of one of its classes."""
    kind = type(value)
    if kind in classes.values():
        return kind.name, float(*dataclasses.astuple(value))
    if not isinstance(value, str):
        objects = ", ".join(kind.__name__ for kind in classes.values())
        raise TypeError(f"{name} must be a name or an object of {objects}, got {value!r}")
    choice(value, name, among)
    return value, float(*dataclasses.astuple(classes[value]())) if value in classes else 0.0


def bound(value: object, name: str) -> float | None:
    """A finite float above 0, or None."""
    return None if value is None else real(value, name, 0, open_low=True)


def pair(value: object, name: str) -> tuple:
    """A pair, as a tuple."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be a pair of numbers, got {value!r}")
    return tuple(value)


def flag(value: object, name: str) -> None:
    """True or False, and nothing that only counts as one."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def direction(monitor: object, mode: object) -> int:
    """1 if more of a score is better, -1 if less of it is: as the mode says, or the score's name if it is "auto"."""
    if not isinstance(monitor, str):
        raise TypeError(f"monitor must be the name of a column of the history, got {monitor!r}")
    if choice(mode, "mode", ("auto", "min", "max")) == "auto":
        return -1 if monitor.endswith(("loss", "error", "mae")) else 1
    return -1 if mode == "min" else 1


def threads(value: object) -> int | None:
    """A number of threads, or None."""
    return None if value is None else integer(value, "n_threads", 1)


def dtype(value: object) -> np.dtype:
    """float32 or float64."""
    try:
        wanted = np.dtype(value)
    except TypeError:
        wanted = None
    if value is None or wanted not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {value!r}")
    return wanted


def generator(seed: object) -> np.random.Generator:
    """A random generator of a seed, or of none."""
    return np.random.default_rng(None if seed is None else integer(seed, "seed", 0))


def within_dtype(values: object, name: str, dtype: np.dtype) -> None:
    """No number is beyond the largest of a dtype."""
    if np.abs(values).max(initial=0) > LIMITS[dtype]:
        raise ValueError(f"{name} must be finite in {dtype}, got {values!r}")


class Inputs(NamedTuple):
    """An array that the kernels can read in place."""

    array: np.ndarray
    kind: int


class Targets(NamedTuple):
    """Targets that the kernels can read: labels (n,) int64, or rows (n, n_out) of a kind."""

    array: np.ndarray
    kind: int
    labels: bool
    classes: bool
    """Whether a prediction is right or wrong, and an accuracy makes sense."""
    by_output: bool
    """Whether it is so for each output by itself: one, or many that do not exclude each other."""


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


def _readable(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array itself if the kernels can read it where it lies, else a converted copy."""
    if _in_place(array):
        return array.view(np.uint8) if array.dtype == np.bool_ else array
    kind = array.dtype if array.dtype in KINDS and array.dtype.isnative else dtype
    return np.require(array, kind, ["C_CONTIGUOUS", "ALIGNED"])


def _blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
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
    for start, block in _blocks(array):
        # min and max carry NaN on, and need no memory.
        least, most = block.min(), block.max()
        if not (least >= max(low, -limit) and most <= min(high, limit) and np.isfinite(least) and np.isfinite(most)):
            fine = np.isfinite(block) & (block >= max(low, -limit)) & (block <= min(high, limit))
            rule = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite in {dtype}"
            rule += f" and at least {low:g}" if math.isfinite(low) and not math.isfinite(high) else ""
            _refuse(block, fine, name, rule, start + first)


def _refuse(block: np.ndarray, fine: np.ndarray, name: str, rule: str, first: int) -> NoReturn:
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
    array = _readable(matrix(X, n_in, name), dtype)
    within(array, name, dtype)
    return Inputs(array, KINDS[array.dtype])


def readable_blocks(X: np.ndarray, dtype: np.dtype) -> Iterator[tuple[int, Inputs]]:
    """(first row, rows) of a matrix, in a form that the kernels can read: all at once if they can read it in place.

    Whether its numbers are finite is for the kernels to see; `within` then says which is not.
    """
    for first, block in [(0, X)] if _in_place(X) else _blocks(X):
        array = _readable(block, dtype)
        yield first, Inputs(array, KINDS[array.dtype])


def weights(values: object, n: int, name: str = "sample_weight") -> np.ndarray | None:
    """Weights of n samples, finite and not negative, as float64; None if there are none."""
    if values is None:
        return None
    array = np.array(numeric(values, name), np.float64)  # a copy, that nobody changes meanwhile
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), a weight for each sample; got {array.shape}")
    within(array, name, array.dtype, 0, math.inf)
    return array


def class_weights(values: object, y: Targets, n_out: int, rows: np.ndarray | None = None) -> np.ndarray | None:
    """The weight of each sample by its class: of a dict, or n / (classes present * samples of the class); None if none.

    Classes that a dict does not name have weight 1. A row of probabilities has the mean of its classes' weights. Only
    the samples in these rows are counted, if there are any.
    """
    if values is None:
        return None
    if not y.classes or (y.by_output and n_out > 1):
        raise ValueError("class_weight needs targets that are classes, and these are not")
    classes = max(n_out, 2)
    labels = y.array if y.labels or n_out > 1 else (y.array.reshape(-1) > 0.5).astype(np.int64)
    if isinstance(values, str):
        choice(values, "class_weight", ("balanced",))
        counted = labels if rows is None else labels[rows]
        counts = np.bincount(counted, minlength=classes) if labels.ndim == 1 else counted.sum(axis=0, dtype=np.float64)
        table = len(counted) / (np.count_nonzero(counts) * np.maximum(counts, 1e-300))
        table[counts == 0] = 0.0
    elif isinstance(values, dict):
        table = np.ones(classes)
        for label, weight in values.items():
            if integer(label, "class_weight's keys", 0) >= classes:
                raise ValueError(f"class_weight's keys must be below {classes}, the number of classes; got {label}")
            table[label] = real(weight, f"class_weight[{label}]", 0)
    else:
        raise TypeError(f"class_weight must be a dict or 'balanced', got {values!r}")
    return table[labels] if labels.ndim == 1 else labels @ table


def targets(y: object, n: int, n_out: int, loss: str, dtype: np.dtype, name: str = "y", samples: str = "X") -> Targets:
    """Targets of n samples for a loss: labels (n,) where there are classes, else rows of n_out."""
    array = numeric(y, name)
    row = LOSSES[loss]
    shapes = f"({n},){'' if n_out == 1 else ' of integer labels'} or ({n}, {n_out})"
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != n_out):
        raise ValueError(f"{name} must have shape {shapes}, got {array.shape}")
    if len(array) != n:
        raise ValueError(f"{name} must have a row for each of the {n} rows of {samples}, got {len(array)}")
    if array.ndim == 1 and (n_out > 1 or row.targets == "distribution"):
        if array.dtype.kind == "f":
            raise TypeError(
                f"{name} of shape ({n},) must be integer labels for {n_out} outputs, got dtype {array.dtype}"
            )
        # A copy: labels say where the kernels write, and nobody else may change them meanwhile.
        labels = np.array(array, np.int64)
        within(labels, name, dtype, 0, n_out - 1)
        return Targets(labels, FLOAT64, True, True, False)
    array = _readable(array, dtype)
    low, high = {"values": (-math.inf, math.inf), "counts": (0, math.inf), "signs": (-1, 1)}.get(row.targets, (0, 1))
    within(array, name, dtype, low, high)
    if row.targets == "signs":
        _signs(array, name)
    if row.targets == "distribution":
        for start, block in _blocks(array):
            sums = block.sum(axis=1, dtype=np.float64)
            if abs(sums - 1).max() > SUM_TOLERANCE:
                worst = int(abs(sums - 1).argmax())
                raise ValueError(
                    f"{name}[{start + worst}] sums to {sums[worst]:g}; a row of probabilities must sum to 1"
                )
    classes, by_output = row.targets not in ("values", "counts"), row.targets in ("probabilities", "signs")
    return Targets(array, KINDS[array.dtype], False, classes, by_output)


def _signs(array: np.ndarray, name: str) -> None:
    """All values are 0 or 1, or all are -1 or 1."""
    least = min(block.min() for _, block in _blocks(array))
    for start, block in _blocks(array):
        fine = (block == 1) | (block == min(least, 0))
        if not fine.all():
            _refuse(block, fine, name, "0 or 1, or -1 or 1", start)
