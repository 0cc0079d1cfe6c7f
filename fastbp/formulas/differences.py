"""This module approximates derivatives by differences (001): slowly, but without knowing any derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Numbers = TypeVar("Numbers", float, np.ndarray)

STEP = 5e-4
"""The step h. It balances two errors: the formula has an error of the order h^4 = 6e-14, and rounding in float64 adds
an error of about 1e-16 / h = 2e-13."""


def central(f: Callable[[float], Numbers], h: float = STEP) -> Numbers:
    """Return the derivative at 0 of a function of one number, or of many at once if f returns an array.

    It is the central difference (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / (12 h).
    """
    slope: Numbers = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
    return slope


def of_array(cost: Callable[[], float], array: np.ndarray, most: int | None = None, seed: int = 0) -> np.ndarray:
    """Return the derivative of a cost with respect to each number of a float64 array, which the cost reads.

    The numbers of the array change during the call. With `most`, only so many derivatives are computed, for numbers
    chosen at random. The others are NaN.
    """
    out, flat = np.full(array.size, np.nan), array.flat
    places = np.arange(array.size)
    if most is not None and most < array.size:
        places = np.random.default_rng(seed).choice(array.size, most, replace=False)
    for i in places:
        value = flat[i]

        def moved(by: float, i: Any = i, value: float = value) -> float:
            flat[i] = value + by
            return cost()

        try:
            out[i] = central(moved)
        finally:
            flat[i] = value
    return out.reshape(array.shape)


def at_kink(cost: Callable[[], float], array: np.ndarray, place: int, slope: float, most: float) -> bool:
    """Return whether a slope is right although the central difference at a place says something else.

    This is so near a kink: the slope is that of a step which is too small to reach the kink, or that of one side, or
    between those of both sides. `most` is the largest error of a slope that does not count.
    """
    flat, h = array.flat, STEP / 256
    value = flat[place]

    def moved(by: float) -> float:
        flat[place] = value + by
        return cost()

    try:
        near = central(moved, h)
        left, right = ((moved(by) - moved(by - h)) / h for by in (0.0, h))
    finally:
        flat[place] = value
    low, high = min(left, right), max(left, right)
    return bool(abs(slope - near) <= most or (high - low > 100 * most and low - most <= slope <= high + most))


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference between derivatives and those by differences, relative to the largest of them.

    It is 0 if all of them are 0. Where `wanted` is NaN, it was not computed, and does not count.
    """
    seen = ~np.isnan(wanted)
    difference = np.abs(got - wanted)[seen].max(initial=0)
    largest = np.maximum(np.abs(wanted[seen]).max(initial=0), np.abs(got).max(initial=0))  # max would lose a NaN
    return float(difference / largest) if largest else 0.0
