"""This module holds `FitLoop`, which carries out one call of `Trainer.fit` with its callbacks and its validation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol

import numpy as np

from ..callbacks import State, Trains
from ..data.sources import Arrays, Blocks
from ..engine import kernel_cache
from ..engine.blocks import Kept
from ..engine.runner import DivergedError, Samples
from ..losses import Formula
from . import callback_list
from .settings import Settings
from .state import Snapshot, TrainingState
from .steps import Steps
from .together import Together


class Trainable(Trains, Protocol):
    """`Trainable` says what a `FitLoop` needs of a trainer."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def state(self) -> TrainingState:
        """The state of the training."""

    def _score(self, samples: Samples, name: str) -> dict[str, float]:
        """Return the scores of checked samples."""


class FitLoop:
    """`FitLoop` carries out one call of `fit`.

    Parameters
    ----------
    trainer : Trainer
        The trainer. The loop changes its state.
    source : Arrays or Blocks
        The source of the samples.
    called : CallbackList
        The callbacks.
    epochs : int
        The number of epochs of this call. Epochs of this call before an interruption count too.
    make_steps : function
        A function that returns the steps of training, with the present settings.

    Raises
    ------
    ValueError
        If the call continues an interrupted epoch, and the number of samples is another one.
    """

    def __init__(
        self,
        trainer: Trainable,
        source: Arrays | Blocks,
        called: callback_list.CallbackList,
        epochs: int,
        make_steps: Callable[[], Steps],
    ):
        self.trainer, self.source, self.callbacks, self._make_steps = trainer, source, called, make_steps
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
        self.settings = trainer.settings
        self._kept: Kept | None = None
        self._seconds = 0.0
        self._prepare()

    def _prepare(self) -> None:
        """Take over the present settings of the trainer."""
        before, self.settings = self.settings, self.trainer.settings
        if self.settings.optimizer.searches != before.optimizer.searches:
            raise ValueError(
                "optimizer must not change to or from LBFGS during a call of fit, which has its minibatches"
            )
        self.steps = self._make_steps()

    def train(self, validation: Samples | None) -> None:
        """Train all epochs. After each epoch, compute the scores of the validation samples, if there are any."""
        told, called, training, together = self.state, self.callbacks, self.trainer.state, Together(self)
        before = training.parameters.theta.copy() if training.resumed else None
        try:
            called("on_train_begin", told)
            callback_list.load(called.all, training.position.callbacks)
            training.resumed = False
            left = told.epochs - training.history.epochs  # whatever a callback makes of the history
            while left > 0 and not told.stop:
                if not training.position.steps:
                    told.samples, told.scores = 0, {}
                called("on_epoch_begin", told)
                many = 1 if told.stop or validation is not None else min(left, together.count(self._seconds))
                if many > 1 and together.train(many):
                    told.step, told.samples = training.step, many * (self.source.n or 0)
                else:
                    many = 1
                    scores = None if told.stop else self.epoch()
                    if scores is None:
                        break
                    self._close(scores, validation)
                left -= many
                told.epoch, told.stop = training.history.epochs, told.stop or self.steps.ended
                told.scores = {name: column[-1] for name, column in training.history.items()}
                called("on_epoch_end", told)
        finally:
            try:
                called.end(told)
            finally:
                if before is not None and training.resumed:  # no callback has begun, so the checkpoint still counts
                    training.parameters.assign(before)

    def _close(self, scores: dict[str, float], validation: Samples | None) -> None:
        """Finish an epoch: move the average, validate, and add the row to the history."""
        training, average = self.trainer.state, self.trainer.settings.average
        scores["learning_rate"] = self.settings.rate_at(training.step, training.history)
        scores["seconds"] = self._seconds
        if average is not None and training.average is not None:  # a callback may have set another one just now
            with np.errstate(all="ignore"):
                average.move(training.average, training.parameters.theta, training.history.epochs)
        if "objective" in self.trainer.settings.scorers:
            scores["objective"] = scores["loss"] + self.trainer.settings.penalty(self.trainer.network.parameters)
        try:
            if validation is not None:
                found = self.trainer._score(validation, "validation_data")
                scores |= {f"validation_{name}": value for name, value in found.items()}
        finally:  # even if the validation fails, the network has learnt in this epoch
            training.history.record(**scores)
            training.end_epoch()

    def epoch(self) -> dict[str, float] | None:
        """Go through the samples once.

        Returns
        -------
        dict of str to float, or None
            The scores of the epoch, or None if a callback has stopped it before its end.

        Raises
        ------
        FloatingPointError
            If the loss is not finite. The parameters are those from the beginning of the epoch again.
        """
        training, source = self.trainer.state, self.source
        position = training.position
        before = training.snapshot(self._changing(), self._kept)
        self._kept = before.parameters
        whose = "that the epoch began with" if not position.steps else "of the checkpoint"
        training.rng.bit_generator.state, self.steps.work.sums = position.rng, position.sums
        start, done = kernel_cache.clock() - position.seconds, 0
        with contextlib.closing(source.segments(training.rng)) as segments:
            for samples in segments:
                steps = self.steps.count(samples.n)
                if done + steps > position.steps:  # otherwise, it was finished before the interruption
                    try:
                        self._segment(samples, done, steps, start)
                    except DivergedError as error:
                        self._restore(before, done + error.part // self.steps.work.parts + 1, whose)
                done += steps
                # With blocks, nobody knows in advance which one is the last, so `whole` stays False.
                whole = position.steps == done and source.n is not None and done * source.batch >= source.n
                if self.state.stop and not whole:
                    return None
        if not before.parameters.are_finite():  # no loss is computed after the last update
            self._restore(before, done, whose)
        self._seconds = kernel_cache.clock() - start
        return self.steps.scores(samples, source.n or 0)

    def _changing(self) -> np.ndarray | None:
        """Return the numbers of the inputs whose weights can change in an epoch, or None if all weights can.

        With few samples of a wide sparse matrix, copying all weights would take most of the time of `partial_fit`.
        """
        settings, model = self.settings, self.steps.work.model
        moved = settings.average or model.max_norm or self.callbacks.all or model.layers[0].shares
        still = settings.lazy or (settings.optimizer.still and not settings.l1 and not settings.l2)
        if moved or not still or not isinstance(self.source, Arrays):
            return None
        return self.source.columns()

    def _segment(self, samples: Samples, done: int, steps: int, start: float) -> None:
        """Train on the minibatches of one segment, and call the hooks between them.

        Parameters
        ----------
        samples : Samples
            The segment.
        done : int
            The number of steps of this epoch before the segment.
        steps : int
            The number of steps of the segment.
        start : float
            The time at which the epoch began, as `kernel_cache.clock` gives it.
        """
        training, told, batch = self.trainer.state, self.state, self.source.batch
        position = training.position
        self.callbacks.batch("on_batch_begin", told)
        if told.stop:
            return
        self.trainer.network._trained_on(samples)
        for reached in self._counted(samples, done, steps):
            position.seconds = kernel_cache.clock() - start
            told.step, told.samples = training.step, done * batch + min(reached * batch, samples.n)
            told.scores = self.steps.scores(samples, told.samples)
            self.callbacks.batch("on_batch_end", told)
            if not told.stop and reached < steps:
                self.callbacks.batch("on_batch_begin", told)
            if told.stop:
                return

    def _counted(self, samples: Samples, done: int, steps: int) -> Iterator[int]:
        """Work through the minibatches as `_steps` does, and count them in the state, also after Ctrl-C."""
        training = self.trainer.state
        position = training.position
        last = position.steps - done

        def count(reached: int) -> bool:
            nonlocal last
            moved = reached > last  # if not, the call ended inside a large minibatch
            if moved:
                training.step, last = training.step + reached - last, reached
                position.steps, position.sums = done + reached, self.steps.work.sums
            return moved

        try:
            for reached in self._steps(samples, last, steps):
                if count(reached):
                    yield reached
        except KeyboardInterrupt:
            count(self.steps.work.finished)
            raise

    def _steps(self, samples: Samples, first: int, steps: int) -> Iterator[int]:
        """Work through the minibatches first <= k < steps of a segment.

        Yields
        ------
        int
            The number of finished minibatches, each time that a hook may be due.
        """
        training = self.trainer.state
        while first < steps:
            if self.trainer.settings is not self.settings:  # a callback has changed a setting
                sums = self.steps.work.sums
                self._prepare()
                self.steps.work.sums = sums
            # The samples are read once for all hooks: once a minibatch took 10 us of a step of 16-32-32-2.
            with self.steps.reading(samples, first):
                while first < steps and self.trainer.settings is self.settings:
                    until = first + int(min(steps - first, self.callbacks.next(training.step) - training.step))
                    for reached in self.steps.run(first, until):
                        first = reached
                        yield reached
                        if self.trainer.settings is not self.settings and self.steps.work.parts == 1:
                            break

    def _restore(self, before: Snapshot, step: int, whose: str) -> NoReturn:
        """Go back to the parameters from before an epoch that has diverged, and raise FloatingPointError."""
        training, optimizer, loss = self.trainer.state, self.settings.optimizer, self.settings.resolved_loss
        advice = f"try a learning rate below {optimizer.learning_rate:g} or scaled inputs"
        if training.step == 0 and step == 1:
            advice = "this is before any step, so no learning rate helps: try scaled inputs and targets"
        if isinstance(loss, Formula):
            advice += f"; or the formula of {loss.name!r} is not finite for some outputs, as log(0) and 1 / 0 are not"
        training.restore(before, optimizer)
        raise FloatingPointError(
            f"the loss is not finite at step {step} of epoch {training.history.epochs + 1}: the parameters are again "
            f"those {whose}; {advice}"
        ) from None
