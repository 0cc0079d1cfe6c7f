"""This module trains many short epochs in one call of the kernels, while nothing looks at single epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..callbacks import State
from ..data.sources import Arrays, Blocks
from ..engine import kernel_cache
from ..engine.rule import MOST_STEPS
from ..engine.runner import CALL_SECONDS, DivergedError
from .callback_list import CallbackList
from .settings import Settings
from .steps import Steps

MOST_SAMPLES = 1 << 20
"""The largest number of samples of all epochs of a call: an order takes 8 bytes for each of them."""


class Loop(Protocol):
    """`Loop` is what `Together` needs of a `FitLoop`, whose module imports this one."""

    trainer: Any
    source: Arrays | Blocks
    callbacks: CallbackList
    state: State
    settings: Settings
    steps: Steps


class Together:
    """`Together` trains many epochs of a `FitLoop` at once, with the bits and the history of single epochs.

    A full batch of 20 samples through 3-4-2 takes 6 microseconds, and what Python does for an epoch takes 100.
    """

    def __init__(self, loop: Loop):
        self._loop, self._alone = loop, False

    @property
    def _source(self) -> Arrays:
        """The samples, which are arrays if epochs run together."""
        source = self._loop.source
        assert isinstance(source, Arrays)
        return source

    def count(self, seconds: float) -> int:
        """Return how many of the next epochs can run together, if an epoch takes so many seconds, or 1."""
        loop = self._loop
        training, settings, source = loop.trainer.state, loop.settings, loop.source
        if (
            self._alone
            or not 0 < seconds < CALL_SECONDS / 2
            or not isinstance(source, Arrays)
            or source.buffer < source.n
            or any(callback.sees_each_epoch for callback in loop.callbacks.all)
            or loop.trainer.settings is not settings
            or training.position.steps
            or settings.schedule is not None
            or settings.optimizer.searches
            or (settings.average is not None and not settings.average.rate)
            or "objective" in settings.scorers
            or loop.steps.work.parts > 1
        ):
            return 1
        most = min(MOST_STEPS // loop.steps.count(source.n), MOST_SAMPLES // source.n, int(CALL_SECONDS / seconds))
        left: int = loop.state.epochs - training.history.epochs
        return max(1, min(most, left))

    def train(self, epochs: int) -> bool:
        """Train so many epochs, and add them to the history. Return False if one of them fails: nothing has changed.

        If Ctrl-C ends the call, the epochs and steps before it are kept.
        """
        training, source, steps = self._loop.trainer.state, self._source, self._loop.steps
        before, rng = training.snapshot(), training.rng.bit_generator.state
        vectors, batches, start = training.vectors.copy(), steps.count(source.n), kernel_cache.clock()
        orders, log = source.orders(training.rng, epochs), np.empty((epochs, 3))
        samples = source.samples if orders is None else source.samples._replace(order=orders[0])
        diverged = False
        try:
            with steps.reading(samples):
                steps.work.repeat(orders, log)
                for _ in steps.run(0, epochs * batches):
                    pass
        except DivergedError:
            diverged = True
        except BaseException:
            self._keep(steps.work.finished, epochs, log, start, rng)
            raise
        if diverged or not before.parameters.are_finite():
            before.parameters.restore()
            training.vectors[:], training.rng.bit_generator.state = vectors, rng
            if before.average is not None and training.average is not None:
                training.average[:] = before.average
            self._alone = True  # the epoch that fails says so by itself
            return False
        self._keep(epochs * batches, epochs, log, start, rng)
        return True

    def _keep(self, reached: int, epochs: int, log: np.ndarray, start: float, rng: Mapping[str, Any]) -> None:
        """Add finished epochs to the history, and set the position after so many steps."""
        loop, source = self._loop, self._source
        training, work = loop.trainer.state, loop.steps.work
        done, rest = divmod(reached, loop.steps.count(source.n))
        if done and not rest:
            log[done - 1] = work.sums
        names = ["loss", *["accuracy"] * source.samples.y.classes]
        sums = np.where(log[:done, 2:] == 0, 1.0, log[:done, 2:])
        columns = dict(zip(names, (log[:done, :2] / sums).T.tolist(), strict=False))
        seconds = (kernel_cache.clock() - start) / max(1, done)
        columns |= {"learning_rate": [loop.settings.rate_at(training.step + reached, training.history)] * done}
        columns |= {"seconds": [seconds] * done}
        if done < epochs:
            training.rng.bit_generator.state = rng
            source.orders(training.rng, done)
        training.history.record_epochs(columns, done)
        training.step += reached
        training.end_epoch()
        if rest:
            training.position.steps, training.position.sums = rest, work.sums
            source.orders(training.rng, 1)  # that of the epoch that has begun
