"""Ctrl-C at the worst instruction: what is assigned by half is as before or as after, and nothing is corrupt."""

from __future__ import annotations

import contextlib
import sys
from unittest import mock

import numpy as np
import pytest
from helpers import labelled, parameters, run_function, same

import fastbp as fb
from fastbp.engine import parameters as stored
from fastbp.training.state import TrainingState

X, Y = labelled(40, n_in=6, n_out=3)


def network(hidden: int = 8, seed: int = 0) -> fb.MLP:
    return fb.MLP([6, hidden, 3], output="softmax", seed=seed)


def trainer(**settings) -> fb.Trainer:
    return fb.Trainer(network(), loss="cross_entropy", shuffle=False, seed=0, **settings)


def interrupting(owner: object, name: str, after: bool) -> contextlib.AbstractContextManager:
    """Inside the with statement, a function is interrupted at its beginning, or just before it returns."""
    function = getattr(owner, name)

    def interrupted(*arguments: object, **options: object) -> None:
        if after:
            function(*arguments, **options)
        raise KeyboardInterrupt

    return mock.patch.object(owner, name, interrupted)


def half_assigned(name: str, method: str, after: bool) -> None:
    """A setting is assigned, the assignment is interrupted, and training goes on."""
    values = {"optimizer": fb.Adam(0.01), "network": network(300, 1), "average": None}
    own = trainer(optimizer="sgd", average=fb.EMA(0.9))
    own.fit(X, Y)
    with interrupting(TrainingState, method, after), pytest.raises(KeyboardInterrupt):
        setattr(own, name, values[name])
    own.fit(X, Y)
    state = own.state
    assert state.parameters is own.network.parameters
    assert state.vectors.size == own.optimizer.state_count * own.network.parameters.theta.size
    assert own.averaged.sizes == own.network.sizes
    twin = fb.Trainer(network(own.network.sizes[1]), loss="cross_entropy", optimizer=own.optimizer, shuffle=False)
    ones = [[np.full_like(array, 0.1) for array in group] for group in (own.network.weights, own.network.biases)]
    for one in (own, twin):
        one.network.set_weights(*ones)
        one.optimizer = fb.RMSprop(0.01)  # with a state that is fresh in both
        one.fit(X, Y)
    assert same(parameters(own), parameters(twin))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["optimizer", "network"])
@pytest.mark.parametrize("method", ["suit", "begin"])
def test_an_interrupted_assignment(name, method, after):
    """The kernels wrote beyond the end of a state that did not fit the optimizer."""
    run_function(half_assigned, name, method, after)


def test_interrupted_weights():
    """The next gradient is that of the weights that the network has, also in its transposed copy."""
    net, new = network(), network(seed=5)
    net.gradients(X, Y, loss="cross_entropy")
    with interrupting(stored, "pack", after=True), pytest.raises(KeyboardInterrupt):
        net.parameters.set_layer(1, new.weights[1], new.biases[1])
    fresh = network()
    fresh.set_weights(net.weights, net.biases)
    found, wanted = (each.gradients(X, Y, loss="cross_entropy")[1] for each in (net, fresh))
    assert same(net.weights[1:], new.weights[1:])
    assert same(found, wanted)


def test_an_interrupted_turn_ends():
    """Also while somebody keeps the traceback, as an interactive Python does in `sys.last_value`."""
    own = trainer()
    own.partial_fit(X, Y)
    manager = contextlib._GeneratorContextManager
    with interrupting(manager, "__enter__", after=True), pytest.raises(KeyboardInterrupt) as kept:
        own.partial_fit(X, Y)
    assert own.partial_fit(X, Y).keys() == {"loss", "accuracy"}
    assert kept.tb is not None


def test_an_interrupted_row_of_the_history():
    """The columns have the same length after each instruction."""
    history, lengths = fb.History(loss=[0.5], accuracy=[0.5]), set()

    def trace(frame: object, event: str, argument: object) -> object:
        lengths.add(tuple(map(len, history.values())))
        return trace

    sys.settrace(trace)
    try:
        history.record(loss=0.25, accuracy=0.75)
    finally:
        sys.settrace(None)
    assert lengths == {(1, 1), (2, 2)}
