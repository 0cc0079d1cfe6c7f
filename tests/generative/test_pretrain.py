"""Pre-training: hidden layers learn one after another, and their weights stay in the network."""

import re

import numpy as np
import pytest

import fastbp as fb

rng = np.random.default_rng(0)
X = (rng.random((200, 12)) < 0.3).astype(np.float32)


def network(**options) -> fb.MLP:
    return fb.MLP([12, 8, 5, 3], **({"activation": "sigmoid", "output": "softmax", "seed": 0} | options))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_machines_by_hand(dtype):
    """Each hidden layer has the weights of a machine that was trained on the activations of the layer before it."""
    net, before = network(dtype=dtype, scale=0.5), network(dtype=dtype, scale=0.5)
    histories = fb.pretrain(net, X * 2, epochs=3, batch_size=20, optimizer=fb.SGD(0.2), seed=4)
    a = X
    for l, sizes in enumerate([(12, 8), (8, 5)]):
        rbm = fb.RBM(*sizes, batch_size=20, optimizer=fb.SGD(0.2), dtype=dtype, seed=4)
        rbm.fit(a, epochs=3)
        np.testing.assert_array_equal(net.weights[l], rbm.W)
        np.testing.assert_array_equal(net.biases[l], rbm.c)
        assert histories[l]["free_energy"] == rbm.history["free_energy"]
        a = rbm.transform(a)
    np.testing.assert_array_equal(net.transform(X * 2), a)
    np.testing.assert_array_equal(net.weights[2], before.weights[2])
    np.testing.assert_array_equal(net.biases[2], before.biases[2])
    assert len(histories) == 2


def test_autoencoders_by_hand():
    options = {"activation": ["tanh", "relu"], "bias": [False, True, True]}
    net, before = network(**options), network(**options)
    histories = fb.pretrain(net, X, method="autoencoder", epochs=3, batch_size=20, seed=4)
    a = X
    for l, (n, m, sigma, bias) in enumerate([(12, 8, "tanh", False), (8, 5, "relu", True)]):
        twin = fb.MLP([n, m, n], activation=sigma, bias=[bias, True], seed=4)
        history = fb.Trainer(twin, loss="mean_squared_error", batch_size=20, seed=4).fit(a, a, epochs=3)
        np.testing.assert_array_equal(net.weights[l], twin.weights[0])
        assert histories[l]["loss"] == history["loss"]
        assert history["loss"][-1] < history["loss"][0]
        a = twin.transform(a, 1)
    assert net.biases[0] is None
    np.testing.assert_array_equal(net.weights[2], before.weights[2])


def test_gaussian_inputs():
    inputs = rng.normal(3.0, 5.0, (300, 12))
    net = network(standardize=inputs)
    first, second = fb.pretrain(net, inputs, visible="gaussian", epochs=2, seed=0)
    assert "pseudo_likelihood" not in first
    assert "pseudo_likelihood" in second
    with pytest.raises(ValueError, match="must be from 0 to 1 for visible='bernoulli'"):
        fb.pretrain(net, inputs)


def test_a_pre_trained_network_learns_few_digits_better():
    """100 labels of the digits of scikit-learn: the mean accuracy over two seeds."""
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    scores: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(2):
        few = np.random.default_rng(seed).permutation(len(y))
        for helped in scores:
            net = fb.MLP([64, 100, 100, 100, 10], activation="sigmoid", output="softmax", scale=1 / 16, seed=seed)
            if helped:
                fb.pretrain(net, images, epochs=30, optimizer=fb.SGD(0.1, momentum=0.5), seed=seed)
            trainer = fb.Trainer(net, loss="cross_entropy", batch_size=10, seed=seed)
            trainer.fit(images[few[:100]], y[few[:100]], epochs=60)
            scores[helped].append(trainer.evaluate(images[few[100:]], y[few[100:]])["accuracy"])
    assert np.mean(scores[True]) > np.mean(scores[False]) + 0.05


WRONG = {
    "network must be an MLP, got int": lambda: fb.pretrain(3, X),
    "network must have a hidden layer": lambda: fb.pretrain(fb.MLP([12, 3]), X),
    "layer 2 has 'relu' and bias=True: method='autoencoder' trains any layer": lambda: fb.pretrain(
        network(activation=["sigmoid", "relu"]), X
    ),
    "layer 1 has 'sigmoid' and bias=False": lambda: fb.pretrain(network(bias=[False, True, True]), X),
    "method must be one of 'rbm', 'autoencoder'": lambda: fb.pretrain(network(), X, method="dbn"),
    "visible must be one of 'bernoulli', 'gaussian'": lambda: fb.pretrain(network(), X, visible="x"),
    "epochs must be at least 0": lambda: fb.pretrain(network(), X, epochs=-1),
    "batch_size must be at least 1": lambda: fb.pretrain(network(), X, batch_size=0),
    "seed must be at least 0": lambda: fb.pretrain(network(), X, seed=-1),
    "optimizer must be a name": lambda: fb.pretrain(network(), X, optimizer=0.1),
    "X must have shape (n, 12)": lambda: fb.pretrain(network(), X[:, 1:]),
    "has no derivative": lambda: fb.pretrain(network(activation=["threshold", "tanh"]), X, method="autoencoder"),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_calls(message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        WRONG[message]()


def test_a_wrong_call_changes_nothing():
    net, twin = network(), network()
    for given in (X * 2, X[:, 1:], X * np.nan):
        with pytest.raises(ValueError, match="X"):
            fb.pretrain(net, given)
    np.testing.assert_array_equal(net.theta, twin.theta)


def test_sparse_inputs_are_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    with pytest.raises(TypeError, match="X must not be sparse"):
        fb.pretrain(network(), sparse.csr_matrix(X))
