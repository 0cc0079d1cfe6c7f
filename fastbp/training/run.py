"""Run: one call of `Trainer.fit`, its epochs and minibatches, and what comes between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import NoReturn, Protocol

import numpy as np

from ..callbacks import State, Trains
from ..data.sources import Arrays, Blocks
from ..engine.work import DivergedError, Samples, Work
from . import hooks
from .lbfgs import Search
from .settings import Settings
from .state import TrainingState


class Trainable(Trains, Protocol):
    """What a run needs of a trainer."""

    settings: Settings
    state: TrainingState

    def work(self, batch: int) -> Work:
        """The work of steps of so many samples, with the settings as they are now."""

    def score(self, samples: Samples, name: str) -> dict[str, float]:
        """The scores of samples that have been checked."""


class Run:
    """One call of fit.

    Parameters
    ----------
    trainer : which gets further by it.
    source : of samples.
    called : the callbacks.
    epochs : of this call, those before an interruption included.
    """

    def __init__(self, trainer: Trainable, source: Arrays | Blocks, called: hooks.Hooks, epochs: int):
        self.trainer, self.source, self.hooks = trainer, source, called
        state = trainer.state
        state.begin_call()
        if state.position.steps and state.position.n != source.n:
            raise ValueError(f"X must have the {state.position.n} samples of the interrupted call, got {source.n}")
        state.position.n = source.n
        self.state = State(
            trainer,
            callbacks=called.all,
            epochs=state.position.first + epochs,
            epoch=state.history.epochs,
            step=state.step,
            epoch_samples=source.n,
            stop=state.position.stop,
        )
        self._prepare()

    def _prepare(self) -> None:
        """Take the settings as they are now."""
        self.settings, self.work = self.trainer.settings, self.trainer.work(self.source.batch)
        searches = self.settings.optimizer.searches
        self._search = Search(self.settings, self.trainer.state, self.work) if searches else None

    def train(self, validation: Samples | None) -> None:
        """Run all epochs, each with its validation."""
        told, called, training = self.state, self.hooks, self.trainer.state
        try:
            called("on_train_begin", told)
            hooks.load(called.all, training.position.callbacks)
            training.resumed = False
            while training.history.epochs < told.epochs and not told.stop:
                if not training.position.steps:
                    told.samples, told.scores = 0, {}
                called("on_epoch_begin", told)
                scores = None if told.stop else self.epoch()
                if scores is None:
                    break
                self._close(scores, validation)
                told.epoch = training.history.epochs
                told.scores = {name: column[-1] for name, column in training.history.items()}
                called("on_epoch_end", told)
        finally:
            called.end(told)

    def _close(self, scores: dict[str, float], validation: Samples | None) -> None:
        """What follows an epoch, and its row of the history."""
        training, average = self.trainer.state, self.settings.average
        if average is not None:
            average.move(training.average, training.parameters.theta, training.history.epochs)
        try:
            if validation is not None:
                found = self.trainer.score(validation, "validation_data")
                scores |= {f"validation_{name}": value for name, value in found.items()}
        finally:  # the epoch has been learnt, whatever its validation says
            training.history.record(**scores)
            training.end_epoch()

    def epoch(self) -> dict[str, float] | None:
        """One pass over the samples: its scores, or None if a callback has stopped it halfway."""
        training, source = self.trainer.state, self.source
        position = training.position
        before = training.snapshot()
        whose = "that the epoch began with" if not position.steps else "of the checkpoint"
        training.rng.bit_generator.state, self.work.sums = position.rng, position.sums
        start, done = time.perf_counter() - position.seconds, 0
        with contextlib.closing(source.segments(training.rng)) as segments:
            for samples in segments:
                steps = 1 if self.settings.optimizer.searches else -(-samples.n // source.batch)
                if done + steps > position.steps:  # else it was done before the training was interrupted
                    try:
                        self._segment(samples, done, steps, start)
                    except DivergedError as error:
                        self._restore(before, done + error.part // self.work.parts + 1, whose)
                done += steps
                # Of blocks nobody knows which is the last.
                whole = position.steps == done and source.n is not None and done * source.batch >= source.n
                if self.state.stop and not whole:
                    return None
        theta = training.parameters.theta
        if not np.isfinite((theta.min(), theta.max())).all():  # the last step's update has no loss after it
            self._restore(before, done, whose)
        rate = self._learning_rate(training.step)
        seconds = time.perf_counter() - start
        return {**self.work.scores(samples.y.classes), "learning_rate": rate, "seconds": seconds}

    def _learning_rate(self, step: int) -> float:
        """The learning rate of a step, which count from 1."""
        return float(self.settings.learning_rate(np.array([step]), self.trainer.state.history)[0])

    def _segment(self, samples: Samples, done: int, steps: int, start: float) -> None:
        """Run the minibatches of a segment, with the hooks between them; `done` are those of this epoch before it."""
        training, told, batch = self.trainer.state, self.state, self.source.batch
        position = training.position
        self.hooks.batch("on_batch_begin", told)
        if told.stop:
            return
        last = position.steps - done
        for reached in self._steps(samples, last, steps):
            if reached == last:  # halfway through a large minibatch
                continue
            training.step, last = training.step + reached - last, reached
            position.steps, position.sums = done + reached, self.work.sums
            position.seconds = time.perf_counter() - start
            told.step, told.samples = training.step, done * batch + min(reached * batch, samples.n)
            told.scores = self.work.scores(samples.y.classes)
            self.hooks.batch("on_batch_end", told)
            if not told.stop and reached < steps:
                self.hooks.batch("on_batch_begin", told)
            if told.stop:
                return

    def _steps(self, samples: Samples, first: int, steps: int) -> Iterator[int]:
        """Work through minibatches [first, steps) of a segment, and yield how far it has come, at each hook's turn."""
        training = self.trainer.state
        while first < steps:
            if self.trainer.settings is not self.settings:  # a callback has changed them
                sums = self.work.sums
                self._prepare()
                self.work.sums = sums
            self.work.steps_done = training.step - first
            with self.work.reading(samples):
                if self._search is not None:
                    self._search.step(self._learning_rate(training.step + 1))
                    yield 1
                    return
                due = first + int(min(steps - first, self.hooks.next(training.step) - training.step))
                for reached in self.work.run(first, due):
                    first = reached
                    yield reached
                    if self.trainer.settings is not self.settings and self.work.parts == 1:
                        break

    def _restore(self, before: tuple[np.ndarray, np.ndarray | None], step: int, whose: str) -> NoReturn:
        """Take an epoch back that has diverged, and say so."""
        training, optimizer = self.trainer.state, self.settings.optimizer
        training.restore(before, optimizer)
        raise FloatingPointError(
            f"the loss is not finite at step {step} of epoch {training.history.epochs + 1}: the parameters are again "
            f"those {whose}; try a learning rate below {optimizer.learning_rate:g} or scaled inputs"
        ) from None
