"""Averages of the parameters: their formulas, and that they are there whatever happens."""

import copy

import numpy as np
import pytest
import reference
from helpers import parameters, same

import fastbp as fb


def fit(average, epochs=3, n_threads=None, **options):
    """A fit, and the parameters after each of its epochs; a step an epoch with batch_size=40."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    net = fb.MLP([6, 20, 9, 3], output="softmax", dtype=np.float64, seed=0)
    options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.5), "batch_size": 40, "seed": 0} | options
    trainer = fb.Trainer(net, average=average, n_threads=n_threads, **options)
    theta = [parameters(net)]
    for _ in range(epochs):
        trainer.fit(X, y)
        theta.append(parameters(net))
    return trainer, theta


def test_ema():
    trainer, theta = fit(fb.EMA(0.7), 5)
    wanted = theta[0]
    for now in theta[1:]:
        wanted = [0.7 * a + 0.3 * b for a, b in zip(wanted, now, strict=True)]
    for got, one in zip(parameters(trainer.averaged), wanted, strict=True):
        assert reference.relative(got, one) < 1e-14


def test_swa():
    trainer, theta = fit(fb.SWA(start=2), 5)
    for got, *ends in zip(parameters(trainer.averaged), *theta[3:], strict=True):
        assert reference.relative(got, np.mean(ends, axis=0)) < 1e-14
    early, theta = fit(fb.SWA(start=4), 3)
    assert same(parameters(early.averaged), theta[3])


@pytest.mark.parametrize("average", [fb.EMA(0.9), fb.SWA()])
def test_training_is_as_without(average):
    """And any number of threads gives the same average, to the bit."""
    trainers = [fit(average, n_threads=t, batch_size=7)[0] for t in (1, 2, 3, 4)]
    plain, _ = fit(None, batch_size=7)
    for trainer in trainers:
        assert same(parameters(trainer.network), parameters(plain.network))
        pairs = zip(parameters(trainer.averaged), parameters(trainers[0].averaged), strict=True)
        assert all((a == b).all() for a, b in pairs)


def test_before_the_first_step_and_without():
    net = fb.MLP([2, 2], seed=0)
    trainer = fb.Trainer(net, loss="squared_error", average=fb.EMA())
    assert (trainer.averaged.weights[0] == net.weights[0]).all()
    with pytest.raises(ValueError, match="averaged needs a Trainer"):
        _ = fb.Trainer(net, loss="squared_error").averaged
    with pytest.raises(TypeError, match="average must be an average such as"):
        fb.Trainer(net, loss="squared_error", average=0.9)
    with pytest.raises(ValueError, match="decay must be"):
        fb.EMA(1.0)
    with pytest.raises(ValueError, match="start must be at least 0"):
        fb.SWA(-1)


def test_a_copy_goes_on():
    trainer, _ = fit(fb.EMA(0.9))
    twin = copy.deepcopy(trainer)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    for one in (trainer, twin):
        one.fit(X, y)
    pairs = zip(parameters(trainer.averaged), parameters(twin.averaged), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_an_epoch_that_diverges_leaves_the_average():
    trainer, _ = fit(fb.EMA(0.5), batch_size=10)
    before = parameters(trainer.averaged)
    X = np.full((40, 6), 1e308)
    with pytest.raises(FloatingPointError):
        trainer.fit(X, np.zeros(40, int))
    assert same(before, parameters(trainer.averaged))
