"""This module holds the callbacks that write the history to files: `CSVLogger` and `TensorBoard`."""

from __future__ import annotations

import csv
import io
import os
import time
from typing import Any

from ..base import checks, extras
from ..base.history import History
from ..base.model_files import naming, write
from .base import Callback, State


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

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path
        self._columns: list[str] = []

    def _lines(self, history: History, first: int) -> str:
        """Return the rows of all epochs after the first ones as CSV. With ``first=0``, the column names come before."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if first == 0:
            writer.writerow(["epoch", *history])
        rows = zip(*(column[first:] for column in history.values()), strict=True)
        writer.writerows([epoch, *row] for epoch, row in enumerate(rows, first + 1))
        return text.getvalue()

    def _rewrite(self, history: History) -> None:
        """Replace the file by one with the whole history."""
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
        with naming(self.path), self.path.open("a", encoding="utf-8", newline="") as file:
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
    ...     _ = trainer.fit([[1.0]], [1.0], epochs=2, callbacks=[logger])
    ...     len(list(logger.directory.iterdir()))
    1
    """

    directory = checks.Checked(checks.path)

    def __init__(self, directory: str | os.PathLike[str]):
        self.directory = directory
        self._writer: Any = None

    def on_train_begin(self, state: State) -> None:
        """Open a new event file in the directory."""
        SummaryWriter = extras.package("tensorboard", "TensorBoard").SummaryWriter
        # Training that resumes from a checkpoint repeats the epochs after it: their old points must disappear.
        again = state.epoch + 1 if state.epoch else None
        # Without the suffix, a second file in the same second would overwrite the first one.
        suffix = f".{time.time_ns()}"
        self._writer = SummaryWriter(str(self.directory), purge_step=again, filename_suffix=suffix)

    def on_epoch_end(self, state: State) -> None:
        """Write one point for each column of the history, with the number of the epoch as its step."""
        for name, value in state.scores.items():
            part = "validation" if name.startswith("validation_") else "training"
            self._writer.add_scalar(f"{name.removeprefix('validation_')}/{part}", value, state.epoch)
        self._writer.flush()

    def on_train_end(self, state: State) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
