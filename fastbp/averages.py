"""Averages of the parameters over the steps or epochs of training, which often predict better than the last ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from . import checks


class Average(ABC):
    """What all averages are: a share by which the average moves towards the parameters after a step or an epoch."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """That share after each step; 0 if the average moves only at the end of epochs."""

    @abstractmethod
    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        """Move the average in place at the end of an epoch 0, 1, ..."""


@dataclass(frozen=True)
class EMA(Average):
    """An exponential moving average: after each step, average <- decay average + (1 - decay) theta.

    It starts from the parameters that training begins with.

    Parameters
    ----------
    decay : float
        In [0, 1): some 1 / (1 - decay) steps count.

    Raises
    ------
    ValueError, TypeError
        If the decay is out of its range or no number.

    Notes
    -----
    Source: Polyak and Juditsky (1992).

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", average=fb.EMA(0.99), seed=0)
    >>> _ = trainer.fit([[1.0], [2.0]], [0.0, 1.0])
    >>> trainer.averaged
    MLP(1-1, output='identity', 2 parameters, float32)
    """

    decay: float = 0.999

    def __post_init__(self):
        checks.real(self.decay, "decay", 0, 1)

    @property
    def rate(self) -> float:
        return 1.0 - self.decay

    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        pass  # it has moved with every step


@dataclass(frozen=True)
class SWA(Average):
    """Stochastic weight averaging: the mean of the parameters at the ends of epochs, from one on.

    Parameters
    ----------
    start : int
        The first epoch whose end counts: 0, 1, ... Until then the average is the parameters themselves.

    Raises
    ------
    ValueError, TypeError
        If the start is negative or no integer.

    Notes
    -----
    Source: Izmailov et al. (2018).

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.SWA(start=20)
    SWA(start=20)
    """

    start: int = 0

    def __post_init__(self):
        checks.integer(self.start, "start", 0)

    @property
    def rate(self) -> float:
        return 0.0

    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        average += (theta - average) / max(1, epoch - self.start + 1)


AVERAGES = {kind.__name__: kind for kind in (EMA, SWA)}
"""name: class."""
