"""Trainer: which samples its steps see, and that it goes on, alone or as a copy."""

import copy
import pickle

import numpy as np
import pytest
import reference
from helpers import digest, labelled, parameters, pixels, same

import fastbp as fb

# --- samples ----------------------------------------------------------------------------------------------------------


def test_shuffling():
    """Each epoch sees every sample once, in an order of its own that the seed decides."""
    X = np.eye(20)
    y = np.zeros(20)

    def order_of(seed):
        net = fb.MLP([20, 1], dtype=np.float64)
        net.set_weights([np.zeros((20, 1))], [[1.0]])
        # Each step shrinks b, so the gradient that a sample leaves in its weight says when it came.
        fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.05), batch_size=1, seed=seed).fit(X, y)
        return np.argsort(net.weights[0][:, 0])

    orders = [order_of(seed) for seed in (0, 0, 1)]
    assert sorted(orders[0]) == list(range(20))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()
    assert (orders[0] != np.arange(20)).any()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32])
def test_kinds_of_inputs_train_alike(kind):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (57, 21)), rng.integers(0, 3, 57)
    net, twin = (fb.MLP([21, 8, 3], output="softmax", scale=1 / 255, seed=0) for _ in range(2))
    for network, samples in ((net, X.astype(kind)), (twin, X.astype(np.float32))):
        fb.Trainer(network, loss="cross_entropy", seed=0).fit(samples, y, epochs=2)
    assert same(parameters(net), parameters(twin))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_labels_are_one_hot_rows(loss):
    X, y = labelled(103, 7, 4)
    net, twin = (fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2))
    h1 = fb.Trainer(net, loss=loss, seed=0).fit(X, y, epochs=2)
    h2 = fb.Trainer(twin, loss=loss, seed=0).fit(X, reference.one_hot(y, 4), epochs=2)
    assert same(parameters(net), parameters(twin))
    assert h1["loss"] == h2["loss"]


def test_one_output_takes_a_vector_or_a_column():
    X, _ = labelled(103, 7, 4)
    y = X[:, 0] * 2
    nets = [fb.MLP([7, 5, 1], seed=0) for _ in range(2)]
    for net, targets in zip(nets, (y, y[:, None]), strict=True):
        fb.Trainer(net, loss="squared_error", seed=0).fit(X, targets, epochs=2)
    assert same(parameters(nets[0]), parameters(nets[1]))


def test_labels_are_copied():
    """Labels say where kernels write: what others do to the user's array meanwhile must not matter."""
    X, y = labelled(103, 7, 4)
    given = y.astype(np.int64)
    trainer, twin = (fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy", seed=0) for _ in "ab")

    def change(state):
        given[:] = (y + 1) % 4

    trainer.fit(X, given, epochs=2, callbacks=[fb.callbacks.Lambda(batch_end=change)])
    twin.fit(X, y, epochs=2)
    assert (given != y).all()
    assert same(parameters(trainer), parameters(twin))


@pytest.mark.parametrize("epochs", [0, 1])
def test_no_epochs(epochs):
    X, y = labelled(103, 7, 4)
    history = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy").fit(X, y, epochs=epochs)
    assert len(history.get("loss", [])) == epochs


def test_one_class_one_row_one_weight():
    net = fb.MLP([1, 1], output="sigmoid", seed=0)
    net.set_weights([[[1000.0]]], [[0.0]])
    history = fb.Trainer(net, loss="binary_cross_entropy").fit([[2.0]], [1])
    assert history["loss"] == [0.0]
    assert history["accuracy"] == [1.0]


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1, momentum=0.9), fb.Adam(0.01)])
def test_fit_goes_on(optimizer):
    """Twice one epoch is two epochs: orders, momentum, steps and history go on."""
    X, y = labelled(103, 7, 4)
    nets = [fb.MLP([7, 9, 4], output="softmax", seed=0) for _ in range(2)]
    trainers = [fb.Trainer(n, loss="cross_entropy", optimizer=optimizer, seed=3) for n in nets]
    trainers[0].fit(X, y, epochs=2)
    trainers[1].fit(X, y)
    trainers[1].fit(X, y)
    assert same(parameters(nets[0]), parameters(nets[1]))
    assert trainers[0].history["loss"] == trainers[1].history["loss"]


def test_set_weights_between_fits_is_seen():
    """The transposed copy that backward reads follows."""
    X, y = labelled(103, 7, 4)
    nets = [fb.MLP([7, 9, 6, 4], output="softmax", dtype=np.float64, seed=0) for _ in range(2)]
    options = {"loss": "cross_entropy", "optimizer": "sgd", "shuffle": False}
    first = fb.Trainer(nets[0], **options)
    first.fit(X, y)
    weights, biases = nets[0].weights, nets[0].biases
    nets[0].set_weights([W + 0.1 for W in weights], biases)
    first.fit(X, y)
    nets[1].set_weights([W + 0.1 for W in weights], biases)
    fb.Trainer(nets[1], **options).fit(X, y)
    assert same(parameters(nets[0]), parameters(nets[1]))


def test_another_network_takes_over():
    X, y = labelled(103, 7, 4)
    trainer = fb.Trainer(fb.MLP([7, 4], output="softmax", seed=0), loss="cross_entropy", seed=0)
    trainer.fit(X, y)
    trainer.network = larger = fb.MLP([7, 300, 200, 4], output="softmax", dtype=np.float64, seed=0)
    before = parameters(larger)
    trainer.fit(X, y)
    assert all((a != b).any() for a, b in zip(before, parameters(larger), strict=True))


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_copies(copied):
    """A copy predicts and learns to the same bits, momentum and order of samples included, and shares no memory."""
    X, y = pixels(500, 30)
    net = fb.MLP([30, 40, 10], output="softmax", scale=1 / 255, seed=0)
    options = {"optimizer": fb.SGD(0.1, momentum=0.9), "batch_size": 100, "seed": 0, "n_threads": 2}
    own = fb.Trainer(net, loss="cross_entropy", **options)
    own.fit(X, y)
    net, other = copied(own.network), copied(own)
    begun, predicted = digest(own.network), own.network.predict(X)
    for twin in (net, other.network):
        assert digest(twin) == begun
        assert np.array_equal(twin.predict(X), predicted)
    other.fit(X, y, epochs=2)
    assert digest(own.network) == digest(net) == begun != digest(other.network)
    own.fit(X, y, epochs=2)
    assert digest(own.network) == digest(other.network)
    assert own.history["loss"] == other.history["loss"]
    assert digest(net) == begun
