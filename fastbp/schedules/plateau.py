"""The schedule that looks at scores."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from .. import checks
from .base import Schedule, Scores


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
