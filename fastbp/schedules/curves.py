"""This module holds the schedules that depend only on x, the number of epochs or steps that are finished."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base import checks
from ..base.value_objects import field
from .base import Schedule, Scores


def _between(first: float, last: float, angle: np.ndarray) -> np.ndarray:
    """Return numbers that go along a cosine, from `first` at the angle 0 to `last` at pi."""
    factors: np.ndarray = last + (first - last) * (1.0 + np.cos(angle)) / 2.0
    return factors


class Constant(Schedule):
    """`Constant` multiplies the learning rate by the same number during the whole training.

    Its main use is as a part of `Chain`. The unit has no effect on this schedule.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Constant(0.5).factor(3, {})
    0.5

    In this chain, the learning rate is a tenth of its full value in the first 2 epochs:

    >>> low, full = fb.schedules.Constant(0.1), fb.schedules.Constant()
    >>> fb.schedules.Chain([low, full], [2]).factor(np.arange(4), {})
    array([0.1, 0.1, 1. , 1. ])
    """

    value: float = field("The factor.", checks.Real(0), default=1.0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return 0.0 * x + self.value


class Step(Schedule):
    """`Step` multiplies the learning rate by `gamma` each time that `size` more epochs or steps are finished.

    The factor is gamma^floor(x / size), where x is the number of finished epochs or steps.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Step(10, gamma=0.5).factor(np.array([0, 9, 10, 25]), {})
    array([1.  , 1.  , 0.5 , 0.25])
    """

    size: int = field("The number of epochs or steps between two changes.", checks.Integer(1))
    gamma: float = field(
        "The number that multiplies the factor at each change.", checks.Real(0, open_low=True), default=0.1
    )

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma ** (x // self.size)


class MultiStep(Schedule):
    """`MultiStep` multiplies the learning rate by `gamma` at each of the given milestones.

    The factor is gamma^m, where m is the number of milestones that are at most x, and x is the number of finished
    epochs or steps.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.MultiStep([10, 15], gamma=0.5).factor(np.array([0, 9, 10, 15]), {})
    array([1.  , 1.  , 0.5 , 0.25])
    """

    milestones: Sequence[int] = field(
        "The values of x at which the factor changes. Each must be at least 0 and at least the one before it. A number "
        "that appears twice counts twice.",
        lambda value, name: checks.sequence(value, name, " of integers"),
        kind="sequence of int",
    )
    gamma: float = field(
        "The number that multiplies the factor at each milestone.", checks.Real(0, open_low=True), default=0.1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for k, milestone in enumerate(self.milestones):
            checks.integer(milestone, f"milestones[{k}]", self.milestones[k - 1] if k else 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma ** np.searchsorted(self.milestones, x, side="right").astype(float)


class Exponential(Schedule):
    """`Exponential` multiplies the learning rate by `gamma` after every epoch or step.

    The factor is gamma^x, where x is the number of finished epochs or steps.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Exponential(0.5).factor(np.array([0, 1, 2, 3]), {})
    array([1.   , 0.5  , 0.25 , 0.125])
    """

    gamma: float = field(
        "The number that multiplies the factor each time. Below 1, the learning rate falls.",
        checks.Real(0, open_low=True),
    )

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return self.gamma**x


class InverseScaling(Schedule):
    """`InverseScaling` divides the learning rate by a power of the number of epochs or steps.

    The factor is (x + 1)^-power, where x is the number of finished epochs or steps   (Robbins and Monro 1951).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.InverseScaling(0.5).factor(np.array([0, 3, 99]), {})
    array([1. , 0.5, 0.1])
    """

    power: float = field(
        "The exponent. The theory of stochastic approximation asks for one above 1/2 and at most 1.",
        checks.Real(0),
        default=0.5,
    )

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return (x + 1.0) ** -self.power


class Polynomial(Schedule):
    """`Polynomial` lowers the learning rate from its full value to 0 along a polynomial.

    The factor is (1 - x / length)^power, where x is the number of finished epochs or steps. After `length` it stays at
    0.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Polynomial(10, power=2.0).factor(np.array([0, 5, 10, 99]), {})
    array([1.  , 0.25, 0.  , 0.  ])
    """

    length: int = field("The number of epochs or steps after which the factor is 0.", checks.Integer(1))
    power: float = field("The exponent. With 1, the factor falls along a straight line.", checks.Real(0), default=1.0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        factors: np.ndarray = (1.0 - np.minimum(x, self.length) / self.length) ** self.power
        return factors


class Cosine(Schedule):
    """`Cosine` lowers the learning rate along half a period of the cosine function   (Loshchilov and Hutter 2017).

    The factor is least + (1 - least) (1 + cos(pi x / length)) / 2, where x is the number of finished epochs or
    steps. It falls from 1 to `least`, and stays there after `length`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Cosine(10, least=0.1).factor(np.array([0, 5, 10, 99]), {}).round(3)
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    length: int = field("The number of epochs or steps after which the factor is `least`.", checks.Integer(1))
    least: float = field("The last factor.", checks.Real(0), default=0.0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return _between(1.0, self.least, np.pi * np.minimum(x, self.length) / self.length)


class WarmRestarts(Schedule):
    """`WarmRestarts` repeats `Cosine`: it returns to the full learning rate at the start of each run.

    Source: Loshchilov and Hutter (2017).

    Examples
    --------
    The first run takes 10 epochs, and the second run takes 20 epochs:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.WarmRestarts(10, growth=2).factor(np.array([0, 5, 10, 20, 30]), {}).round(3)
    array([1. , 0.5, 1. , 0.5, 1. ])
    """

    length: int = field("The number of epochs or steps of the first run.", checks.Integer(1))
    growth: int = field("Each run is this many times as long as the run before it.", checks.Integer(1), default=1)
    least: float = field("The factor that each run approaches at its end.", checks.Real(0), default=0.0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        x, q = np.asarray(x, np.float64), self.growth
        if q == 1:
            since, length = x % self.length, float(self.length)
        else:
            # Run k starts at x = length (q^k - 1) / (q - 1), the sum of the lengths of the runs before it. At the start
            # of a run, rounding can give a number just below k, and floor would then give k - 1: 1e-12 prevents this.
            k = np.floor(np.log1p(x * (q - 1) / self.length) / np.log(q) + 1e-12)
            since, length = x - self.length * (q**k - 1) / (q - 1), self.length * q**k
        return _between(1.0, self.least, np.pi * since / length)


class OneCycle(Schedule):
    """`OneCycle` first raises and then lowers the learning rate, both along a cosine   (Smith and Topin 2018).

    The factor rises from `start` to 1 in the first part of the cycle. In the rest of the cycle it falls to `end`.
    After the cycle it stays at `end`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.OneCycle(100).factor(np.array([0, 15, 30, 65, 100]), {}).round(2)
    array([0.04, 0.52, 1.  , 0.5 , 0.  ])
    """

    length: int = field("The number of epochs or steps of the whole cycle.", checks.Integer(1))
    up: float = field("The share of `length` in which the factor rises.", checks.Real(0, 1, open_low=True), default=0.3)
    start: float = field("The first factor.", checks.Real(0), default=0.04)
    end: float = field("The last factor.", checks.Real(0), default=4e-6)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        x = np.minimum(x, self.length) / self.length
        up = _between(self.start, 1.0, np.pi * (x / self.up))
        return np.where(x < self.up, up, _between(1.0, self.end, np.pi * ((x - self.up) / (1.0 - self.up))))


class Warmup(Schedule):
    """`Warmup` raises the learning rate along a straight line to its full value   (Goyal et al. 2017).

    The factor is (x + 1) / length, where x is the number of finished epochs or steps. From x = length - 1 on it stays
    at 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Warmup(4, per="step").factor(np.array([0, 1, 3, 10]), {})
    array([0.25, 0.5 , 1.  , 1.  ])
    """

    length: int = field("The number of epochs or steps until the factor is 1.", checks.Integer(1))

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        return np.minimum((x + 1.0) / self.length, 1.0)
