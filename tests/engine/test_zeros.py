"""Matrices of which many numbers are 0: other kernels leave the zeros out, and come to the same bits."""

from __future__ import annotations

import contextlib

import inside
import many_zeros
import numpy as np
import pytest
from helpers import any_scale, guarded_copy, parameters, pixels

import fastbp as fb

pytestmark = any_scale


@pytest.mark.parametrize("seed", range(60))
def test_the_bits_are_those_with_all_zeros(seed):
    """Without zeros, and with a sparse matrix. The campaign tries many more networks."""
    many_zeros.check_whole(seed)


@pytest.mark.parametrize("seed", range(300, 310))
def test_the_bits_of_online_learning(seed):
    """With one row a minibatch, of which no sum has several terms."""
    many_zeros.check_online(seed)


def zeros(share: float, n: int = 300, n_in: int = 100, seed: int = 0) -> np.ndarray:
    """Inputs of which this share is not 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, n_in)) < share, rng.normal(size=(n, n_in)), 0.0).astype(np.float32)


def make(**settings) -> fb.Trainer:
    return fb.Trainer(fb.MLP([100, 20, 3], output="softmax", seed=0), loss="cross_entropy", seed=0, **settings)


def test_the_input_path_follows_the_inputs():
    """From call to call, and the bits are those of a trainer that never leaves zeros out."""
    y, own, taken = np.arange(300) % 3, make(), []
    for share in (0.9, 0.1, 0.5, 0.2):
        own.fit(zeros(share), y)
        taken.append(inside.leaves_zeros_out(own))
    assert taken == [False, True, False, True]


def test_another_input_path_has_the_same_bits():
    y, results = np.arange(300) % 3, []
    for way in (contextlib.nullcontext(), inside.zeros_left_out(False)):
        own = make(optimizer=fb.Adam(), average=fb.EMA(0.9))
        with way:
            for share in (0.9, 0.1, 0.5, 0.2):
                own.fit(zeros(share), y)
                own.partial_fit(zeros(share)[:1], y[:1])
            results.append([array.tobytes() for array in (*parameters(own), own.network.predict(zeros(0.1)))])
    assert results[0] == results[1]


def test_dense_minibatches_among_empty_ones():
    """A part of the rows may have no zeros at all, or nothing else."""
    X, y, results = zeros(0.1), np.arange(300) % 3, []
    X[64:128], X[128:192] = 1.0, 0.0
    for skip in (False, True):
        own = make(shuffle=False, batch_size=64, n_threads=2)
        with inside.zeros_left_out(skip):
            own.fit(X, y, epochs=2)
        results.append([array.tobytes() for array in parameters(own)])
    assert results[0] == results[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_found(value):
    X = zeros(0.1)
    X[7, 31] = value
    own = make()
    with pytest.raises(ValueError, match=r"X\[7, 31\] is"):
        own.network.predict(X)
    with pytest.raises(ValueError, match=r"X\[7, 31\] is"):
        own.fit(X, np.arange(300) % 3)


def test_zeros_times_infinity():
    """Weights that a diverging epoch has made infinite give NaN with inputs of 0, as they do with all zeros."""
    net = fb.MLP([100, 3], seed=0)
    theta = net.parameters.theta.copy()
    theta[1] = np.inf
    net.parameters.assign(theta)
    with np.errstate(all="ignore"):
        assert not np.isfinite(net.predict(zeros(0.1))[:, 1]).any()


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize(("n_in", "hidden", "n"), [(1, 1, 1), (17, 33, 65), (100, 130, 64), (33, 17, 129)])
def test_nothing_beside_the_memory_is_touched(n_in, hidden, n, at_end):
    """Of the samples, and of the words that say where zeros are."""
    X, y = guarded_copy(zeros(0.2, n, n_in), at_end), guarded_copy(np.arange(n) % 3, at_end)
    with inside.zeros_left_out(True), inside.guarded_memory(at_end):
        own = fb.Trainer(fb.MLP([n_in, hidden, 3], output="softmax", seed=0), loss="cross_entropy", batch_size=70)
        own.fit(X, y, epochs=2)
        assert np.isfinite(own.network.predict(X)).all()


HIDDEN = [0.2, 0.5, 0.0, 0.0, 0.7]


def hidden(activation: str = "relu") -> fb.Trainer:
    """Of a network whose hidden layers have different dropout."""
    sizes, dropout = [40, 33, 130, 50, 64, 17, 3], [0.0, *HIDDEN]
    net = fb.MLP(sizes, activation=activation, output="softmax", dropout=dropout, seed=0)
    return fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(), seed=0)


def test_hidden_layers_leave_zeros_out_where_dropout_makes_many():
    """With relu, dropout of 0.2 leaves 40 % of a^l. A product with one panel needs more zeros to gain."""
    of_inputs, of_deltas = inside.layers_without_zeros(hidden())
    assert of_inputs == [False, True, True, False, False, False]
    assert of_deltas == [False, True, False, False, True, False]
    of_inputs, of_deltas = inside.layers_without_zeros(hidden("tanh"))
    assert of_inputs == [False] * 6
    assert of_deltas == [False] * 4 + [True, False]


def test_predictions_know_nothing_of_dropout():
    trainer = hidden()
    trainer.network.predict(np.ones((3, 40)))
    assert not inside.predicts_without_zeros(trainer.network)


@pytest.mark.parametrize("gradient", ["fused", "stored"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_hidden_layers_have_the_same_bits(gradient, n_threads):
    """With units that are always 0, and in a minibatch of several parts."""
    X, y, results = zeros(0.5, 1500, 40), np.arange(1500) % 3, []
    for skip in (False, True):
        own = hidden()
        own.gradient, own.n_threads = gradient, n_threads
        weights, biases = own.network.weights, [b.copy() for b in own.network.biases]
        biases[1][::2] = -1e3
        own.network.set_weights(weights, biases)
        with inside.zeros_left_out(skip):
            for batch_size in (64, 1500):
                own.batch_size = batch_size
                own.fit(X, y, epochs=2)
        results.append([array.tobytes() for array in (*parameters(own), own.state.vectors)])
    assert results[0] == results[1]


def test_few_inputs_are_not_counted(monkeypatch):
    """A prediction of one row takes 10 us, and counting would take a third of that."""
    counted, net = inside.counts_of_zeros(monkeypatch), make().network
    net.predict(zeros(0.1)[:1])
    assert not counted
    net.predict(zeros(0.1))
    assert counted


def test_pixels_are_read_without_zeros():
    """Of images with empty borders, in their own dtype."""
    X = pixels(200)[0] * (np.arange(784) % 20 == 0).astype(np.uint8)
    net = fb.MLP([784, 16, 10], output="softmax", scale=1 / 255, seed=0)
    own = fb.Trainer(net, loss="cross_entropy")
    own.fit(X, np.arange(200) % 10)
    assert inside.leaves_zeros_out(own)
