"""Callbacks: what others may do while a network is trained: watch, write down, stop."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .files import write
from .history import History

if TYPE_CHECKING:
    from .network import MLP
    from .trainer import Trainer


__all__ = ["CSVLogger", "Callback", "EarlyStopping", "Lambda", "Progress", "State", "TensorBoard"]


@dataclass
class State:
    """Where training is. Callbacks may set `stop`, and nothing else.

    Examples
    --------
    >>> import fastbp as fb
    >>> seen = fb.callbacks.Lambda(batch_end=lambda state: print(state.epoch, state.step, state.samples))
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error", batch_size=2)
    >>> _ = trainer.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0], epochs=2, callbacks=[seen])
    0 1 2
    0 2 3
    1 3 2
    1 4 3
    """

    trainer: Trainer
    callbacks: list[Callback]
    """All that are called."""
    epochs: int
    """What `epoch` will be when this call of fit ends."""
    epoch: int
    """Epochs of this trainer that are done."""
    step: int = 0
    """Steps of this trainer that are done."""
    samples: int = 0
    """Samples that this epoch has seen."""
    epoch_samples: int | None = None
    """Samples of an epoch; None of blocks."""
    scores: dict[str, float] = field(default_factory=dict)
    """At the end of an epoch, its row of the history; before, the means over its samples so far."""
    stop: bool = False
    """Set to True to end training: before the next minibatch, as Ctrl-C would, or the next epoch."""

    @property
    def network(self) -> MLP:
        """What is trained."""
        return self.trainer.network


Hook = Callable[[State], None]


class Callback:
    """What all callbacks are; each overrides what it needs. The hooks for batches cost nothing if none does.

    Attributes
    ----------
    every : int or None
        Hooks for batches come at each so-many-th minibatch; None, whenever the compiled loop returns by itself, some
        20 times a second, which costs no time.

    Examples
    --------
    >>> import fastbp as fb
    >>> class Patience(fb.callbacks.Callback):
    ...     def on_epoch_end(self, state):
    ...         state.stop = state.scores["loss"] < 0.5
    >>> net = fb.MLP([1, 1], seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", seed=0)
    >>> history = trainer.fit([[0.0], [0.1]], [0.0, 0.1], epochs=100, callbacks=[Patience()])
    >>> history.epochs
    1
    """

    every: int | None = 1
    late = False
    """Whether it is called after those that are not."""

    def on_train_begin(self, state: State) -> None:
        """Before the first epoch of a call of fit."""

    def on_epoch_begin(self, state: State) -> None:
        """Before an epoch."""

    def on_batch_begin(self, state: State) -> None:
        """Before a minibatch."""

    def on_batch_end(self, state: State) -> None:
        """After a minibatch."""

    def on_epoch_end(self, state: State) -> None:
        """After an epoch, its validation included."""

    def on_train_end(self, state: State) -> None:
        """At the end of fit, also if an error or Ctrl-C ends it."""

    def save(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback: arrays, and values that JSON knows."""
        return {}

    def load(self, kept: dict[str, Any]) -> None:
        """Go on from what `save` returned; called after `on_train_begin`."""


class Lambda(Callback):
    """Functions as callbacks.

    Parameters
    ----------
    train_begin, epoch_begin, batch_begin, batch_end, epoch_end, train_end : functions of the `State`, keyword-only
    every : int or None, keyword-only
        As for `Callback`.

    Raises
    ------
    TypeError
        If one is no function.

    Examples
    --------
    >>> import fastbp as fb
    >>> show = fb.callbacks.Lambda(epoch_end=lambda state: print(state.epoch, list(state.scores)))
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    >>> _ = trainer.fit([[1.0]], [1.0], callbacks=[show])
    1 ['loss', 'learning_rate', 'seconds']
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


class EarlyStopping(Callback):
    """Stop when a score has not improved for some epochs, and go back to the parameters that were best.

    Parameters
    ----------
    monitor : str
        A column of the history: "validation_loss", "validation_accuracy", "loss", ...
    patience : int, keyword-only
        Epochs without improvement after which training stops; at least 1.
    min_delta : float, keyword-only
        An improvement is more than this.
    mode : "auto", "min" or "max", keyword-only
        Whether less is better: by default of what ends in loss, error or mae.
    restore_best : bool, keyword-only
        Leave the network, when training ends for whatever reason, with the parameters of the best epoch. Averages and
        the optimizer's state stay those of the last.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range or of another type; in `fit`, if the history has no such column.

    Notes
    -----
    Source: Prechelt (1998).

    Examples
    --------
    >>> import fastbp as fb
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> net = fb.MLP([1, 8, 1], activation="tanh", seed=0)
    >>> trainer = fb.Trainer(net, loss="squared_error", metrics=["r2"], seed=0)
    >>> stopping = fb.EarlyStopping("validation_r2", patience=5, min_delta=0.01)
    >>> history = trainer.fit(X, X**2, epochs=500, validation_split=0.2, callbacks=[stopping])
    >>> history.epochs < 500
    True
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ):
        self.monitor, self.patience = monitor, checks.integer(patience, "patience", 1)
        self.min_delta = checks.real(min_delta, "min_delta", 0)
        self.sign = checks.direction(monitor, mode)
        checks.flag(restore_best, "restore_best")
        self.restore_best = restore_best
        self.best_score, self.best_epoch, self._best = math.nan, 0, np.empty(0)

    def on_train_begin(self, state: State) -> None:
        self.best_score, self.best_epoch, self._best = math.nan, state.epoch, np.empty(0)

    def on_epoch_end(self, state: State) -> None:
        score = state.scores[checks.choice(self.monitor, "monitor", state.scores)]
        first = math.isnan(self.best_score) and not math.isnan(score)
        if first or self.sign * (score - self.best_score) > self.min_delta:
            self.best_score, self.best_epoch = score, state.epoch
            if self.restore_best:
                self._best = state.network.model.theta.copy()
        state.stop = state.stop or state.epoch - self.best_epoch >= self.patience

    def on_train_end(self, state: State) -> None:
        if self._best.size:
            state.network.model.theta[:] = self._best
            self._best = np.empty(0)

    def save(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "best": self._best}

    def load(self, kept: dict[str, Any]) -> None:
        self.best_score, self.best_epoch, self._best = kept["best_score"], kept["best_epoch"], kept["best"]


class CSVLogger(Callback):
    """The history as a CSV file, a row more after each epoch.

    Parameters
    ----------
    path : of the file
        What was there is replaced. The rows of epochs before this call of fit are written again, so that a resumed
        training ends with the same file as one that was not interrupted.

    Raises
    ------
    OSError
        If it cannot be written, in `fit`.

    Examples
    --------
    >>> import fastbp as fb
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "history.csv"
    ...     trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    ...     _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[fb.callbacks.CSVLogger(path)])
    ...     [line.split(",")[0] for line in path.read_text().splitlines()]
    ['epoch', '1', '2']
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._columns: list[str] = []

    def _lines(self, history: History, first: int) -> str:
        """The rows of a history from an epoch on; with those names, if it is the first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first == 0:
            writer.writerow(["epoch", *history])
        rows = list(zip(*(column[first:] for column in history.values()), strict=True))
        writer.writerows([first + k, *row] for k, row in enumerate(rows, 1))
        return text.getvalue()

    def _rewrite(self, history: History) -> None:
        self._columns = list(history)
        write(self.path, self._lines(history, 0).encode())

    def on_train_begin(self, state: State) -> None:
        self._rewrite(state.trainer.history)

    def on_epoch_end(self, state: State) -> None:
        history = state.trainer.history
        if list(history) != self._columns:
            self._rewrite(history)
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._lines(history, history.epochs - 1))


class TensorBoard(Callback):
    """The history for TensorBoard, a point more after each epoch; needs tensorboardX (`pip install
    fastbp[tensorboard]`).

    Parameters
    ----------
    directory : of the event files

    Raises
    ------
    ImportError
        Without tensorboardX, in `fit`.

    Examples
    --------
    >>> import fastbp as fb
    >>> logger = fb.callbacks.TensorBoard("runs/digits")  # then: tensorboard --logdir runs
    """

    def __init__(self, directory: str | os.PathLike):
        self.directory = Path(directory)
        self._writer: Any = None

    def on_train_begin(self, state: State) -> None:
        from tensorboardX import SummaryWriter

        # A resumed training takes back what was written after its checkpoint.
        again = state.epoch + 1 if state.epoch else None
        # Its files are named by the second, and a second one in it would overwrite the first.
        suffix = f".{time.time_ns()}"
        self._writer = SummaryWriter(str(self.directory), purge_step=again, filename_suffix=suffix)

    def on_epoch_end(self, state: State) -> None:
        for name, value in state.scores.items():
            kind, _, of = name.partition("_")
            tag = f"{of}/validation" if kind == "validation" else f"{name}/training"
            self._writer.add_scalar(tag, value, state.epoch)
        self._writer.flush()

    def on_train_end(self, state: State) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Progress(Callback):
    """A bar with the samples a second, the time left, and the scores: what ``fit(progress=True)`` shows.

    Examples
    --------
    >>> import fastbp as fb
    >>> trainer = fb.Trainer(fb.MLP([1, 1], seed=0), loss="squared_error")
    >>> _ = trainer.fit([[1.0]], [1.0], callbacks=[fb.callbacks.Progress()])
    """

    every = None

    def __init__(self):
        self._bar: Any = None

    def on_train_begin(self, state: State) -> None:
        from tqdm.auto import tqdm  # 30 ms, that `import fastbp` need not pay

        n, epochs = state.epoch_samples, state.epochs - state.epoch
        self._bar = tqdm(total=None if n is None else n * epochs, unit=" samples", unit_scale=True)
        self._done = 0

    def on_batch_end(self, state: State) -> None:
        self._show(state)

    def on_epoch_end(self, state: State) -> None:
        if self._bar.total is None:
            self._bar.total = state.samples * (1 + state.epochs - state.epoch)
        self._show(state)
        self._done += state.samples

    def _show(self, state: State) -> None:
        scores = {name: f"{value:.4g}" for name, value in state.scores.items() if name != "seconds"}
        self._bar.set_postfix({"epoch": f"{state.epoch}/{state.epochs}", **scores}, refresh=False)
        self._bar.update(self._done + state.samples - self._bar.n)

    def on_train_end(self, state: State) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
