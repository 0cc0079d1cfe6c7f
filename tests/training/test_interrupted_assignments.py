"""Ctrl-C at the worst instruction: what is assigned by half is as before or as after, and nothing is corrupt."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from helpers import interrupted, labelled, parameters, run_function, same

import fastbp as fb

X, Y = labelled(40, n_in=6, n_out=3)


def network(hidden: int = 8, seed: int = 0) -> fb.MLP:
    return fb.MLP([6, hidden, 3], output="softmax", seed=seed)


def trainer(**settings) -> fb.Trainer:
    return fb.Trainer(network(), loss="cross_entropy", shuffle=False, seed=0, **settings)


def half_assigned(name: str) -> None:
    """A setting is assigned, the assignment is interrupted at any place, and training goes on."""
    for place in itertools.count(1):
        value = fb.Adam(0.01) if name == "optimizer" else network(300, 1)
        own = trainer(optimizer="sgd", average=fb.EMA(0.9))
        own.fit(X, Y)
        error = interrupted(place, lambda own=own, value=value: setattr(own, name, value))
        own.fit(X, Y)
        assert own.averaged.sizes == own.network.sizes
        twin = fb.Trainer(network(own.network.sizes[1]), loss="cross_entropy", optimizer=own.optimizer, shuffle=False)
        ones = [[np.full_like(array, 0.1) for array in group] for group in (own.network.weights, own.network.biases)]
        for one in (own, twin):
            one.network.set_weights(*ones)
            one.optimizer = fb.RMSprop(0.01)  # with a state that is fresh in both
            one.fit(X, Y)
        assert same(parameters(own), parameters(twin)), f"interrupted at place {place}"
        if error is None:
            break
    assert place > 9


@pytest.mark.parametrize("name", ["optimizer", "network"])
def test_an_interrupted_assignment(name):
    """The kernels wrote beyond the end of a state that did not fit the optimizer."""
    run_function(half_assigned, name)


def test_interrupted_weights():
    """The next gradient is that of the weights that the network has, also in its transposed copy."""
    new = network(seed=5)
    for place in itertools.count(1):
        net = network()
        net.gradients(X, Y, loss="cross_entropy")
        error = interrupted(place, lambda net=net: net.set_weights(new.weights, new.biases))
        fresh = network()
        fresh.set_weights(net.weights, net.biases)
        found, wanted = (each.gradients(X, Y, loss="cross_entropy")[1] for each in (net, fresh))
        assert same(found, wanted), f"interrupted at place {place}"
        if error is None:
            break
    assert same(net.weights, new.weights)
    assert place > 9


def test_an_interrupted_turn_ends():
    """Also while somebody keeps the traceback, as an interactive Python does in `sys.last_value`."""
    kept = []
    for place in itertools.count(1):
        own = trainer()
        own.partial_fit(X, Y)
        kept.append(interrupted(place, lambda own=own: own.partial_fit(X, Y)))
        assert own.partial_fit(X, Y).keys() == {"loss", "accuracy"}, f"interrupted at place {place}"
        if kept[-1] is None:
            break
    assert place > 50


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
