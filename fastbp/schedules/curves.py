"""Schedules that are functions of the epoch or the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import checks
from .base import Schedule, Scores


@dataclass(frozen=True)
class Constant(Schedule):
    """1 times a number.

    Parameters
    ----------
    value : float
        At least 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Constant(0.5).factor(3, {})
    0.5
    """

    value: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.value, "value", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return 0.0 * x + self.value


@dataclass(frozen=True)
class Step(Schedule):
    """gamma^(x // size): a step down every `size` units.

    Parameters
    ----------
    size : int
        Units between steps down, at least 1.
    gamma : float
        Above 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Step(10, gamma=0.5).factor(25, {})
    0.25
    """

    size: int
    gamma: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.size, "size", 1)
        checks.real(self.gamma, "gamma", 0, open_low=True)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma ** (x // self.size)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """gamma to the power of how many of the milestones have been reached.

    Parameters
    ----------
    milestones : sequence of int
        At least 0, not decreasing.
    gamma : float
        Above 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> float(fb.schedules.MultiStep([10, 20], gamma=0.5).factor(25.0, {}))
    0.25
    """

    milestones: tuple[int, ...]
    gamma: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.milestones, Sequence):
            raise TypeError(f"milestones must be a sequence of integers, got {self.milestones!r}")
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for k, milestone in enumerate(self.milestones):
            checks.integer(milestone, f"milestones[{k}]", self.milestones[k - 1] if k else 0)
        checks.real(self.gamma, "gamma", 0, open_low=True)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma ** np.searchsorted(self.milestones, x, side="right").astype(float)


@dataclass(frozen=True)
class Exponential(Schedule):
    """gamma^x.

    Parameters
    ----------
    gamma : float
        Above 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Exponential(0.5).factor(3, {})
    0.125
    """

    gamma: float

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.gamma, "gamma", 0, open_low=True)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma**x


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """(x + 1)^-power.

    Parameters
    ----------
    power : float
        At least 0. Robbins and Monro (1951) ask for one above 1/2 and up to 1.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Robbins and Monro (1951).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.InverseScaling(0.5).factor(3.0, {})
    0.5
    """

    power: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.power, "power", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return (x + 1.0) ** -self.power


@dataclass(frozen=True)
class Polynomial(Schedule):
    """(1 - x / length)^power, from 1 to 0 at `length` and beyond.

    Parameters
    ----------
    length : int
        At least 1.
    power : float
        At least 0; 1 is a straight line.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> float(fb.schedules.Polynomial(10, power=2.0).factor(5, {}))
    0.25
    """

    length: int
    power: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.real(self.power, "power", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return (1.0 - np.minimum(x, self.length) / self.length) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """least + (1 - least)(1 + cos(pi x / length)) / 2, from 1 to `least` at `length` and beyond.

    Parameters
    ----------
    length : int
        At least 1.
    least : float
        What it ends at, at least 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Loshchilov and Hutter (2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> round(float(fb.schedules.Cosine(10).factor(5, {})), 12)
    0.5
    """

    length: int
    least: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.real(self.least, "least", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.least + (1.0 - self.least) * (1.0 + np.cos(np.pi * np.minimum(x, self.length) / self.length)) / 2.0


@dataclass(frozen=True)
class WarmRestarts(Schedule):
    """`Cosine` again and again, each time `growth` times as long.

    Parameters
    ----------
    length : int
        Of the first run, at least 1.
    growth : int
        At least 1.
    least : float
        What each run ends at, at least 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Loshchilov and Hutter (2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.WarmRestarts(10, growth=2).factor(np.array([0.0, 10.0, 30.0]), {})
    array([1., 1., 1.])
    """

    length: int
    growth: int = 1
    least: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.integer(self.growth, "growth", 1)
        checks.real(self.least, "least", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        x, q = np.asarray(x, np.float64), self.growth
        if q == 1:
            since, length = x % self.length, float(self.length)
        else:  # run k starts at length (q^k - 1) / (q - 1)
            k = np.floor(np.log1p(x * (q - 1) / self.length) / np.log(q) + 1e-12)
            since, length = x - self.length * (q**k - 1) / (q - 1), self.length * q**k
        return self.least + (1.0 - self.least) * (1.0 + np.cos(np.pi * since / length)) / 2.0


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up along a cosine from `start` to 1 in the first `up` of `length`, then down to `end`.

    Parameters
    ----------
    length : int
        At least 1.
    up : float
        In (0, 1).
    start, end : float
        At least 0.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Smith and Topin (2018).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.OneCycle(100).factor(np.array([0.0, 30.0, 100.0]), {}).round(2)
    array([0.04, 1.  , 0.  ])
    """

    length: int
    up: float = 0.3
    start: float = 0.04
    end: float = 4e-6

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.real(self.up, "up", 0, 1, open_low=True)
        checks.real(self.start, "start", 0)
        checks.real(self.end, "end", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        x = np.minimum(x, self.length) / self.length
        along = lambda a, b, share: b + (a - b) * (1.0 + np.cos(np.pi * share)) / 2.0  # noqa: E731
        down = (x - self.up) / (1.0 - self.up)
        return np.where(x < self.up, along(self.start, 1.0, x / self.up), along(1.0, self.end, down))


@dataclass(frozen=True)
class Warmup(Schedule):
    """(x + 1) / length, until it is 1: linear warm-up.

    Parameters
    ----------
    length : int
        At least 1.
    per : "epoch" or "step", keyword-only
        What x counts.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Notes
    -----
    Source: Goyal et al. (2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.Warmup(4, per="step").factor(np.array([0, 3, 10]), {})
    array([0.25, 1.  , 1.  ])
    """

    length: int

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return np.minimum((x + 1.0) / self.length, 1.0)
