"""This module holds the schedules that depend only on x, the number of epochs or steps that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base import checks
from .base import Schedule, Scores


@dataclass(frozen=True, repr=False, eq=False)
class Constant(Schedule):
    """`Constant` multiplies the learning rate by the same number during the whole training.

    Its main use is as a part of `Chain`.

    Parameters
    ----------
    value : float, default 1.0
        The factor. It must be at least 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.
        The unit has no effect on this schedule.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

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

    value: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.value, "value", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return `value` for each x, see `Schedule.factor`."""
        return 0.0 * x + self.value


@dataclass(frozen=True, repr=False, eq=False)
class Step(Schedule):
    """`Step` multiplies the learning rate by `gamma` each time that `size` more epochs or steps are finished.

    The factor is gamma^floor(x / size), where x is the number of finished epochs or steps.

    Parameters
    ----------
    size : int
        The number of epochs or steps between two changes. It must be at least 1.
    gamma : float, default 0.1
        The number that multiplies the factor at each change. It must be above 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Step(10, gamma=0.5).factor(np.array([0, 9, 10, 25]), {})
    array([1.  , 1.  , 0.5 , 0.25])
    """

    size: int
    gamma: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.size, "size", 1)
        checks.real(self.gamma, "gamma", 0, open_low=True)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return gamma^floor(x / size) for each x, see `Schedule.factor`."""
        return self.gamma ** (x // self.size)


@dataclass(frozen=True, repr=False, eq=False)
class MultiStep(Schedule):
    """`MultiStep` multiplies the learning rate by `gamma` at each of the given milestones.

    The factor is gamma^m, where m is the number of milestones that are at most x, and x is the number of finished
    epochs or steps.

    Parameters
    ----------
    milestones : sequence of int
        The values of x at which the factor changes. Each must be at least 0 and at least the one before it. A
        number that appears twice counts twice.
    gamma : float, default 0.1
        The number that multiplies the factor at each milestone. It must be above 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.MultiStep([10, 15], gamma=0.5).factor(np.array([0, 9, 10, 15]), {})
    array([1.  , 1.  , 0.5 , 0.25])
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
        """Return gamma^m for each x, where m is the number of milestones up to x, see `Schedule.factor`."""
        return self.gamma ** np.searchsorted(self.milestones, x, side="right").astype(float)


@dataclass(frozen=True, repr=False, eq=False)
class Exponential(Schedule):
    """`Exponential` multiplies the learning rate by `gamma` after every epoch or step.

    The factor is gamma^x, where x is the number of finished epochs or steps.

    Parameters
    ----------
    gamma : float
        The number that multiplies the factor each time. It must be above 0; below 1, the learning rate falls.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Exponential(0.5).factor(np.array([0, 1, 2, 3]), {})
    array([1.   , 0.5  , 0.25 , 0.125])
    """

    gamma: float

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.gamma, "gamma", 0, open_low=True)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return gamma^x for each x, see `Schedule.factor`."""
        return self.gamma**x


@dataclass(frozen=True, repr=False, eq=False)
class InverseScaling(Schedule):
    """`InverseScaling` divides the learning rate by a power of the number of epochs or steps.

    The factor is (x + 1)^-power, where x is the number of finished epochs or steps.

    Parameters
    ----------
    power : float, default 0.5
        The exponent. It must be at least 0. The theory of stochastic approximation asks for an exponent above
        1/2 and at most 1.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Robbins and Monro (1951).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.InverseScaling(0.5).factor(np.array([0, 3, 99]), {})
    array([1. , 0.5, 0.1])
    """

    power: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        checks.real(self.power, "power", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return (x + 1)^-power for each x, see `Schedule.factor`."""
        return (x + 1.0) ** -self.power


@dataclass(frozen=True, repr=False, eq=False)
class Polynomial(Schedule):
    """`Polynomial` lowers the learning rate from its full value to 0 along a polynomial.

    The factor is (1 - x / length)^power, where x is the number of finished epochs or steps. After `length` it stays at
    0.

    Parameters
    ----------
    length : int
        The number of epochs or steps after which the factor is 0. It must be at least 1.
    power : float, default 1.0
        The exponent. It must be at least 0; with 1, the factor falls along a straight line.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Polynomial(10, power=2.0).factor(np.array([0, 5, 10, 99]), {})
    array([1.  , 0.25, 0.  , 0.  ])
    """

    length: int
    power: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.real(self.power, "power", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return (1 - min(x, length) / length)^power for each x, see `Schedule.factor`."""
        return (1.0 - np.minimum(x, self.length) / self.length) ** self.power


@dataclass(frozen=True, repr=False, eq=False)
class Cosine(Schedule):
    """`Cosine` lowers the learning rate along half a period of the cosine function.

    The factor is least + (1 - least) (1 + cos(pi x / length)) / 2, where x is the number of finished epochs or
    steps. It falls from 1 to `least`, and stays there after `length`.

    Parameters
    ----------
    length : int
        The number of epochs or steps after which the factor is `least`. It must be at least 1.
    least : float, default 0.0
        The last factor. It must be at least 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Loshchilov and Hutter (2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Cosine(10, least=0.1).factor(np.array([0, 5, 10, 99]), {}).round(3)
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    length: int
    least: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)
        checks.real(self.least, "least", 0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return least + (1 - least) (1 + cos(pi min(x, length) / length)) / 2, see `Schedule.factor`."""
        return self.least + (1.0 - self.least) * (1.0 + np.cos(np.pi * np.minimum(x, self.length) / self.length)) / 2.0


@dataclass(frozen=True, repr=False, eq=False)
class WarmRestarts(Schedule):
    """`WarmRestarts` repeats `Cosine`: it returns to the full learning rate at the start of each run.

    Parameters
    ----------
    length : int
        The number of epochs or steps of the first run. It must be at least 1.
    growth : int, default 1
        Each run is this many times as long as the run before it. It must be at least 1.
    least : float, default 0.0
        The factor that each run approaches at its end. It must be at least 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Loshchilov and Hutter (2017).

    Examples
    --------
    The first run takes 10 epochs, and the second run takes 20 epochs:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.WarmRestarts(10, growth=2).factor(np.array([0, 5, 10, 20, 30]), {}).round(3)
    array([1. , 0.5, 1. , 0.5, 1. ])
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
        """Return the factor of `Cosine` for each x, counted from the start of its run, see `Schedule.factor`."""
        x, q = np.asarray(x, np.float64), self.growth
        if q == 1:
            since, length = x % self.length, float(self.length)
        else:
            # Run k starts at x = length (q^k - 1) / (q - 1), the sum of the lengths of the runs before it. At the start
            # of a run, rounding can give a number just below k, and floor would then give k - 1: 1e-12 prevents this.
            k = np.floor(np.log1p(x * (q - 1) / self.length) / np.log(q) + 1e-12)
            since, length = x - self.length * (q**k - 1) / (q - 1), self.length * q**k
        return self.least + (1.0 - self.least) * (1.0 + np.cos(np.pi * since / length)) / 2.0


@dataclass(frozen=True, repr=False, eq=False)
class OneCycle(Schedule):
    """`OneCycle` first raises and then lowers the learning rate, both along a cosine.

    The factor rises from `start` to 1 in the first part of the cycle. In the rest of the cycle it falls to `end`.
    After the cycle it stays at `end`.

    Parameters
    ----------
    length : int
        The number of epochs or steps of the whole cycle. It must be at least 1.
    up : float, default 0.3
        The share of `length` in which the factor rises. It must be above 0 and below 1.
    start : float, default 0.04
        The first factor. It must be at least 0.
    end : float, default 4e-6
        The last factor. It must be at least 0.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Smith and Topin (2018).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.OneCycle(100).factor(np.array([0, 15, 30, 65, 100]), {}).round(2)
    array([0.04, 0.52, 1.  , 0.5 , 0.  ])
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
        """Return the factor of the rising or of the falling part for each x, see `Schedule.factor`."""
        x = np.minimum(x, self.length) / self.length
        along = lambda a, b, share: b + (a - b) * (1.0 + np.cos(np.pi * share)) / 2.0  # noqa: E731
        down = (x - self.up) / (1.0 - self.up)
        return np.where(x < self.up, along(self.start, 1.0, x / self.up), along(1.0, self.end, down))


@dataclass(frozen=True, repr=False, eq=False)
class Warmup(Schedule):
    """`Warmup` raises the learning rate along a straight line to its full value.

    The factor is (x + 1) / length, where x is the number of finished epochs or steps. From x = length - 1 on it stays
    at 1.

    Parameters
    ----------
    length : int
        The number of epochs or steps until the factor is 1. It must be at least 1.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        The unit in which the schedule counts. A step is one update of the parameters, after one minibatch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    Source: Goyal et al. (2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> fb.schedules.Warmup(4, per="step").factor(np.array([0, 1, 3, 10]), {})
    array([0.25, 0.5 , 1.  , 1.  ])
    """

    length: int

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self.length, "length", 1)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return min((x + 1) / length, 1) for each x, see `Schedule.factor`."""
        return np.minimum((x + 1.0) / self.length, 1.0)
