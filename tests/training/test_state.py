"""The state of a training is one value: it can be copied, saved, loaded and compared."""

import copy
import json
import pickle

import numpy as np
import pytest
from helpers import labelled, parameters, same

import fastbp as fb
from fastbp.training.state import TrainingState

X, Y = labelled(96, n_in=6, n_out=3)


def trainer(seed: int = 0) -> fb.Trainer:
    net = fb.MLP([6, 5, 3], output="softmax", dropout=0.2, seed=0)
    options = {"optimizer": fb.Adam(0.01), "average": fb.EMA(0.9), "batch_size": 16, "seed": seed}
    return fb.Trainer(net, loss="cross_entropy", **options)


def test_equal_trainings_have_equal_states():
    own, twin, other = trainer(), trainer(), trainer(seed=1)
    assert own.state == twin.state
    assert own.state != other.state
    for each in (own, twin):
        each.fit(X, Y, epochs=2)
        each.history["seconds"][:] = [0.0, 0.0]
    assert own.state == twin.state
    twin.partial_fit(X[:8], Y[:8])
    assert own.state != twin.state


def test_a_state_that_is_saved_and_loaded_goes_on_to_the_same_bits():
    own, twin = trainer(), trainer(seed=7)
    own.fit(X, Y, epochs=2)
    described, tensors = own.state.save()
    tensors = {name: vector.copy() for name, vector in tensors.items()}
    twin.state.load(json.loads(json.dumps(described)), tensors)
    assert twin.state == own.state
    for each in (own, twin):
        each.fit(X, Y, epochs=4 if each is twin else 2)  # what was loaded goes on with its call of fit
    assert same(parameters(own.network), parameters(twin.network))
    assert same(parameters(own.averaged), parameters(twin.averaged))


def test_a_copied_state_is_aligned():
    own = trainer()
    own.fit(X, Y)
    twin = copy.deepcopy(own.state)
    assert twin == own.state
    for vector in (twin.vectors, twin.average, twin.parameters.theta):
        assert vector.ctypes.data % 64 == 0


def test_restoring_goes_back_and_begins_the_optimizer_anew():
    own = trainer()
    own.fit(X, Y)
    before, theta = own.state.snapshot(), own.state.parameters.theta.copy()
    own.fit(X, Y)
    own.state.restore(before, own.optimizer)
    assert (own.state.parameters.theta == theta).all()
    assert own.state.step == 0
    assert not own.state.vectors.any()


@pytest.mark.parametrize("lie", ["step", "seed", "history", "rng", "position"])
def test_a_description_that_is_none_is_refused(lie):
    own = trainer()
    described, tensors = own.state.save()
    before = own.state.parameters.theta.copy()
    with pytest.raises((ValueError, TypeError, KeyError)):
        own.state.load({**described, lie: {"step": -1, "seed": "x", "history": {"loss": ["x"]}}.get(lie, {})}, tensors)
    assert (own.state.parameters.theta == before).all()


def test_the_state_belongs_to_the_optimizer():
    state = TrainingState(fb.MLP([6, 3], seed=0).parameters, fb.Rprop(0.5), 0)
    size = state.parameters.theta.size
    assert (state.vectors[:size] == 0).all()
    assert (state.vectors[size:] == np.float32(0.5)).all()
    state.suit(state.parameters, fb.Rprop(0.1), None)  # no step has been made
    assert (state.vectors[size:] == np.float32(0.1)).all()
    state.step = 1
    state.suit(state.parameters, fb.Rprop(0.2), None)
    assert (state.vectors[size:] == np.float32(0.1)).all()
    state.suit(state.parameters, fb.SGD(0.1), None)
    assert state.vectors.size == 0


def test_a_copy_of_a_trainer_goes_on_as_the_trainer_does_when_a_setting_changes():
    """Its state and its network must have the same parameters, or the state would start anew."""
    X, y = np.linspace(-1, 1, 40).reshape(-1, 2), np.linspace(0, 1, 20)
    net = fb.MLP([2, 3, 1], activation="tanh", seed=0)
    trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1, momentum=0.9), batch_size=4, seed=0)
    trainer.fit(X, y, epochs=3)
    for twin in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        expected = copy.deepcopy(trainer)
        for each in (twin, expected):
            each.l2 = 0.1
            each.fit(X, y, epochs=2)
        assert twin.state.step == trainer.state.step + 10
        assert np.array_equal(twin.network.theta, expected.network.theta)
