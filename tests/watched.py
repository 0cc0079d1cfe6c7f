"""What tests of callbacks share: a small training, and callbacks that note, stop or raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from helpers import labelled, parameters

import fastbp as fb
from fastbp.callbacks import Lambda, State

HOOKS = ("train_begin", "epoch_begin", "batch_begin", "batch_end", "epoch_end", "train_end")
X, Y = labelled(22, 3, 4)


def trainer(**options) -> fb.Trainer:
    """Of the 22 samples in minibatches of 5, of which the last one has 2."""
    net = fb.MLP([3, 6, 4], output="softmax", seed=0)
    options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.1, momentum=0.9), "batch_size": 5, "seed": 0} | options
    return fb.Trainer(net, **options)


def blocks() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(X[:9], Y[:9]), (X[9:], Y[9:])]


def stop(state: State) -> None:
    state.stop = True


def recorder(look: Callable[[State], object], hooks: tuple[str, ...] = HOOKS, **options) -> tuple[Lambda, list]:
    """A callback, and the list that it appends (hook, what `look` sees) to."""
    seen: list = []

    def note(hook: str) -> Callable[[State], None]:
        return lambda state: seen.append((hook, look(state)))

    return Lambda(**{hook: note(hook) for hook in hooks}, **options), seen


def raising(hook: str, error: BaseException, when: Callable[[State], bool] = lambda _: True) -> Lambda:
    def fail(state: State) -> None:
        if when(state):
            raise error

    return Lambda(**{hook: fail})


def scored(values: list[float], name: str = "score", **options) -> fb.Trainer:
    """A trainer whose validations give these values, one an epoch, as "validation_score"."""
    left: Iterator[float] = iter(values)

    def metric(y: np.ndarray, a: np.ndarray) -> float:
        return next(left)

    metric.__name__ = name
    return trainer(metrics=[metric], **options)


def stopped(own: fb.Trainer, stopping: fb.EarlyStopping, epochs: int = 50) -> list[list[np.ndarray]]:
    """Fit, and give the parameters after each epoch of it."""
    after = []
    keep = Lambda(epoch_end=lambda state: after.append(parameters(own)))
    own.fit(X, Y, epochs=epochs, validation_data=(X, Y), callbacks=[keep, stopping])
    return after
