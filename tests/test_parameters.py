"""Parameters: what they begin as, and how they are read and set."""

import numpy as np
import pytest
from helpers import same

import fastbp as fb
from fastbp.network.architecture import INITS


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("family", INITS)
def test_init(family, distribution):
    """The variance of each scheme; a uniform one ends at its limit."""
    net = fb.MLP([300, 200], init=f"{family}_{distribution}", dtype=np.float64, seed=0)
    W, variance = net.weights[0], {"he": 2 / 300, "glorot": 2 / 500, "lecun": 1 / 300}[family]
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    if distribution == "uniform":
        assert abs(W).max() <= np.sqrt(3 * variance)
    assert not net.biases[0].any()


def test_init_follows_the_activation():
    net = fb.MLP([400, 400, 400], activation="relu", output="sigmoid", dtype=np.float64, seed=0)
    assert net.weights[0].var() == pytest.approx(2 / 400, rel=0.02)
    assert net.weights[1].var() == pytest.approx(2 / 800, rel=0.02)


@pytest.mark.parametrize("sizes", [[3, 2], [1, 1], [5, 16], [20, 40]])
def test_weights_are_copies(sizes):
    net = fb.MLP(sizes, seed=0)
    net.weights[0][:] = 7
    net.biases[0][:] = 7
    assert (net.weights[0] != 7).all()
    assert (net.biases[0] == 0).all()


def test_set_weights_round_trip():
    net, other = fb.MLP([17, 33, 5], seed=0), fb.MLP([17, 33, 5], seed=1)
    other.set_weights(net.weights, [b + 1 for b in net.biases])
    assert same(other.weights, net.weights)
    assert all((b == 1).all() for b in other.biases)
