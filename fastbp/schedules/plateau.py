"""This module holds `ReduceOnPlateau`, the schedule that depends on the history of training."""

from __future__ import annotations

from dataclasses import KW_ONLY

import numpy as np

from ..base import checks
from ..base.value_objects import field
from .base import Schedule, Scores


class ReduceOnPlateau(Schedule):
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
        if len(next(iter(scores.values()), ())) and self.monitor not in scores:
            raise ValueError(f"monitor must be one of {', '.join(map(repr, scores))}, got {self.monitor!r}")
        sign = checks.direction(self.monitor, self.mode)
        factor, best, bad = 1.0, -np.inf, 0
        for epoch, score in enumerate(scores.get(self.monitor, ()), 1):
            if np.isnan(score) and best == -np.inf:
                continue
            if sign * score > best + self.min_delta:
                best, bad = sign * score, 0
            else:
                bad += 1
            if bad > self.patience and np.isnan(score):
                raise FloatingPointError(f"the score {self.monitor!r} of ReduceOnPlateau is nan after epoch {epoch}")
            if bad > self.patience:
                factor, bad = max(factor * self.gamma, self.least), 0
        return 0.0 * x + factor
