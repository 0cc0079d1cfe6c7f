"""Callbacks run your own code while `Trainer.fit` trains a network: to watch it, to record it, or to stop it.

This module has the base class `Callback`, the class `State` that every callback receives, and ready-made callbacks:
`EarlyStopping`, `Settled`, `CSVLogger`, `TensorBoard`, `Recorder`, `Progress` and `Lambda`. `fastbp.Checkpoint` is a
callback too.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import math
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import util
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ..base import checks, extras
from ..base.history import History
from ..base.model_files import write
from ..base.value_objects import call
from ..network.mlp import MLP
from ..schedules.base import UNITS, Unit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "CSVLogger", "Callback", "EarlyStopping", "Lambda", "Progress", "Recorder", "Settled", "State", "TensorBoard",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


class Trains(Protocol):
    """What a callback may use of the `fastbp.Trainer` that calls it: see there."""

    network: MLP
    history: History
    averaged: MLP
    settings: Any
    state: Any

    def evaluate(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """The scores of some samples."""


@dataclass
class State:
    """`State` tells a callback how far training has come, and lets the callback stop it.

    All hooks of all callbacks receive the same `State` object during one call of `Trainer.fit`. Of its attributes, a
    callback may set only `stop`. It must not set `stop` back to False, because another callback may have set it.

    A callback may also use the trainer and the network:

    - It may call ``state.trainer.evaluate(X, y)`` and ``state.network.predict(X)`` in every hook. They use the
      parameters after the last finished step.
    - It may change the parameters with ``state.network.set_weights(...)``. The next step starts from the new ones.
    - It must not call `fit` or `partial_fit` of the same trainer, which raises RuntimeError.

    Attributes
    ----------
    trainer : Trainer
        The trainer whose `fit` is running. ``trainer.history`` has one row for each finished epoch.
    network : MLP
        The network that is trained.
    callbacks : list of Callback
        All callbacks of this call of `fit`, in the order in which it calls them.
    epochs : int
        The value that `epoch` has when this call of `fit` ends, unless something stops it before.
    epoch : int
        The number of epochs that this trainer has finished, in all calls of `fit` together. It is 0 during the first
        epoch.
    step : int
        The number of steps that this trainer has finished, in all calls of `fit` and `partial_fit` together. A step is
        one update of the parameters, after one minibatch.
    samples : int
        The number of samples that the current epoch has used so far.
    epoch_samples : int or None
        The number of samples in an epoch. It is None if `fit` trains on blocks, because their number of samples
        is not known in advance.
    scores : dict of str to float
        In `on_epoch_end`, the row of the history for this epoch, for example the keys "loss", "learning_rate",
        "seconds" and "validation_loss". In the hooks for minibatches, the mean "loss" over the samples of this epoch so
        far, and the mean "accuracy" if the targets are classes. Before the first minibatch of an epoch it is empty.
    stop : bool
        Set it to True to end training. After `on_batch_begin` or `on_batch_end`, training ends before the next
        minibatch: the network keeps the steps that are finished, but the epoch does not count and has no row in the
        history. The epoch does count if its last minibatch is finished (on blocks it does not, because `fit` cannot
        know that a minibatch is the last one). After the other hooks, training ends before the next epoch.

    Examples
    --------
    With 3 samples and minibatches of 2, an epoch has two steps:

    >>> import fastbp as fb
    >>> seen = fb.callbacks.Lambda(batch_end=lambda state: print(state.epoch, state.step, state.samples))
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", batch_size=2)
    >>> _ = trainer.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0], epochs=2, callbacks=[seen])
    0 1 2
    0 2 3
    1 3 2
    1 4 3
    """

    trainer: Trains
    callbacks: list[Callback]
    epochs: int
    epoch: int
    step: int = 0
    samples: int = 0
    epoch_samples: int | None = None
    scores: dict[str, float] = field(default_factory=dict)
    stop: bool = False

    @property
    def network(self) -> MLP:
        """The network that is trained."""
        return self.trainer.network


Hook = Callable[[State], None]
"""The type of a function that `Lambda` calls. It takes the `State`, and its return value is ignored."""


class Callback:
    """`Callback` is the base class of all callbacks. Derive a class from it, and define the hooks that you need.

    A hook is a method that `Trainer.fit` calls at a certain point of training. It receives a `State`, and its return
    value is ignored. The hooks of this class do nothing. `fit` calls them in this order::

        on_train_begin
        for each epoch:
            on_epoch_begin
            for each minibatch:
                on_batch_begin
                on_batch_end
            on_epoch_end
        on_train_end

    Give the callbacks to ``fit(..., callbacks=[...])``. At each point, `fit` calls them in the order of the list. If a
    hook raises an error, training ends, `fit` calls `on_train_end` of all callbacks, and the error reaches the caller
    of `fit`. The class `State` says what a callback may change.

    Attributes
    ----------
    every : int or None, default 1
        How often `fit` calls `on_batch_begin` and `on_batch_end`. Set it in your class, or on an object of it.

        With an int k, which must be at least 1, `fit` calls `on_batch_end` after the steps k, 2k, 3k, ... of the
        trainer, and `on_batch_begin` before the steps 1, k + 1, 2k + 1, ... A larger k is faster, because the compiled
        code must return to Python for each call.

        With None, `fit` calls the hooks only when the compiled code returns to Python anyway. That is about 20 times a
        second, and at the end of each epoch. It takes almost no time, and is right for a display.

        If no callback defines a hook for minibatches, these hooks take no time at all. If `every` has another value,
        `fit` raises ValueError or TypeError.
    late : bool, default False
        With True, `fit` calls this callback after all callbacks that have False. For example, `Checkpoint` is late, so
        that it stores what the other callbacks have computed at the end of the same epoch.

    Examples
    --------
    This callback stops training when the loss has reached a goal:

    >>> import fastbp as fb
    >>> class StopAt(fb.callbacks.Callback):
    ...     def __init__(self, goal):
    ...         self.goal = goal
    ...
    ...     def on_epoch_end(self, state):
    ...         if state.scores["loss"] <= self.goal:
    ...             state.stop = True
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), seed=0)
    >>> history = trainer.fit(X, y, epochs=1000, callbacks=[StopAt(0.01)])
    >>> history.epochs < 1000
    True
    >>> history["loss"][-1] <= 0.01 < history["loss"][-2]
    True

    This callback prints after every second step. There are 5 steps, because each of the 5 minibatches has one sample:

    >>> class Show(fb.callbacks.Callback):
    ...     every = 2
    ...
    ...     def on_batch_end(self, state):
    ...         print("step", state.step)
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", batch_size=1, seed=0)
    >>> _ = trainer.fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, 1.0, 2.0, 3.0, 4.0], callbacks=[Show()])
    step 2
    step 4
    """

    every: int | None = 1
    late = False

    def __repr__(self) -> str:
        return call(self)

    def on_train_begin(self, state: State) -> None:
        """`fit` calls this hook once, before the first epoch. Open files and reset counters here.

        Parameters
        ----------
        state : State
            How far training has come. If `stop` is set here, `fit` trains no epoch.
        """

    def on_epoch_begin(self, state: State) -> None:
        """`fit` calls this hook before each epoch.

        Parameters
        ----------
        state : State
            How far training has come. ``state.epoch`` is 0 before the first epoch. If `stop` is set here, `fit` does
            not begin the epoch.
        """

    def on_batch_begin(self, state: State) -> None:
        """`fit` calls this hook before a minibatch; `every` says before which ones.

        Parameters
        ----------
        state : State
            How far training has come. ``state.step`` is 0 before the first minibatch. If `stop` is set here, `fit` does
            not train on the minibatch.
        """

    def on_batch_end(self, state: State) -> None:
        """`fit` calls this hook after a minibatch; `every` says after which ones.

        Parameters
        ----------
        state : State
            How far training has come. ``state.step`` is 1 after the first minibatch.
        """

    def on_epoch_end(self, state: State) -> None:
        """`fit` calls this hook after each epoch, when the validation of the epoch is finished too.

        `fit` does not call it for an epoch that a callback or an error has ended early.

        Parameters
        ----------
        state : State
            How far training has come. ``state.epoch`` is 1 after the first epoch, and ``state.scores`` is the row of
            the history for this epoch.
        """

    def on_train_end(self, state: State) -> None:
        """`fit` calls this hook once, when training ends for any reason. Close files here.

        The reason may be an error or Ctrl-C, even before `on_train_begin` of this callback was called.

        Parameters
        ----------
        state : State
            How far training has come.
        """

    def save(self) -> dict[str, Any]:
        """Return the values that a checkpoint must store so that this callback can continue later.

        `Checkpoint` calls this method each time that it writes a file. Define `save` and `load` if your callback
        collects values during training.

        Returns
        -------
        dict of str to value
            Each value is a NumPy array, or something that JSON can store: a number, a string, a bool, None, or a list
            or dict of these. The base class returns an empty dict: it has nothing to store.

        Examples
        --------
        This callback counts epochs. The count continues when training resumes from a checkpoint:

        >>> import tempfile
        >>> import fastbp as fb
        >>> class Counter(fb.callbacks.Callback):
        ...     count = 0
        ...
        ...     def on_epoch_end(self, state):
        ...         self.count += 1
        ...
        ...     def save(self):
        ...         return {"count": self.count}
        ...
        ...     def load(self, kept):
        ...         self.count = kept["count"]
        >>> X, y = [[0.0], [1.0]], [0.0, 1.0]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
        ...     _ = trainer.fit(X, y, epochs=2, callbacks=[Counter(), fb.Checkpoint(directory)])
        ...     counter, resumed = Counter(), fb.Trainer.resume(directory)
        ...     _ = resumed.fit(X, y, epochs=5, callbacks=[counter, fb.Checkpoint(directory)])
        >>> counter.count
        5
        """
        return {}

    def load(self, kept: dict[str, Any]) -> None:
        """Continue from the values that `save` returned before training was interrupted.

        `fit` calls this method after `on_train_begin` when training resumes from a checkpoint that has values of this
        callback. It finds the callback by the name of its class. If several callbacks have the same class, their order
        must be the same as before. If there is no such callback, or if this method raises ValueError, TypeError or
        KeyError, `fit` raises ValueError, and the trainer stays as it was.

        Parameters
        ----------
        kept : dict of str to value
            The values that `save` returned. A tuple has become a list, because JSON has no tuples.
        """


class Lambda(Callback):
    """`Lambda` makes a callback from one or more functions.

    Each function takes the `State`. The class `Callback` says when `fit` calls each of them.

    Parameters
    ----------
    train_begin : function, keyword-only, default None
        A function to call before the first epoch. As for all of these functions, None means no call.
    epoch_begin : function, keyword-only, default None
        A function to call before each epoch.
    batch_begin : function, keyword-only, default None
        A function to call before a minibatch.
    batch_end : function, keyword-only, default None
        A function to call after a minibatch.
    epoch_end : function, keyword-only, default None
        A function to call after each epoch and its validation.
    train_end : function, keyword-only, default None
        A function to call when training ends for any reason.
    every : int or None, keyword-only, default 1
        With an int k, `fit` calls `batch_begin` and `batch_end` at every k-th step; k must be at least 1. With None, it
        calls them about 20 times a second. The class `Callback` says more about it.

    Raises
    ------
    TypeError
        If one of the functions cannot be called, or if `every` is not an integer.
    ValueError
        If `every` is below 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> show = fb.callbacks.Lambda(epoch_end=lambda state: print(state.epoch, list(state.scores)))
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    >>> _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[show])
    1 ['loss', 'learning_rate', 'seconds']
    2 ['loss', 'learning_rate', 'seconds']
    """

    def __init__(
        self,
        *,
        train_begin: Hook | None = None,
        epoch_begin: Hook | None = None,
        batch_begin: Hook | None = None,
        batch_end: Hook | None = None,
        epoch_end: Hook | None = None,
        train_end: Hook | None = None,
        every: int | None = 1,
    ):
        given = {"train_begin": train_begin, "epoch_begin": epoch_begin, "batch_begin": batch_begin}
        given |= {"batch_end": batch_end, "epoch_end": epoch_end, "train_end": train_end}
        for name, function in given.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function of the state, got {function!r}")
            if function is not None:
                setattr(self, f"on_{name}", function)
        self.every = None if every is None else checks.integer(every, "every", 1)

    def __repr__(self) -> str:
        hooks = [name.removeprefix("on_") for name in vars(Callback) if name.startswith("on_")]
        return call(self, **{name: vars(self).get(f"on_{name}") for name in hooks})


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
        name ends in "loss", "error" or "mae", and "max" for all others.
    restore_best : bool, keyword-only, default True
        With True, the network gets the parameters of the best epoch back when training ends for any reason. Averages
        and the state of the optimizer, for example its momentum, stay as they are after the last step.

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

    Source: Prechelt (1998).

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
        self.best_score, self.best_epoch, self._best = math.nan, 0, np.empty(0)
        self._kind: tuple[np.dtype, tuple[int, ...]] = self._best.dtype, self._best.shape

    def on_train_begin(self, state: State) -> None:
        """Forget the best score and the best parameters of an earlier call of `fit`."""
        self.best_score, self.best_epoch, self._best = math.nan, state.epoch, np.empty(0)
        self._kind = state.network.parameters.theta.dtype, state.network.parameters.theta.shape

    def on_epoch_end(self, state: State) -> None:
        """Compare the score of this epoch with the best one, and stop training if the patience is used up."""
        score = state.scores[checks.choice(self.monitor, "monitor", state.scores)]
        sign = checks.direction(self.monitor, self.mode)
        first = math.isnan(self.best_score) and not math.isnan(score)
        if first or sign * (score - self.best_score) > self.min_delta:
            self.best_score, self.best_epoch = score, state.epoch
            if self.restore_best:
                self._best = state.network.parameters.theta.copy()
        if state.epoch - self.best_epoch >= self.patience:
            if math.isnan(score):
                raise FloatingPointError(
                    f"the score {self.monitor!r} of EarlyStopping is nan after epoch {state.epoch}"
                )
            state.stop = True

    def on_train_end(self, state: State) -> None:
        """Give the network the best parameters back, if `restore_best` is True and there was a score."""
        if self._best.size:
            state.network.parameters.assign(self._best)
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
        if best.size and (best.dtype, best.shape) != self._kind:
            raise ValueError(f"best must be {self._kind[0]} of shape {self._kind[1]}, got {best.dtype} {best.shape}")
        if not np.isfinite(best).all():
            raise ValueError("best must be finite, and is not")
        self.best_score, self.best_epoch, self._best = score, epoch, best


class Settled(Callback):
    """`Settled` ends training when the parameters stay where they are.

    It compares the parameters at the end of each epoch with those at its beginning. With a `batch_size` of all samples,
    an epoch is one step of gradient descent, and training ends when theta^{i+1} = theta^i   (000).

    Parameters
    ----------
    tolerance : float, default 0.0
        Training ends if no parameter has moved by more than this. It must be at least 0.

    Attributes
    ----------
    moved : float
        The largest move of a parameter in the last epoch. It is NaN before the first one.

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
    >>> history = trainer.fit([[0], [1], [2]], [1, 3, 5], epochs=10_000, callbacks=[fb.callbacks.Settled()])
    >>> history.epochs < 1000
    True
    """

    def __init__(self, tolerance: float = 0.0):
        self.tolerance = checks.real(tolerance, "tolerance", 0)
        self.moved = math.nan

    def on_epoch_begin(self, state: State) -> None:
        """Keep the parameters."""
        self._theta = state.network.theta

    def on_epoch_end(self, state: State) -> None:
        """End training if no parameter has moved by more than the tolerance."""
        self.moved = float(np.abs(state.network.theta - self._theta).max(initial=0))
        if self.moved <= self.tolerance:
            state.stop = True


class Recorder(Callback):
    """`Recorder` keeps the parameters, or some of them, as they change during training.

    Parameters
    ----------
    places : sequence of int or None, default None
        The numbers of the parameters in `MLP.theta`. With None, all are kept.
    every : int, keyword-only, default 1
        The parameters are kept after each `every`-th epoch or step. It must be at least 1.
    per : {"epoch", "step"}, keyword-only, default "epoch"
        Whether `every` counts epochs or steps.

    Attributes
    ----------
    steps : list of int
        The number of steps that the trainer had finished, for each row of `values`.
    values : array of shape (rows, parameters)
        The parameters: first those from before the first call of `fit` of a trainer, and then one row for each time.

    Raises
    ------
    ValueError
        If an argument is outside its range, or in `fit`, if the network has no such parameter.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> import fastbp as fb
    >>> recorder = fb.callbacks.Recorder([0])
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", seed=0)
    >>> _ = trainer.fit([[1.0]], [1.0], epochs=3, callbacks=[recorder])
    >>> recorder.steps, recorder.values.shape
    ([0, 1, 2, 3], (4, 1))
    """

    def __init__(self, places: Sequence[int] | None = None, *, every: int = 1, per: Unit = "epoch"):
        self.places = None if places is None else [checks.integer(i, f"places[{k}]", 0) for k, i in enumerate(places)]
        self.per, self._every = checks.choice(per, "per", UNITS), checks.integer(every, "every", 1)
        self.steps: list[int] = []
        self._whose: weakref.ref | None = None
        self._rows: list[np.ndarray] = []
        if per == "step":
            self.every, self.on_batch_end = self._every, self._keep

    @property
    def values(self) -> np.ndarray:
        """The parameters, one row for each time."""
        return np.array(self._rows)

    def __repr__(self) -> str:
        return call(self, every=self._every)

    def _keep(self, state: State) -> None:
        """Keep the parameters."""
        theta = state.network.theta
        self._rows.append(theta if self.places is None else theta[self.places])
        self.steps.append(state.step)

    def on_train_begin(self, state: State) -> None:
        """Keep the first parameters, if there are none yet."""
        if self.places and max(self.places) >= state.network.n_parameters:
            most = state.network.n_parameters
            raise ValueError(f"places must be below {most}, the number of parameters; got {max(self.places)}")
        if self._whose is None or self._whose() is not state.trainer:  # another training starts anew
            self.steps, self._rows, self._whose = [], [], weakref.ref(state.trainer)
            self._keep(state)

    def on_epoch_end(self, state: State) -> None:
        """Keep the parameters if it is time."""
        if self.per == "epoch" and state.epoch % self._every == 0:
            self._keep(state)

    def save(self) -> dict[str, Any]:
        """Return the rows for a checkpoint."""
        return {"steps": list(self.steps), "values": self.values}

    def load(self, kept: dict[str, Any]) -> None:
        """Continue with the rows of a checkpoint."""
        self.steps, self._rows = list(kept["steps"]), list(np.asarray(kept["values"]))


class CSVLogger(Callback):
    """`CSVLogger` writes the history to a CSV file, and adds one row after each epoch.

    The first line has the names of the columns: "epoch" and the columns of the history. The first epoch is 1.

    Parameters
    ----------
    path : str or path-like
        The path of the file. Its directory must exist. `fit` replaces an old file with this name. The new file also has
        rows for the epochs of earlier calls of `fit`, so it is complete when training resumes from a checkpoint.

    Raises
    ------
    OSError
        In `fit`, if the file cannot be written.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "history.csv"
    ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    ...     _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[fb.callbacks.CSVLogger(path)])
    ...     lines = path.read_text().splitlines()
    >>> lines[0]
    'epoch,loss,learning_rate,seconds'
    >>> [line.split(",")[0] for line in lines]
    ['epoch', '1', '2']
    """

    path = checks.Checked(checks.path)

    def __init__(self, path: str | os.PathLike):
        self.path = path
        self._columns: list[str] = []

    def _lines(self, history: History, first: int) -> str:
        """Return the rows of the history as CSV text, without the first `first` epochs.

        With ``first=0``, the text begins with a line of column names.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first == 0:
            writer.writerow(["epoch", *history])
        rows = list(zip(*(column[first:] for column in history.values()), strict=True))
        writer.writerows([first + k, *row] for k, row in enumerate(rows, 1))
        return text.getvalue()

    def _rewrite(self, history: History) -> None:
        """Write the whole history to the file, in place of its old content."""
        self._columns = list(history)
        write(self.path, self._lines(history, 0).encode())

    def on_train_begin(self, state: State) -> None:
        """Write the column names and the epochs that the trainer has finished before."""
        self._rewrite(state.trainer.history)

    def on_epoch_end(self, state: State) -> None:
        """Add the row of this epoch. If the history has a new column, write the whole file again."""
        history = state.trainer.history
        if list(history) != self._columns:
            self._rewrite(history)
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._lines(history, history.epochs - 1))


class TensorBoard(Callback):
    """`TensorBoard` writes the history to event files that TensorBoard can display.

    It adds one point per column after each epoch. The tags are "loss/training", "loss/validation",
    "learning_rate/training" and so on. It needs tensorboardX: ``pip install "fastbp[tensorboard]"``.

    Parameters
    ----------
    directory : str or path-like
        The directory for the event files. It is created if it does not exist.

    Raises
    ------
    ImportError
        In `fit`, if tensorboardX is not installed.

    Examples
    --------
    This training writes one event file into a temporary directory. To see the curves of your own training, give a
    directory such as "runs/digits", and then run the command ``tensorboard --logdir runs``:

    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     logger = fb.callbacks.TensorBoard(pathlib.Path(directory) / "digits")
    ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    ...     try:
    ...         _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[logger])
    ...         print(len(list(logger.directory.iterdir())), "file")
    ...     except ImportError:
    ...         print("1 file")
    1 file
    """

    directory = checks.Checked(checks.path)

    def __init__(self, directory: str | os.PathLike):
        self.directory = directory
        self._writer: Any = None

    def on_train_begin(self, state: State) -> None:
        """Open a new event file in the directory."""
        SummaryWriter = extras.package("tensorboard", "TensorBoard").SummaryWriter
        # Training that resumes from a checkpoint repeats the epochs after it: their old points must disappear.
        again = state.epoch + 1 if state.epoch else None
        # tensorboardX puts the time in seconds into the name of a file. Without a suffix, a second file in the same
        # second would overwrite the first one.
        suffix = f".{time.time_ns()}"
        self._writer = SummaryWriter(str(self.directory), purge_step=again, filename_suffix=suffix)

    def on_epoch_end(self, state: State) -> None:
        """Write one point for each column of the history, with the number of the epoch as its step."""
        for name, value in state.scores.items():
            kind, _, of = name.partition("_")
            tag = f"{of}/validation" if kind == "validation" else f"{name}/training"
            self._writer.add_scalar(tag, value, state.epoch)
        self._writer.flush()

    def on_train_end(self, state: State) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Progress(Callback):
    """`Progress` shows how far training has come, with the scores and the time left.

    ``fit(progress=...)`` adds this callback for you. It writes to standard error, or into the notebook.

    Parameters
    ----------
    kind : {"bar", "lines"}, default "bar"
        With "bar", there is a bar that moves, with the samples per second. A notebook has a bar of widgets if
        ipywidgets is installed. With "lines", there is a line for the first and the last epoch, and for each epoch that
        ends at least a second after the last line. Lines are for log files and pipes.

    Raises
    ------
    ValueError
        If `kind` is neither "bar" nor "lines".

    Examples
    --------
    >>> import fastbp as fb
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    >>> _ = trainer.fit([[1.0]], [1.0], callbacks=[fb.callbacks.Progress()])
    """

    every = None
    pause = 1.0
    """The shortest time between two lines, in seconds."""

    def __init__(self, kind: Literal["bar", "lines"] = "bar"):
        self.kind = checks.choice(kind, "kind", ("bar", "lines"))
        self._bar: Any = None
        if kind == "lines":
            self.on_batch_end = super().on_batch_end

    def on_train_begin(self, state: State) -> None:
        """Open a bar for all samples of this call of `fit`, or start the clock."""
        self._done, self._first, self._start, self._last = 0, state.epoch, time.monotonic(), 0.0
        if self.kind == "bar" and sys.stderr is not None:  # it is None in a program without a console
            n, epochs = state.epoch_samples, state.epochs - state.epoch
            self._bar = _tqdm()(total=None if n is None else n * epochs, unit=" samples", unit_scale=True)

    def on_batch_end(self, state: State) -> None:
        """Show the samples and the scores so far."""
        self._show(state)

    def on_epoch_end(self, state: State) -> None:
        """Show the scores of the epoch. After the first epoch of blocks, set the length of the bar."""
        if self.kind == "lines":
            now, ends = time.monotonic(), state.stop or state.epoch == state.epochs
            if state.epoch == self._first + 1 or ends or now - self._last >= self.pause:
                self._write(state, now)
            return
        if self._bar is not None and self._bar.total is None:
            self._bar.total = state.samples * (1 + state.epochs - state.epoch)
        self._show(state)
        self._done += state.samples

    def _write(self, state: State, now: float) -> None:
        """Write the line of an epoch."""
        left = (now - self._start) / (state.epoch - self._first) * (state.epochs - state.epoch)
        scores = "  ".join(f"{name} {value}" for name, value in _shown(state.scores).items())
        self._last = now
        # A log that nobody can write any more must not end the training.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            time_left = datetime.timedelta(seconds=round(left))
            sys.stderr.write(f"epoch {state.epoch}/{state.epochs}  {scores}  {time_left} left\n")
            sys.stderr.flush()

    def _show(self, state: State) -> None:
        """Write the scores and the number of samples to the bar."""
        if self._bar is not None:
            self._bar.set_postfix({"epoch": f"{state.epoch}/{state.epochs}", **_shown(state.scores)}, refresh=False)
            self._bar.update(self._done + state.samples - self._bar.n)

    def on_train_end(self, state: State) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _shown(scores: dict[str, float]) -> dict[str, str]:
    """Return the scores as text, without the seconds, which the time left says better."""
    return {name: f"{value:.4g}" for name, value in scores.items() if name != "seconds"}


def _tqdm() -> Any:
    """Return the class of the bar: of widgets in a notebook that has them, and of text elsewhere.

    tqdm takes 30 ms to import. Its own choice warns in a notebook without ipywidgets.
    """
    if "ipykernel.zmqshell" in sys.modules and util.find_spec("ipywidgets") is not None:
        from tqdm.auto import tqdm
    else:
        from tqdm.std import tqdm
    return tqdm
