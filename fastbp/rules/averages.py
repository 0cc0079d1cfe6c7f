"""This module averages the parameters over training. The averaged network often predicts better than the last one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY
from typing import dataclass_transform

import numpy as np

from ..base import checks
from ..base.value_objects import WithFields, field


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Average(WithFields, ABC):
    """`Average` is the base class of all averages of the parameters.

    `Trainer` keeps the average in a vector beside theta, the vector of all weights and biases. The average starts as a
    copy of theta. It can move towards theta after each step, at the end of each epoch, or both.

    Attributes
    ----------
    evaluated : bool
        Whether the trainer evaluates the network with the average, and not the one with the last parameters.
    """

    evaluated: bool = True

    @property
    @abstractmethod
    def rate(self) -> float:
        """The share of the way to theta, from 0 to 1, that the average moves after each step. With 0 it stays."""

    @property
    def warm_up(self) -> float:
        """A number k, at least 0: step n of the average moves at least the share k / (k + n); the first n is 1.

        The average then forgets its start. With 0, which this class has, all steps move the same share.
        """
        return 0.0

    @abstractmethod
    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        """Move the average at the end of an epoch.

        Parameters
        ----------
        average : float array of shape (size,)
            The average. The method changes it in place.
        theta : float array of shape (size,), of the same dtype
            The parameters at the end of the epoch. The method must not change them.
        epoch : int
            The number of the epoch that has ended. The first epoch is 0.
        """


def _evaluated() -> bool:
    """Return the field `evaluated`."""
    return field(
        "Whether `Trainer.evaluate`, the validation, early stopping and `Ensemble` use the network with the average. "
        "The history then also has the scores of the last parameters, for example in the column "
        '"validation_last_loss". With False, they use the last parameters.',
        checks.flag,
        default=True,
        kind="bool",
    )


class EMA(Average):
    """`EMA` is an exponential moving average of the parameters: recent steps count more than old ones.

    After each step, average <- d * average + (1 - d) * theta, where d is `decay`, but after step n = 1, 2, ... of the
    average at most n / (n + 30). So the average covers the last n / 30 steps, or fewer: it forgets the first
    parameters, with which it starts, and stays close to the last ones while the loss falls fast. Source: Polyak and
    Juditsky (1992).

    Examples
    --------
    The targets are 2 x plus noise. Steps on single samples make the last weights jump around the best ones. The loss
    against the targets without noise shows that the average is better:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1))
    >>> y = 2 * X + rng.normal(size=(500, 1))
    >>> net = fb.MLP([1, 1], seed=0)
    >>> options = {"loss": "squared_error", "optimizer": fb.SGD(0.1), "batch_size": 1, "seed": 0}
    >>> trainer = fb.Trainer(net, average=fb.EMA(0.99), **options)
    >>> history = trainer.fit(X, y, epochs=4)
    >>> for network in (net, trainer.averaged):
    ...     print(round(fb.Trainer(network, **options).evaluate(X, 2 * X)["loss"], 3))
    0.023
    0.005
    """

    decay: float = field(
        "The share of the average that each step keeps. The average covers about the last 1 / (1 - decay) steps.",
        checks.Real(0, 1),
        default=0.999,
    )
    _: KW_ONLY
    evaluated: bool = _evaluated()

    @property
    def rate(self) -> float:
        """The share of the way to theta that the average moves after each step: 1 - decay."""
        return 1.0 - self.decay

    @property
    def warm_up(self) -> float:
        """The number 30, which bounds the decay of step n by n / (n + 30)."""
        return 30.0

    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        """Do nothing, because this average has moved at each step of the epoch."""


class SWA(Average):
    """`SWA`, stochastic weight averaging, computes the mean of the parameters at the ends of epochs.

    Source: Izmailov et al. (2018).

    Examples
    --------
    With ``start=2``, the average is the mean over epochs 2 and 3, the last two of four epochs:

    >>> import fastbp as fb
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", average=fb.SWA(start=2), seed=0)
    >>> W = []
    >>> keep = fb.callbacks.Lambda(epoch_end=lambda state: W.append(state.network.weights[0]))
    >>> _ = trainer.fit([[1.0], [2.0]], [0.0, 1.0], epochs=4, callbacks=[keep])
    >>> error = trainer.averaged.weights[0] - (W[2] + W[3]) / 2
    >>> bool(abs(error).max() < 1e-6)
    True
    """

    start: int = field(
        "The first epoch that counts; the first epoch of training is 0. Before the end of this epoch, the average "
        "equals the parameters at the end of the last finished epoch.",
        checks.Integer(0),
        default=0,
    )
    _: KW_ONLY
    evaluated: bool = _evaluated()

    @property
    def rate(self) -> float:
        """Always 0, because this average moves only at the ends of epochs."""
        return 0.0

    def move(self, average: np.ndarray, theta: np.ndarray, epoch: int) -> None:
        """Set the average to the mean over the epochs from `start` to this one, or to theta before `start`."""
        average += (theta - average) / max(1, epoch - self.start + 1)


AVERAGES = {kind.__name__: kind for kind in (EMA, SWA)}
"""All averages that a checkpoint can store. The key is the name of the class, the value is the class."""
