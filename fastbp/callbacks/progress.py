"""This module holds `Progress`, which shows how far training has come."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from importlib import import_module
from typing import Any, Literal

from ..base import checks
from .base import Callback, State

FORMAT = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}{postfix}, {n_fmt}/{total_fmt}, {rate_fmt}]"
"""What the bar shows. A terminal cuts its end off, so what users look at comes first."""


class Progress(Callback):
    """`Progress` shows how far training has come, with the scores and the time left.

    ``fit(progress=...)`` adds this callback for you. It writes to standard error, or into the notebook.

    Parameters
    ----------
    kind : {"bar", "lines"}, default "bar"
        "bar" shows a bar that moves, with the loss, the other scores and the samples per second. In a notebook, the bar
        is an output of the cell, and a saved notebook keeps its last state. "lines" writes a line for the first
        and the last epoch, and for each epoch that ends at least a second after the line before. Lines are for log
        files and pipes.

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

    every, sees_each_epoch = None, False
    pause = 1.0
    """The shortest time between two lines, in seconds."""

    def __init__(self, kind: Literal["bar", "lines"] = "bar"):
        self.kind = checks.choice(kind, "kind", ("bar", "lines"))
        self._bar: Any = None
        if kind == "lines":
            self.on_batch_end = super().on_batch_end  # type: ignore[method-assign]

    def on_train_begin(self, state: State) -> None:
        """Open a bar for all samples of this call of `fit`, or start the clock."""
        self._done, self._first, self._start, self._last = 0, state.epoch, time.monotonic(), 0.0
        if self.kind == "bar" and sys.stderr is not None:  # it is None in a program without a console
            n, epochs = state.epoch_samples, state.epochs - state.epoch
            from tqdm.std import tqdm  # it takes 30 ms to import

            file = _Cell() if "ipykernel.zmqshell" in sys.modules else None
            total, form = (None, None) if n is None else (n * epochs, FORMAT)
            self._bar = tqdm(total=total, bar_format=form, unit=" samples", unit_scale=True, file=file)

    def on_batch_end(self, state: State) -> None:
        """Show the samples and the scores so far."""
        if self._bar is not None:
            texts = [f"{name}={value}" for name, value in _as_text(state.scores).items()]
            self._bar.set_description_str(", ".join(texts[:2]), refresh=False)
            self._bar.set_postfix_str(", ".join([f"epoch={state.epoch}/{state.epochs}", *texts[2:]]), refresh=False)
            self._bar.update(self._done + state.samples - self._bar.n)

    def on_epoch_end(self, state: State) -> None:
        """Show the scores of the epoch. After the first epoch of blocks, set the length of the bar."""
        if self.kind == "lines":
            now, last = time.monotonic(), state.stop or state.epoch == state.epochs
            if state.epoch == self._first + 1 or last or now - self._last >= self.pause:
                self._write(state, now)
            return
        if self._bar is not None and self._bar.total is None:
            self._bar.total, self._bar.bar_format = state.samples * (1 + state.epochs - state.epoch), FORMAT
        self.on_batch_end(state)
        self._done += state.samples

    def _write(self, state: State, now: float) -> None:
        """Write the line of an epoch."""
        seconds = (now - self._start) / (state.epoch - self._first) * (state.epochs - state.epoch)
        scores = "  ".join(f"{name} {value}" for name, value in _as_text(state.scores).items())
        left, self._last = datetime.timedelta(seconds=round(seconds)), now
        # Training goes on when the log cannot be written any more.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"epoch {state.epoch}/{state.epochs}  {scores}  {left} left\n")
            sys.stderr.flush()

    def on_train_end(self, state: State) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _as_text(scores: dict[str, float]) -> dict[str, str]:
    """Return the scores as text: the losses, then what else validation says, and then the others.

    The seconds are left out: the time left says more.
    """
    order = sorted(scores, key=lambda name: (name != "loss", name != "validation_loss", name[:11] != "validation_"))
    return {name: f"{scores[name]:.4g}" for name in order if name != "seconds"}


class _Cell:
    """`_Cell` is the file of a bar in a notebook. It replaces the output of the cell, which a saved notebook keeps."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._shown: Any = None

    def write(self, text: str) -> None:
        """Show a text in place of the one before."""
        if not text.strip():
            return
        data = {"text/plain": text.strip("\r\n")}
        if self._shown is None:
            self._shown = import_module("IPython.display").display(data, raw=True, display_id=True)
        else:
            self._shown.update(data, raw=True)

    def flush(self) -> None:
        """Do nothing: everything is shown at once."""
