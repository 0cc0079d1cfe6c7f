"""A call of `Trainer.fit`: epochs, minibatches, and what comes between them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import checks
from .callbacks import Callback, Progress, State
from .engine import DivergedError, Job
from .lbfgs import Search
from .sources import Arrays, Blocks, Segment

if TYPE_CHECKING:
    from .checks import Inputs, Targets
    from .trainer import Trainer


class Callbacks:
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


@dataclass
class Position:
    """Where a call of fit is: what a checkpoint must know besides the vectors."""

    first: int
    """Epochs before the call."""
    rng: dict
    """The state of the generator of orders when this epoch began."""
    steps: int = 0
    """Of this epoch, that are done."""
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """`Job.sums` of this epoch."""
    seconds: float = 0.0
    """That this epoch took so far."""
    stop: bool = False
    """`State.stop`."""
    n: int | None = None
    """Samples of an epoch, if that is known."""
    callbacks: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """What callbacks had to keep."""

    def check(self) -> None:
        """ValueError or TypeError if it is none: it may come from a file."""
        for name in ("first", "steps"):
            checks.integer(getattr(self, name), name, 0)
        if self.n is not None:
            checks.integer(self.n, "n", 1)
        checks.flag(self.stop, "stop")
        for value in (*self.sums, self.seconds):
            checks.real(value, "sums and seconds")
        if len(self.sums) != 3:
            raise ValueError(f"sums must be 3 numbers, got {self.sums}")


class Run:
    """One call of fit of a trainer, which gets further by it.

    Parameters
    ----------
    trainer : with the position to go on from, if it is `_resumed`.
    job : of its network.
    source : of samples.
    callbacks : to be called.
    epochs : of this call, those before an interruption included.
    """

    def __init__(self, trainer: Trainer, job: Job, source: Arrays | Blocks, callbacks: Callbacks, epochs: int):
        self.trainer, self.job, self.source, self.callbacks = trainer, job, source, callbacks
        if not trainer._resumed:
            trainer._position = Position(trainer.history.epochs, trainer._rng.bit_generator.state)
        self.position = trainer._position
        if self.position.steps and self.position.n != source.n:
            raise ValueError(f"X must have the {self.position.n} samples of the interrupted call, got {source.n}")
        self.position.n = source.n
        self.state = State(
            trainer,
            callbacks=callbacks.all,
            epochs=self.position.first + epochs,
            epoch=trainer.history.epochs,
            step=trainer._step,
            epoch_samples=source.n,
            stop=self.position.stop,
        )
        self._search = Search(trainer, job) if trainer._searches else None
        self._changes = trainer.network.changes

    def train(self, validation: tuple[Inputs, Targets, np.ndarray | None] | None) -> None:
        """All epochs, each with its validation."""
        state, callbacks, history = self.state, self.callbacks, self.trainer.history
        try:
            callbacks("on_train_begin", state)
            load(callbacks.all, self.position.callbacks)
            self.trainer._resumed = False
            while history.epochs < state.epochs and not state.stop:
                if not self.position.steps:
                    state.samples, state.scores = 0, {}
                callbacks("on_epoch_begin", state)
                scores = None if state.stop else self.epoch()
                if scores is None:
                    break
                self._close(scores, validation)
                state.epoch, state.scores = history.epochs, {name: column[-1] for name, column in history.items()}
                callbacks("on_epoch_end", state)
        finally:
            callbacks.end(state)

    def _close(self, scores: dict[str, float], validation: tuple | None) -> None:
        """What follows an epoch, and its row of the history."""
        trainer = self.trainer
        if trainer.average is not None:
            trainer.average.move(trainer._average, trainer.network.model.theta, trainer.history.epochs)
        try:
            if validation is not None:
                X, y, weights = validation
                found = trainer._evaluate(X, y, "validation_data", weights)
                scores |= {f"validation_{name}": value for name, value in found.items()}
        finally:  # the epoch has been learnt, whatever its validation says
            trainer.history.record(**scores)
            self.position = Position(self.position.first, trainer._rng.bit_generator.state, n=self.source.n)
            trainer._position = self.position

    def epoch(self) -> dict[str, float] | None:
        """One pass over the samples; its scores, or None if a callback has stopped it halfway."""
        trainer, job, source, position = self.trainer, self.job, self.source, self.position
        theta, average = job.vectors["theta"], trainer._average
        before = theta.copy(), None if average is None else average.copy()
        whose = "that the epoch began with" if not position.steps else "of the checkpoint"
        trainer._rng.bit_generator.state, job.sums = position.rng, position.sums
        start, done = time.perf_counter() - position.seconds, 0
        with contextlib.closing(source.segments(trainer._rng)) as segments:
            for segment in segments:
                steps = 1 if self._search else -(-segment.n // source.batch)
                if done + steps > position.steps:  # else it was done before the training was interrupted
                    try:
                        with job.reading(*segment):
                            self._segment(segment, done, steps, start)
                    except DivergedError as error:
                        self._restore(before, done + error.part // job.parts + 1, whose)
                done += steps
                # Of blocks nobody knows which is the last.
                whole = position.steps == done and source.n is not None and done * source.batch >= source.n
                if self.state.stop and not whole:
                    return None
        if not np.isfinite((theta.min(), theta.max())).all():  # the last step's update has no loss after it
            self._restore(before, done, whose)
        rate = float(trainer._eta(np.array([trainer._step]))[0])
        return {**job.scores(segment.y.classes), "learning_rate": rate, "seconds": time.perf_counter() - start}

    def _segment(self, segment: Segment, done: int, steps: int, start: float) -> None:
        """The minibatches of a segment, with the hooks between them; `done` are those of this epoch before it."""
        trainer, job, state, position, batch = self.trainer, self.job, self.state, self.position, self.source.batch
        self.callbacks.batch("on_batch_begin", state)
        if state.stop:
            return
        for reached in self._steps(position.steps - done, steps):
            if job.step + reached == trainer._step:  # halfway through a large minibatch
                continue
            trainer._step = job.step + reached
            position.steps, position.sums, position.seconds = done + reached, job.sums, time.perf_counter() - start
            state.step, state.samples = trainer._step, done * batch + min(reached * batch, segment.n)
            state.scores = job.scores(segment.y.classes)
            self.callbacks.batch("on_batch_end", state)
            if not state.stop and reached < steps:
                self.callbacks.batch("on_batch_begin", state)
            if state.stop:
                return

    def _steps(self, first: int, steps: int) -> Iterator[int]:
        """Work through minibatches [first, steps) of a segment, and yield how far it has come, at each hook's turn."""
        job, network = self.job, self.trainer.network
        job.step = self.trainer._step - first
        if self._search:
            self._search.step(float(self.trainer._eta(np.array([job.step + 1]))[0]))
            yield 1
            return
        while first < steps:
            if self._changes != network.changes:  # a callback has set weights
                self._changes = network.changes
                job.transpose()
            due = int(min(steps, self.callbacks.next(job.step + first) - job.step))
            for part in job.run(first * job.parts, due * job.parts):
                yield part // job.parts
            first = due

    def _restore(self, before: tuple[np.ndarray, np.ndarray | None], step: int, whose: str) -> NoReturn:
        """Take an epoch back that has diverged, and say so."""
        trainer, theta = self.trainer, self.job.vectors["theta"]
        theta[:] = before[0]
        if before[1] is not None:
            trainer._average[:] = before[1]
        trainer._begin()
        raise FloatingPointError(
            f"the loss is not finite at step {step} of epoch {trainer.history.epochs + 1}: the parameters are again "
            f"those {whose}; try a learning rate below {trainer.optimizer.learning_rate:g} or scaled inputs"
        ) from None
