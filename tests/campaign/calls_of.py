"""Calls of `fit` that several trainers make alike: in this process, and in forked ones."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from campaign import checks, draws
from campaign.twin import Twin
from interrupted import InterruptedFit

import fastbp as fb


class Cut(fb.callbacks.Callback):
    """Ends training after a step, before a checkpoint of this step is written."""

    def __init__(self, step: int):
        self.step = step

    def on_batch_end(self, state: fb.callbacks.State) -> None:
        if state.step == self.step:
            raise InterruptedFit


def trained(trainer: fb.Trainer, given: draws.Samples, epochs: int = 1, *callbacks: fb.callbacks.Callback) -> str:
    """The digest of a trainer after a call of fit, or that it has diverged.

    Where the parameters are after that depends on the checkpoint from which the trainer was resumed.
    """
    try:
        trainer.fit(given.X, given.y, sample_weight=given.weights, epochs=epochs, callbacks=callbacks)
    except FloatingPointError:
        return "diverged"
    return checks.digest(trainer)


def alone(seconds: float = 20.0) -> None:
    """Wait for the other threads of this process, such as one that reads blocks ahead and is about to end."""
    for thread in threading.enumerate():
        # Python itself keeps a thread without a number whose start was interrupted.
        if thread is not threading.current_thread() and thread.ident is not None:
            thread.join(seconds)
            assert not thread.is_alive(), f"{thread} is left"


@dataclass
class Fit:
    """A call of fit, with callbacks that change settings after some steps, and that end the call after another one."""

    given: draws.Samples
    epochs: int
    buffer: int | None
    blocks: bool
    validated: bool
    changes: list[tuple[int, tuple[str, object]]]
    end: int
    how: str
    """How the call ends after step `end`: "stop", "interrupt" or "", which stands for its own end."""
    seed: int

    def optimizers(self, twin: Twin) -> list[fb.Trainer]:
        """The optimizers that the call uses."""
        return [twin.settings.optimizer, *(value for _, (name, value) in self.changes if name == "optimizer")]

    def call(self, trainer: fb.Trainer) -> str:
        """Make the call. Returns how it ended."""
        X, y, w = self.given.X, self.given.y, self.given.weights
        samples, options = (X, y), {"sample_weight": w}
        if self.blocks:
            at = np.sort(np.random.default_rng(self.seed).integers(0, len(X) + 1, 3))
            parts = zip(*(np.split(part, at) for part in (X, y, w) if part is not None), strict=True)
            samples, options = (list(parts),), {}
        if self.validated:
            options["validation_data"] = tuple(part for part in self.given[:2])
        calls = fb.callbacks.Lambda(batch_end=Counted(self))
        try:
            trainer.fit(*samples, epochs=self.epochs, shuffle_buffer=self.buffer, callbacks=[calls], **options)
        except KeyboardInterrupt:
            return "interrupted"
        return "ended"

    def twin(self, twin: Twin, history: fb.History) -> list[float]:
        """Let a twin do the same. Returns the losses of the finished epochs."""
        steps = 0

        def after() -> str:
            nonlocal steps
            steps += 1
            for at, change in self.changes:
                if at == steps:
                    twin.assign(*change)
            return self.how if steps == self.end else ""

        return twin.fit(self.given, self.epochs, history, self.buffer, self.blocks, after)


class Counted:
    """What a callback of `Fit` does after each step."""

    def __init__(self, fit: Fit):
        self.fit, self.steps = fit, 0

    def __call__(self, state: fb.callbacks.State) -> None:
        self.steps += 1
        for at, change in self.fit.changes:
            if at == self.steps:
                setattr(state.trainer, *change)
        if self.steps == self.fit.end and self.fit.how == "interrupt":
            raise KeyboardInterrupt
        if self.steps == self.fit.end and self.fit.how == "stop":
            state.stop = True
