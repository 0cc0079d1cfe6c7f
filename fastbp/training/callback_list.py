"""This module calls the callbacks of a call of `fit`, and saves and loads their values."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any, Literal

from ..base import checks
from ..callbacks import Callback, Progress, State

Shown = bool | Literal["lines"] | None
"""The type of the argument `progress` of `Trainer.fit`."""


def _on_screen() -> bool:
    """Return whether somebody sees a bar: in a terminal, or in a notebook."""
    if "ipykernel.zmqshell" in sys.modules:
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # standard error is None in a program without a console; it may be closed
        return False


class CallbackList:
    """`CallbackList` holds the callbacks of one call of `fit`, and calls them in their order.

    The parameters are those of `Trainer.fit`. If they do not fit, TypeError or ValueError is raised.

    Attributes
    ----------
    all : list of Callback
        The callbacks in the order in which they are called. Late callbacks come last.
    """

    def __init__(self, callbacks: Iterable[Callback], progress: Shown):
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
        given = list(callbacks)
        for k, callback in enumerate(given):
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks[{k}] must be a fastbp.callbacks.Callback, got {callback!r}")
            if callback.every is not None:  # an integer of NumPy overflows together with the number of a step
                callback.every = checks.integer(callback.every, f"callbacks[{k}].every", 1)
        if not (progress is None or isinstance(progress, bool) or (isinstance(progress, str) and progress == "lines")):
            raise ValueError(f"progress must be True, False, 'lines' or None, got {progress!r}")
        if _on_screen() if progress is None else progress:
            given.append(Progress("lines" if progress == "lines" else "bar"))
        self.all = sorted(given, key=lambda callback: callback.late)
        self._of_batches = {
            hook: [c for c in self.all if getattr(getattr(c, hook), "__func__", None) is not getattr(Callback, hook)]
            for hook in ("on_batch_begin", "on_batch_end")
        }
        self._periods = {c.every for group in self._of_batches.values() for c in group if c.every is not None}

    def __call__(self, hook: str, state: State) -> None:
        """Call one hook of all callbacks."""
        for callback in self.all:
            getattr(callback, hook)(state)

    def end(self, state: State) -> None:
        """Call `on_train_end` of all callbacks, even if one of them raises an error."""
        with contextlib.ExitStack() as stack:
            for callback in reversed(self.all):
                stack.callback(callback.on_train_end, state)

    def batch(self, hook: str, state: State) -> None:
        """Call a hook for minibatches of those callbacks whose `every` divides the number of steps."""
        for callback in self._of_batches[hook]:
            if callback.every is None or state.step % callback.every == 0:
                getattr(callback, hook)(state)

    def next(self, step: int) -> float:
        """Return the number of the step after which the next hook for minibatches must be called."""
        return min(((step // period + 1) * period for period in self._periods), default=float("inf"))


def save(callbacks: list[Callback]) -> list[tuple[str, int, dict[str, Any]]]:
    """Return the values that callbacks must store, as (name of the class, number in this class, values)."""
    named = [type(callback).__name__ for callback in callbacks]
    saved = [(name, named[:k].count(name), callbacks[k].save()) for k, name in enumerate(named)]
    return [each for each in saved if each[2]]


def load(callbacks: list[Callback], saved: list[tuple[str, int, dict[str, Any]]]) -> None:
    """Give each callback the values that the same callback saved in the interrupted call of `fit`.

    If a callback with saved values is missing, or cannot load them, ValueError is raised.
    """
    pairs = []
    for name, which, values in saved:
        alike = [callback for callback in callbacks if type(callback).__name__ == name]
        if len(alike) <= which:
            raise ValueError(
                f"callbacks must have the {name} that the interrupted call of fit had; to train on without it, make a "
                f"new trainer, fastbp.Trainer(trainer.network, ...), whose optimizer starts anew"
            )
        pairs.append((alike[which], values))
    for callback, values in pairs:
        try:
            callback.load(values)
        except (ValueError, TypeError, KeyError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"the checkpoint does not fit {type(callback).__name__}: {reason}") from error
