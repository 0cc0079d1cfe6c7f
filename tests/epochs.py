"""What tests of samples share: which rows an epoch consists of, and in which order they come.

Most of these tests compare bits: however the same rows come in, the same minibatches must come of them, and so the same
network. The networks have dropout, whose masks would show a step or a row that is counted wrongly.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import parameters, same

import fastbp as fb

N, N_IN, N_OUT = 103, 6, 3


def make(optimizer=None, **options):
    net = fb.MLP([N_IN, 9, N_OUT], activation="tanh", output="softmax", dropout=0.2, seed=0)
    options = {"loss": "cross_entropy", "batch_size": 7, "seed": 0} | options
    return fb.Trainer(net, optimizer=optimizer or fb.SGD(0.1, momentum=0.9), **options)


def linear():
    """A trainer that a large input makes diverge."""
    net = fb.MLP([N_IN, 1], dtype=np.float64, seed=0)
    return fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.01, momentum=0.9), batch_size=7, shuffle=False)


def assert_same(trainer, twin, history=True):
    assert same(parameters(trainer), parameters(twin))
    if history:
        a, b = ({k: v for k, v in t.history.items() if k != "seconds"} for t in (trainer, twin))
        assert list(a) == list(b)
        assert all(a[name] == pytest.approx(b[name], rel=1e-12) for name in a)


# --- orders -----------------------------------------------------------------------------------------------------------


def seen(given=None, n=20, batch_size=1, shuffle=True, seed=0, **options):
    """The step of an epoch, from 0, that saw each of n samples; fails if one was seen twice or never.

    `given` makes what `fit` is given of X and y.
    """
    assert n % batch_size == 0
    net = fb.MLP([n, 1], dtype=np.float64)
    net.set_weights([np.zeros((n, 1))], [[1.0]])
    trainer = fb.Trainer(
        net, loss="squared_error", optimizer=fb.SGD(0.05), batch_size=batch_size, seed=seed, shuffle=shuffle
    )
    X, y = np.eye(n), np.zeros(n)
    trainer.fit(*(given(X, y) if given else (X, y)), **options)
    # Each step shrinks b, so the gradient that a sample leaves in its weight says when it came.
    steps = np.log(-net.weights[0][:, 0] * batch_size / 0.05) / np.log(0.95)
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert sorted(np.rint(steps)) == sorted([*range(n // batch_size)] * batch_size)
    return np.rint(steps).astype(int)


def visits(given, n=20, **options):
    """How often each of n samples has been seen."""
    net = fb.MLP([n, 1], dtype=np.float64)
    net.set_weights([np.zeros((n, 1))], [[0.0]])
    X, y = np.eye(n), np.full(n, -1e6)  # every error is positive, and its derivative 1
    fb.Trainer(net, loss="absolute_error", optimizer=fb.SGD(0.5), batch_size=1, seed=0).fit(*given(X, y), **options)
    return -net.weights[0][:, 0] / 0.5


# --- blocks and files -------------------------------------------------------------------------------------------------


def cut(lengths, *arrays):
    """Blocks of so many rows each; the last has what is left."""
    ends = [*itertools.takewhile(lambda end: end < len(arrays[0]), itertools.accumulate(lengths))]
    return [tuple(parts) for parts in zip(*(np.split(array, ends) for array in arrays), strict=True)]


def blocks_of(*lengths):
    """What makes a list of blocks of X and y, for `seen` and `visits`."""
    return lambda X, y: (cut(itertools.cycle(lengths), X, y),)


def memory_map(path, X, before=0, after=0):
    """An array in a file, with so many other bytes before and after it."""
    path.write_bytes(b"\xff" * before + X.tobytes() + b"\xff" * after)
    return np.memmap(path, X.dtype, "r", offset=before, shape=X.shape)


# --- samples that are held out ----------------------------------------------------------------------------------------


TARGETS = {  # of targets: loss, outputs
    "labels": ("cross_entropy", 4),
    "one-hot rows": ("cross_entropy", 4),
    "labels for a regression": ("squared_error", 4),
    "0 and 1": ("binary_cross_entropy", 1),
    "a column of 0 and 1": ("binary_cross_entropy", 1),
    "-1 and 1": ("hinge", 1),
    "several of 0 and 1": ("binary_cross_entropy", 4),
    "numbers": ("squared_error", 1),
}


def held_out(y, fraction, kind="labels", seed=0, calls=1, **options):
    """The numbers of the samples that training has not seen: each has a weight of its own, that nothing else moves."""
    loss, n_out = TARGETS[kind]
    output = {"cross_entropy": "softmax", "hinge": "tanh"}.get(loss, "identity" if kind == "numbers" else "sigmoid")
    net = fb.MLP([len(y), n_out], output=output, dtype=np.float64)
    net.set_weights([np.zeros((len(y), n_out))], [np.full(n_out, 0.1)])
    trainer = fb.Trainer(net, loss=loss, batch_size=7, seed=seed)
    for _ in range(calls):
        trainer.fit(np.eye(len(y)), y, validation_split=fraction, **options)
    return np.flatnonzero(~net.weights[0].any(axis=1))
