"""This module holds `Progress`, which shows how far training has come."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from importlib import util
from typing import Any, Literal

from ..base import checks
from .base import Callback, State


class Progress(Callback):
    """`Progress` shows how far training has come, with the scores and the time left.

    ``fit(progress=...)`` adds this callback for you. It writes to standard error, or into the notebook.

    Parameters
    ----------
    kind : {"bar", "lines"}, default "bar"
        "bar" shows a bar that moves, with the samples per second. In a notebook, the bar is a widget if ipywidgets is
        installed. "lines" writes a line for the first and the last epoch, and for each epoch that ends at least a
        second after the line before. Lines are for log files and pipes.

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
            self.on_batch_end = super().on_batch_end  # type: ignore[method-assign]

    def on_train_begin(self, state: State) -> None:
        """Open a bar for all samples of this call of `fit`, or start the clock."""
        self._done, self._first, self._start, self._last = 0, state.epoch, time.monotonic(), 0.0
        if self.kind == "bar" and sys.stderr is not None:  # it is None in a program without a console
            n, epochs = state.epoch_samples, state.epochs - state.epoch
            self._bar = _tqdm()(total=None if n is None else n * epochs, unit=" samples", unit_scale=True)

    def on_batch_end(self, state: State) -> None:
        """Show the samples and the scores so far."""
        if self._bar is not None:
            self._bar.set_postfix({"epoch": f"{state.epoch}/{state.epochs}", **_as_text(state.scores)}, refresh=False)
            self._bar.update(self._done + state.samples - self._bar.n)

    def on_epoch_end(self, state: State) -> None:
        """Show the scores of the epoch. After the first epoch of blocks, set the length of the bar."""
        if self.kind == "lines":
            now, last = time.monotonic(), state.stop or state.epoch == state.epochs
            if state.epoch == self._first + 1 or last or now - self._last >= self.pause:
                self._write(state, now)
            return
        if self._bar is not None and self._bar.total is None:
            self._bar.total = state.samples * (1 + state.epochs - state.epoch)
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
    """Return the scores as text, without the seconds: the time left says more."""
    return {name: f"{value:.4g}" for name, value in scores.items() if name != "seconds"}


def _tqdm() -> Any:
    """Return the class of the bar. In a notebook, it is a widget if ipywidgets is installed.

    tqdm takes 30 ms to import. The choice that tqdm makes itself warns in a notebook without ipywidgets.
    """
    if "ipykernel.zmqshell" in sys.modules and util.find_spec("ipywidgets") is not None:
        from tqdm.auto import tqdm
    else:
        from tqdm.std import tqdm
    return tqdm
