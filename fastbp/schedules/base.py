"""What all schedules are, and what makes one of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from .. import checks

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

    Parameters
    ----------
    a, b : Schedule

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
        pieces = [
            schedule.factor(np.maximum(x - start, 0), scores)
            for schedule, start in zip(self.schedules, starts, strict=True)
        ]
        return np.choose(which, pieces)
