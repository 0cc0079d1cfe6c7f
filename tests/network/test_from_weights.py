"""Networks that are made of weights and biases, `MLP.from_weights`."""

import numpy as np
import pytest
from helpers import same

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 4))
W = [RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5)), RNG.normal(size=(5, 2))]
B = [RNG.normal(size=3), None, RNG.normal(size=2)]


@pytest.mark.parametrize("transposed", [False, True])
def test_the_network_has_these_weights(transposed):
    given = [each.T for each in W] if transposed else W
    net = fb.MLP.from_weights(given, B, transposed=transposed, activation=["tanh", "relu"], output="sigmoid")
    assert type(net) is fb.MLP
    assert net.sizes == (4, 3, 5, 2)
    assert same(net.weights, W)
    assert net.biases[1] is None
    assert same([net.biases[0], net.biases[2]], [B[0], B[2]])
    z = np.maximum(np.tanh(X @ W[0] + B[0]) @ W[1], 0) @ W[2] + B[2]
    assert net.predict(X) == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-12)


def test_without_biases():
    net = fb.MLP.from_weights(W)
    assert net.biases == (None, None, None)
    assert net.architecture.bias == (False, False, False)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("float16", "float32"), ("float32", "float32"), ("float64", "float64"), ("int8", "float32"), ("int64", "float64")],
)
def test_the_dtype_is_that_of_the_weights(kind, dtype):
    given = [(10 * each).astype(kind) for each in W]
    net = fb.MLP.from_weights(given)
    assert net.dtype == dtype
    assert same(net.weights, [each.astype(dtype) for each in given])
    assert fb.MLP.from_weights([W[0].astype("float32"), W[1]]).dtype == np.float64
    assert fb.MLP.from_weights(given, dtype="float32").dtype == np.float32


def test_no_number_of_a_list_is_rounded():
    assert fb.MLP.from_weights([[[0.1, 0.2]]]).weights[0].tolist() == [[0.1, 0.2]]


def test_a_derived_class_makes_its_own():
    class Own(fb.MLP):
        pass

    assert type(Own.from_weights(W, B)) is Own


def test_it_trains_and_is_shown_like_any_other(tmp_path):
    net = fb.MLP.from_weights(W, B, activation="tanh", dropout=0.1)
    assert repr(net) == ("MLP([4, 3, 5, 2], activation='tanh', dropout=0.1, bias=(True, False, True), dtype='float64')")
    fb.Trainer(net, loss="squared_error", seed=0).fit(X, np.ones((9, 2)))
    assert not same(net.weights, W)
    net.save(tmp_path / "net")
    assert same(fb.load(tmp_path / "net").weights, net.weights)


def test_tied_weights():
    net = fb.MLP.from_weights([W[0], W[0].T], tied=[("W2", "W1.T")])
    assert net.n_parameters == 12
    assert same(net.weights, [W[0], W[0].T])
    with pytest.raises(ValueError, match="must be equal to"):
        fb.MLP.from_weights([W[0], 2 * W[0].T], tied=[("W2", "W1.T")])


def test_the_weights_are_copied():
    mine = [each.copy() for each in W]
    net = fb.MLP.from_weights(mine)
    mine[0][:] = 0
    assert same(net.weights, W)
