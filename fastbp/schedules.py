"""Schedules: what the learning rate is multiplied by, as training goes on.

A schedule is a function of where training is, and keeps nothing itself, so that any goes with any optimizer, and one
that is interrupted goes on as if it had not been. `a * b` multiplies two; `Chain` puts one after another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from . import checks

UNITS = ("epoch", "step")
Scores = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Schedule(ABC):
    """What all schedules are: a factor of the learning rate after x = 0, 1, ... epochs; or steps, with per="step"."""

    _: KW_ONLY
    per: str = "epoch"

    def __post_init__(self):
        checks.choice(self.per, "per", UNITS)

    @abstractmethod
    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """The factor after x units of training; `scores` is the history of the epochs before."""

    def at(self, steps: np.ndarray, epoch: int, scores: Scores) -> np.ndarray:
        """The factor at steps, which count from 0, of an epoch, which does too."""
        x = steps.astype(np.float64) if self.per == "step" else np.full(len(steps), float(epoch))
        return np.broadcast_to(np.asarray(self.factor(x, scores), np.float64), x.shape)

    def __mul__(self, other: Schedule) -> Schedule:
        return Product(self, other) if isinstance(other, Schedule) else NotImplemented


@dataclass(frozen=True)
class Product(Schedule):
    """The product of two schedules, each in its own units; written ``a * b``.

    Examples
    --------
    >>> import fastbp as fb
    >>> schedule = fb.schedules.Warmup(100, per="step") * fb.schedules.Cosine(30)
    """

    a: Schedule
    b: Schedule

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.a.factor(x, scores) * self.b.factor(x, scores)

    def at(self, steps: np.ndarray, epoch: int, scores: Scores) -> np.ndarray:
        return self.a.at(steps, epoch, scores) * self.b.at(steps, epoch, scores)


@dataclass(frozen=True)
class Chain(Schedule):
    """One schedule after another: each begins at 0 where the one before ends, and the last goes on.

    Parameters
    ----------
    schedules : sequence of Schedule
    lengths : sequence of int
        Units that each but the last lasts.
    per : "epoch" or "step", keyword-only
        The units, of all of them.

    Raises
    ------
    ValueError, TypeError
        If the numbers of schedules and lengths do not fit, or one is of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> schedule = fb.schedules.Chain([fb.schedules.Warmup(5), fb.schedules.Cosine(45)], [5])
    """

    schedules: tuple[Schedule, ...]
    lengths: tuple[int, ...]

    def __post_init__(self):
        super().__post_init__()
        for name in ("schedules", "lengths"):
            if not isinstance(getattr(self, name), Sequence):
                raise TypeError(f"{name} must be a sequence, got {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for k, schedule in enumerate(self.schedules):
            if not isinstance(schedule, Schedule):
                raise TypeError(f"schedules[{k}] must be a schedule, got {schedule!r}")
        if len(self.lengths) != len(self.schedules) - 1:
            raise ValueError(f"lengths must be one fewer than the {len(self.schedules)} schedules, got {self.lengths}")
        for k, length in enumerate(self.lengths):
            checks.integer(length, f"lengths[{k}]", 1)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        which = np.searchsorted(starts, x, side="right") - 1
        pieces = [schedule.factor(x - start, scores) for schedule, start in zip(self.schedules, starts, strict=True)]
        return np.choose(which, pieces)


@dataclass(frozen=True)
class Constant(Schedule):
    """1 times a number.

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
    """(x + 1)^-power   (Robbins and Monro 1951 ask for a power above 1/2 and up to 1).

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
    """least + (1 - least)(1 + cos(pi x / length)) / 2, from 1 to `least` at `length` and beyond   (Loshchilov and
    Hutter 2017).

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
    """`Cosine` again and again, each time `growth` times as long   (Loshchilov and Hutter 2017).

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
    """Up along a cosine from `start` to 1 in the first `up` of `length`, then down to `end`   (Smith and Topin 2018).

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
    """(x + 1) / length, until it is 1: linear warm-up   (Goyal et al. 2017).

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


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """`gamma` once more whenever a score has not improved for more than `patience` epochs.

    Parameters
    ----------
    monitor : str
        A column of the history: "loss", "validation_loss", "validation_accuracy", ...
    gamma : float, keyword-only
    patience : int, keyword-only
        Epochs without improvement that are let pass; they are counted anew after each reduction.
    min_delta : float, keyword-only
        The least improvement that counts.
    least : float, keyword-only
        The least factor.
    mode : "auto", "min" or "max", keyword-only
        Whether less is better: by default of what ends in loss, error or mae.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.schedules.ReduceOnPlateau("loss", gamma=0.5, patience=1).factor(4, {"loss": [2.0, 1.0, 1.0, 1.0]})
    0.5
    """

    monitor: str = "validation_loss"
    _: KW_ONLY
    gamma: float = 0.1
    patience: int = 10
    min_delta: float = 0.0
    least: float = 0.0
    mode: str = "auto"

    def __post_init__(self):
        super().__post_init__()
        checks.direction(self.monitor, self.mode)
        if self.per != "epoch":
            raise ValueError(f"per must be 'epoch': scores come once in an epoch, got {self.per!r}")
        checks.real(self.gamma, "gamma", 0, 1, open_low=True)
        checks.integer(self.patience, "patience", 0)
        checks.real(self.min_delta, "min_delta", 0)
        checks.real(self.least, "least", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        if len(next(iter(scores.values()), ())) and self.monitor not in scores:
            raise ValueError(f"monitor must be one of {', '.join(map(repr, scores))}, got {self.monitor!r}")
        sign = checks.direction(self.monitor, self.mode)
        factor, best, bad = 1.0, -np.inf, 0
        for score in scores.get(self.monitor, ()):
            if sign * score > best + self.min_delta:
                best, bad = sign * score, 0
            else:
                bad += 1
            if bad > self.patience:
                factor, bad = max(factor * self.gamma, self.least), 0
        return 0.0 * x + factor


SCHEDULES = {
    kind.__name__: kind
    for kind in (
        Chain, Constant, Cosine, Exponential, InverseScaling, MultiStep, OneCycle, Polynomial, Product,
        ReduceOnPlateau, Step, WarmRestarts, Warmup,
    )
}  # fmt: skip
"""name: class."""
