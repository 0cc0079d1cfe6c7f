"""This module holds the callbacks that stop training: `EarlyStopping` and `Converged`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import checks, hints
from .base import Callback, State


class EarlyStopping(Callback):
    """`EarlyStopping` ends training when a score has stopped improving, and restores the best parameters.

    You can change a parameter later: assign the attribute with its name, for example ``stopping.patience = 20``.

    Parameters
    ----------
    monitor : str, default "validation_loss"
        The column of the history to watch, for example "validation_loss", "validation_accuracy" or "loss".
    patience : int, keyword-only, default 10
        The number of epochs without improvement after which training stops. It must be at least 1.
    min_delta : float, keyword-only, default 0.0
        A score counts as improved only if it is better than the best one by more than this. It must be at least 0.
    mode : {"auto", "min", "max"}, keyword-only, default "auto"
        With "min" a lower score is better, with "max" a higher score is better. "auto" means "min" for a column whose
        name ends in "loss", "error", "mae" or "objective", and "max" for all others.
    restore_best : bool, keyword-only, default True
        With True, the network gets the parameters of the best epoch back when training ends for any reason, and so does
        the average, if the trainer has one. The state of the optimizer, for example its momentum, stays as it is after
        the last step.

    Attributes
    ----------
    best_score : float
        The best score of this call of `fit`. It is NaN if there is none yet.
    best_epoch : int
        The number of the epoch with the best score; the first epoch is 1. If there is no score yet, it is the number of
        epochs that were finished before this call of `fit`.

    Raises
    ------
    ValueError
        If a parameter is outside its range. In `fit`, if the history will have no column with the name `monitor`. The
        error comes before the first epoch, unless a callback of your own may add columns.
    TypeError
        If a parameter has the wrong type.
    FloatingPointError
        In `fit`, if the patience is used up and the score is NaN. The network has the best parameters then.

    Notes
    -----
    Each call of `fit` starts a new search for the best score. A score that is NaN does not count as an improvement.

    Sources: 001, Prechelt (1998).

    Examples
    --------
    Training stops when R^2 on the validation samples has not grown by more than 0.01 for 5 epochs:

    >>> import fastbp as fb
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> net = fb.MLP([1, 8, 1], activation="tanh", seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", metrics=["r2"], seed=0)
    >>> stopping = fb.EarlyStopping("validation_r2", patience=5, min_delta=0.01)
    >>> history = trainer.fit(X, X**2, epochs=500, validation_split=0.2, callbacks=[stopping])
    >>> history.epochs < 500
    True
    >>> history.epochs - stopping.best_epoch
    5
    >>> stopping.best_score == history["validation_r2"][stopping.best_epoch - 1]
    True
    """

    monitor = checks.Checked(checks.column)
    patience = checks.Checked(lambda value, name: checks.integer(value, name, 1))
    min_delta = checks.Checked(lambda value, name: checks.real(value, name, 0))
    mode = checks.Checked(lambda value, name: checks.choice(value, name, checks.MODES))
    restore_best = checks.Checked(checks.flag)

    @hints.arguments
    def __init__(
        self,
        monitor: str = "validation_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: checks.Mode = "auto",
        restore_best: bool = True,
    ):
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.mode, self.restore_best = mode, restore_best
        self._start(0)

    def _start(self, epoch: int) -> None:
        """Start a new search for the best score after so many epochs."""
        self.best_score, self.best_epoch, self._best = math.nan, epoch, np.empty(0)

    def on_train_begin(self, state: State) -> None:
        """Forget the best score and the best parameters of an earlier call of `fit`."""
        self._start(state.epoch)
        self._kind = state.network.parameters.theta.dtype, state.network.parameters.theta.shape

    def on_epoch_end(self, state: State) -> None:
        """Compare the score of this epoch with the best one, and stop training if the patience is used up."""
        score = state.scores[checks.choice(self.monitor, "monitor", state.scores)]
        sign = checks.direction(self.monitor, self.mode)
        first = math.isnan(self.best_score) and not math.isnan(score)
        if first or sign * (score - self.best_score) > self.min_delta:
            self.best_score, self.best_epoch = score, state.epoch
            if self.restore_best:
                self._best = np.concatenate(_moved(state))
        if state.epoch - self.best_epoch >= self.patience:
            if math.isnan(score):
                raise FloatingPointError(
                    f"the score {self.monitor!r} of EarlyStopping is nan after epoch {state.epoch}"
                )
            state.stop = True

    def on_train_end(self, state: State) -> None:
        """Give the network the best parameters back, if `restore_best` is True and there was a score."""
        if self._best.size:
            theta, *average = self._best.reshape(-1, state.network.parameters.theta.size)
            state.network.parameters.assign(theta)
            for vector, best in zip(_moved(state)[1:], average, strict=False):  # a callback may have ended the average
                vector[:] = best
            self._best = np.empty(0)

    def save(self) -> dict[str, Any]:
        """Return the best score, its epoch and its parameters, see `Callback.save`."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "best": self._best}

    def load(self, kept: dict[str, Any]) -> None:
        """Continue with the best score, its epoch and its parameters from a checkpoint, see `Callback.load`."""
        score, best = kept["best_score"], np.asarray(kept["best"])
        epoch = checks.integer(kept["best_epoch"], "best_epoch", 0, self.best_epoch + 1)
        if not isinstance(score, float):
            raise TypeError(f"best_score must be a float, got {score!r}")
        dtype, (n,) = self._kind
        if best.size and (best.dtype != dtype or best.shape not in ((n,), (2 * n,))):
            raise ValueError(f"best must be {dtype} of shape ({n},) or ({2 * n},), got {best.dtype} {best.shape}")
        if not np.isfinite(best).all():
            raise ValueError("best must be finite")
        self.best_score, self.best_epoch, self._best = score, epoch, best


def _moved(state: State) -> list[np.ndarray]:
    """Return the vectors that training moves: the parameters and, if there is one, their average."""
    average = state.trainer.state.average
    return [state.network.parameters.theta, *([] if average is None else [average])]


class Converged(Callback):
    """`Converged` ends training when the parameters do not change any more.

    It compares the parameters at the end of each epoch with those at its beginning. With a `batch_size` of all samples,
    an epoch is one step of gradient descent, and training ends when theta^{i+1} = theta^i   (000).

    Parameters
    ----------
    tolerance : float, default 0.0
        Training ends if no parameter has changed by more than this. It must be at least 0.

    Attributes
    ----------
    moved : float
        The largest change of a parameter in the last epoch. It is NaN before the first one.

    Raises
    ------
    ValueError
        If the tolerance is outside its range.
    TypeError
        If the tolerance is not a number.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.5), batch_size=3)
    >>> history = trainer.fit([[0], [1], [2]], [1, 3, 5], epochs=10_000, callbacks=[fb.callbacks.Converged()])
    >>> history.epochs < 1000
    True
    """

    tolerance = checks.Checked(lambda value, name: checks.real(value, name, 0))

    def __init__(self, tolerance: float = 0.0):
        self.tolerance, self.moved = tolerance, math.nan

    def on_epoch_begin(self, state: State) -> None:
        """Keep the parameters."""
        self._theta = state.network.theta

    def on_epoch_end(self, state: State) -> None:
        """End training if no parameter has changed by more than the tolerance."""
        self.moved = float(np.abs(state.network.theta - self._theta).max(initial=0))
        if self.moved <= self.tolerance:
            state.stop = True
