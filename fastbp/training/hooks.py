"""Hooks: the callbacks of a call of fit, called in their order."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

from .. import checks
from ..callbacks import Callback, Progress, State


class Hooks:
    """The callbacks of a call of fit, in their order.

    Parameters
    ----------
    callbacks : of the user.
    progress : whether to add a bar; None, if standard error is a terminal.
    """

    def __init__(self, callbacks: Iterable[Callback], progress: bool | None):
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
        given = list(callbacks)
        for k, callback in enumerate(given):
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks[{k}] must be a fastbp.callbacks.Callback, got {callback!r}")
            if callback.every is not None:
                checks.integer(callback.every, f"callbacks[{k}].every", 1)
        terminal = sys.stderr is not None and sys.stderr.isatty()  # None without a console
        if terminal if progress is None else progress:
            given.append(Progress())
        self.all = sorted(given, key=lambda callback: callback.late)
        self._of_batches = {
            hook: [c for c in self.all if getattr(getattr(c, hook), "__func__", None) is not getattr(Callback, hook)]
            for hook in ("on_batch_begin", "on_batch_end")
        }
        self._periods = {c.every for group in self._of_batches.values() for c in group if c.every is not None}

    def __call__(self, hook: str, state: State) -> None:
        """Call a hook of all."""
        for callback in self.all:
            getattr(callback, hook)(state)

    def end(self, state: State) -> None:
        """Call on_train_end of all, though one may raise."""
        with contextlib.ExitStack() as stack:
            for callback in reversed(self.all):
                stack.callback(callback.on_train_end, state)

    def batch(self, hook: str, state: State) -> None:
        """Call a hook for batches of those whose turn it is after so many steps."""
        for callback in self._of_batches[hook]:
            if callback.every is None or state.step % callback.every == 0:
                getattr(callback, hook)(state)

    def next(self, step: int) -> float:
        """The step after which the next hook for batches is due."""
        return min(((step // period + 1) * period for period in self._periods), default=float("inf"))


def save(callbacks: list[Callback]) -> list[tuple[str, int, dict[str, Any]]]:
    """What callbacks must keep, with their classes' names, and which of the class it is."""
    named = [type(callback).__name__ for callback in callbacks]
    saved = [(name, named[:k].count(name), callbacks[k].save()) for k, name in enumerate(named)]
    return [(name, which, kept) for name, which, kept in saved if kept]


def load(callbacks: list[Callback], saved: list[tuple[str, int, dict[str, Any]]]) -> None:
    """Give callbacks what those of an interrupted call of fit kept.

    Raises
    ------
    ValueError
        If one is missing.
    """
    for name, which, kept in saved:
        alike = [callback for callback in callbacks if type(callback).__name__ == name]
        if len(alike) <= which:
            raise ValueError(f"callbacks must have the {name} that the interrupted call of fit had")
        alike[which].load(kept)
