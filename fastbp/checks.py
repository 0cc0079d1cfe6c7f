"""Checks of arguments: every argument is checked once, before a kernel, which checks nothing, sees it.

Each function returns the value in one form, or raises an error that names the argument, what it was and what it must
be. Arrays are checked by `fastbp.data.arrays`.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np


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


def resolved(value: object, name: str, registry: Mapping[str, Any]) -> Any:
    """The object of a registry that is given by its name, or an object of the class of one."""
    kinds = [type(entry) for entry in registry.values()]
    if type(value) in kinds:
        return value
    if not isinstance(value, str):
        objects = ", ".join(kind.__name__ for kind in kinds if dataclasses.fields(kind))
        raise TypeError(f"{name} must be a name or an object of {objects}, got {value!r}")
    return registry[choice(value, name, registry)]


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
