"""Names of other libraries raise an error that says what to use, and only attributes that exist can be assigned."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

import fastbp as fb
from fastbp.base import hints


def trainer(**options) -> fb.Trainer:
    return fb.Trainer(fb.MLP([2, 1], seed=0), loss="squared_error", **options)


@pytest.mark.parametrize("name", hints.NETWORK)
def test_names_of_other_libraries(name):
    net = fb.MLP([2, 1])
    for of in (net, fb.MLP):
        with pytest.raises(AttributeError, match=re.escape(f"MLP has no attribute {name!r}: {hints.NETWORK[name]}")):
            getattr(of, name)
        assert not hasattr(of, name)
    assert name not in dir(net)


@pytest.mark.parametrize("name", hints.TRAINER)
def test_names_of_other_libraries_for_trainers(name):
    own = trainer()
    message = re.escape(f"Trainer has no attribute {name!r}: {hints.TRAINER[name]}")
    with pytest.raises(AttributeError, match=message):
        getattr(own, name)
    with pytest.raises(AttributeError, match=message):
        setattr(own, name, 1)
    assert not hasattr(own, name)


def test_the_hints_are_about_what_is_not_there():
    assert not {*hints.NETWORK} & {*dir(fb.MLP([2, 1]))}
    assert not {*hints.TRAINER} & {*dir(trainer())}


def test_other_names():
    with pytest.raises(AttributeError, match=r"MLP has no attribute 'zzz'$"):
        _ = fb.MLP([2, 1]).zzz
    with pytest.raises(AttributeError, match="Trainer has no attribute 'batchsize'; did you mean 'batch_size'"):
        _ = trainer().batchsize


def test_parameters_is_no_method():
    with pytest.raises(TypeError, match=r"net\.weights, net\.biases and net\.theta"):
        fb.MLP([2, 1]).parameters()


def test_evaluate_of_a_network():
    with pytest.raises(AttributeError, match=r"fastbp\.Trainer\(net, loss=\.\.\.\)\.evaluate"):
        fb.MLP([2, 1]).evaluate([[1.0, 2.0]], [1.0])


def test_score_of_a_trainer():
    with pytest.raises(AttributeError, match=r"has no attribute 'score': evaluate\(X, y\) computes"):
        trainer().score([[1.0, 2.0]], [1.0])


def test_attributes_that_a_trainer_does_not_have():
    own = trainer()
    settings = own.settings
    with pytest.raises(AttributeError, match="Trainer has no attribute 'batchsize'; did you mean 'batch_size'"):
        own.batchsize = 1
    with pytest.raises(AttributeError, match="'netwrok'; did you mean 'network'"):
        own.netwrok = fb.MLP([2, 1])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got -5"):
        own.batch_size = -5
    assert own.settings is settings
    assert not hasattr(own, "batchsize")


def test_attributes_that_a_network_does_not_have():
    net = fb.MLP([2, 3, 1])
    for name in ("dropout", "activation"):
        with pytest.raises(
            AttributeError, match=f"MLP has no attribute '{name}': this argument of MLP cannot be changed later"
        ):
            setattr(net, name, 0.5)
    with pytest.raises(AttributeError, match="'thetas'; did you mean 'theta'"):
        net.thetas = np.zeros(13)
    net.theta = np.zeros(13)
    assert not net.theta.any()


def test_classes_of_the_user_may_have_attributes_of_their_own():
    class Own(fb.Trainer):
        pass

    class OwnNet(fb.MLP):
        pass

    own = Own(OwnNet([2, 1]), loss="squared_error")
    own.note, own.network.note = "a", "b"
    assert (own.note, own.network.note) == ("a", "b")
    with pytest.raises(AttributeError, match="OwnNet has no attribute 'fit'"):
        OwnNet.fit  # noqa: B018


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies(twin):
    own = trainer(batch_size=7)
    own.fit(np.eye(2), [0.0, 1.0])
    assert twin(own).batch_size == 7
    assert (twin(own.network).theta == own.network.theta).all()


def test_a_trainer_without_settings():
    """As it is in the middle of unpickling."""
    assert not hasattr(fb.Trainer.__new__(fb.Trainer), "batch_size")
