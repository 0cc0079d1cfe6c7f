"""Steps that use all samples, `batch_size="all"`, and what a step of a sum over samples would be."""

import numpy as np
import pytest
from helpers import same

import fastbp as fb

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(70, 3)), RNG.normal(size=(70, 2))


def trainer(batch_size, **options):
    net = fb.MLP([3, 5, 2], activation="tanh", dropout=0.2, seed=0)
    given = {"loss": "squared_error", "optimizer": fb.SGD(0.1, momentum=0.9), "seed": 0} | options
    return fb.Trainer(net, batch_size=batch_size, **given)


def trained(batch_size, n=70, **options):
    own = trainer(batch_size, shuffle=False)
    own.fit(X[:n], Y[:n], epochs=3, **options)
    assert own.state.step == 3
    return own.network.theta


def test_all_is_the_number_of_samples():
    assert (trained("all") == trained(70)).all()
    assert (trained("all") == trained(10**9)).all()
    assert (trained("all", validation_split=0.2) == trained(56, validation_split=0.2)).all()


def test_the_order_of_all_samples_stays():
    """A sum over all samples is the same in any order, but for rounding, so there is nothing to shuffle."""
    mixed = trainer("all", shuffle=True)
    mixed.fit(X, Y, epochs=3)
    assert (mixed.network.theta == trained(70)).all()


def test_all_samples_of_a_call():
    """Each call of `partial_fit` is one step, whatever its number of samples."""
    own, other = trainer("all"), trainer(64)
    for n in (70, 3, 64):
        own.partial_fit(X[:n], Y[:n])
    assert own.state.step == 3
    other.batch_size = 70
    for n in (70, 3, 64):
        other.partial_fit(X[:n], Y[:n])
    assert same(own.network.weights, other.network.weights)


def test_a_checkpoint_keeps_it(tmp_path):
    own = trainer("all")
    own.fit(X, Y, epochs=2, callbacks=[fb.Checkpoint(tmp_path)])
    twin = fb.Trainer.resume(tmp_path)
    assert twin.batch_size == "all"
    assert repr(twin) == repr(own)
    assert (twin.fit(X, Y, epochs=4).epochs, own.fit(X, Y, epochs=2).epochs) == (4, 4)
    assert (twin.network.theta == own.network.theta).all()


def test_the_setting_can_change():
    own = trainer(10)
    own.fit(X, Y)
    own.batch_size = "all"
    own.fit(X, Y)
    assert own.state.step == 8
    with pytest.raises(ValueError, match="batch_size must be an integer or 'all', got 'none'"):
        own.batch_size = "none"
    assert own.batch_size == "all"


def test_a_step_of_the_sum():
    """w <- w - eta dC/dw with C = sum_n C_n needs the learning rate n eta, because a step has the mean   (000, 003)."""
    net, eta = fb.MLP([3, 2], dtype="float64", seed=0), 0.01
    W, b = net.weights[0], net.biases[0]
    error = X @ W + b - Y
    fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(70 * eta), batch_size="all").fit(X, Y)
    assert net.weights[0] == pytest.approx(W - eta * X.T @ error, abs=1e-12)
    assert net.biases[0] == pytest.approx(b - eta * error.sum(axis=0), abs=1e-12)
