"""This module holds the schedules that depend on the history of training: `ReduceOnPlateau` and `BoldDriver`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY
from itertools import dropwhile

import numpy as np

from ..base import checks
from ..base.value_objects import field
from .base import Schedule, Scores


class Watching(Schedule):
    """`Watching` is the base class of schedules that watch a score, whose factor is the same in a whole epoch."""

    monitor: str
    _: KW_ONLY
    mode: checks.Mode = field(
        'With "min" a lower score is better, with "max" a higher score is better. "auto" means "min" for a column '
        'whose name ends in "loss", "error", "mae" or "objective", and "max" for all others.',
        checks.Choice(checks.MODES),
        default="auto",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per != "epoch":
            raise ValueError(f"per must be 'epoch', because each epoch has one score, got {self.per!r}")

    @property
    def monitors(self) -> tuple[str, ...]:
        return (self.monitor,)

    def _watched(self, scores: Scores) -> Iterator[tuple[int, float]]:
        """Yield the number of each epoch and its score, which is larger where it is better, from the first number on.

        Raise ValueError if the history has epochs but no column with the name `monitor`.
        """
        if len(next(iter(scores.values()), ())) and self.monitor not in scores:
            raise ValueError(f"monitor must be one of {', '.join(map(repr, scores))}, got {self.monitor!r}")
        sign = checks.direction(self.monitor, self.mode)
        numbered = enumerate(scores.get(self.monitor, ()), 1)
        return ((epoch, sign * score) for epoch, score in dropwhile(lambda each: np.isnan(each[1]), numbered))

    def _nan(self, epoch: int) -> FloatingPointError:
        """Return the error for a score that has become NaN."""
        return FloatingPointError(f"the score {self.monitor!r} of {type(self).__name__} is nan after epoch {epoch}")


class ReduceOnPlateau(Watching):
    """`ReduceOnPlateau` lowers the learning rate when a score has stopped improving.

    The factor starts at 1. When the score has not improved for more than `patience` epochs, the schedule multiplies the
    factor by `gamma`. After each reduction, it counts the epochs without improvement again from 0. Its unit must be
    "epoch", because the history has one score per epoch.

    Examples
    --------
    The loss improves in the second epoch, and not in the two epochs after it. That is more than the patience of 1:

    >>> import fastbp as fb
    >>> schedule = fb.schedules.ReduceOnPlateau("loss", gamma=0.5, patience=1)
    >>> losses = [2.0, 1.0, 1.0, 1.0]
    >>> [schedule.factor(epoch, {"loss": losses[:epoch]}) for epoch in range(5)]
    [1.0, 1.0, 1.0, 1.0, 0.5]
    """

    monitor: str = field(
        'The column of the history to watch, for example "loss", "validation_loss" or "validation_accuracy". If '
        "the history has no such column, `fit` raises ValueError.",
        checks.column,
        default="validation_loss",
    )
    _: KW_ONLY
    gamma: float = field(
        "The number that multiplies the factor at each reduction.", checks.Real(0, 1, open_low=True), default=0.1
    )
    patience: int = field(
        "The number of epochs without improvement that the schedule accepts.", checks.Integer(0), default=10
    )
    min_delta: float = field(
        "A score counts as improved only if it is better than the best one by more than this.",
        checks.Real(0),
        default=0.0,
    )
    least: float = field("A reduction never makes the factor less than this.", checks.Real(0), default=0.0)

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return the factor after the epochs in `scores`. It is the same for each x, see `Schedule.factor`.

        Parameters
        ----------
        x : float64 array of shape (n,), or a number
            Only the shape of x matters.
        scores : mapping of str to sequence of float
            The history of the finished epochs. A score that is NaN does not count as an improvement. Before the first
            score that is a number, no epoch counts.

        Returns
        -------
        array of the shape of x, or a number
            The factors.

        Raises
        ------
        ValueError
            If the history has epochs but no column with the name `monitor`.
        FloatingPointError
            If a reduction is due because the score has become NaN.
        """
        factor, best, bad = 1.0, -np.inf, 0
        for epoch, score in self._watched(scores):
            if score > best + self.min_delta:
                best, bad = score, 0
            else:
                bad += 1
            if bad > self.patience and np.isnan(score):
                raise self._nan(epoch)
            if bad > self.patience:
                factor, bad = max(factor * self.gamma, self.least), 0
        return 0.0 * x + factor


class BoldDriver(Watching):
    """`BoldDriver` raises the learning rate while a score improves, and cuts it when the score becomes worse (001).

    The factor starts at 1. After each epoch from the second on, the schedule compares the score with that of the epoch
    before: it multiplies the factor by `up` if the score is better, by `down` if it is worse, and by neither if both
    are equal. The parameters of a worse epoch are kept. Use it with a loss that has little noise, as with
    ``batch_size="all"``. Its unit must be "epoch", because the history has one score per epoch. Source: Battiti (1989).

    Examples
    --------
    The loss falls twice, and then it rises:

    >>> import fastbp as fb
    >>> schedule = fb.schedules.BoldDriver(up=1.1, down=0.5)
    >>> losses = [4.0, 3.0, 2.0, 5.0]
    >>> [round(schedule.factor(epoch, {"loss": losses[:epoch]}), 3) for epoch in range(5)]
    [1.0, 1.0, 1.1, 1.21, 0.605]
    """

    monitor: str = field(
        'The column of the history to watch, for example "loss" or "validation_loss". If the history has no such '
        "column, `fit` raises ValueError.",
        checks.column,
        default="loss",
    )
    _: KW_ONLY
    up: float = field("The number that multiplies the factor after a better score.", checks.Real(1), default=1.05)
    down: float = field(
        "The number that multiplies the factor after a worse score.", checks.Real(0, 1, open_low=True), default=0.5
    )

    def factor(self, x: np.ndarray, scores: Scores) -> np.ndarray:
        """Return the factor after the epochs in `scores`. It is the same for each x, see `Schedule.factor`.

        Parameters
        ----------
        x : float64 array of shape (n,), or a number
            Only the shape of x matters.
        scores : mapping of str to sequence of float
            The history of the finished epochs. Before the first score that is a number, no epoch counts.

        Returns
        -------
        array of the shape of x, or a number
            The factors.

        Raises
        ------
        ValueError
            If the history has epochs but no column with the name `monitor`.
        FloatingPointError
            If the score has become NaN.
        """
        factor, before = 1.0, np.nan
        for epoch, score in self._watched(scores):
            if np.isnan(score):
                raise self._nan(epoch)
            factor *= self.up if score > before else self.down if score < before else 1.0
            before = score
        return 0.0 * x + factor
