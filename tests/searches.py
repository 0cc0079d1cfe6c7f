"""What tests of L-BFGS share: two small problems, and what is minimised."""

import numpy as np
from helpers import parameters, same

import fastbp as fb


def curves(n=60, dtype=np.float64):
    """A small regression."""
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(dtype)
    return X, np.stack([np.sin(X[:, 0]) + X[:, 1] * X[:, 2], X.sum(axis=1)], axis=1)


def classes(n=60, dtype=np.float64):
    """Three classes that overlap."""
    X = np.random.default_rng(0).normal(size=(n, 3)).astype(dtype)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] * X[:, 2] > 0.3)


def make(sizes=(3, 8, 2), loss="squared_error", n_threads=None, **options):
    """A trainer without tolerances, so that it makes all steps; what an MLP takes goes to its network."""
    names = "activation", "output", "dropout", "input_noise", "max_norm", "dtype"
    of_network = {name: options.pop(name) for name in names if name in options}
    if loss == "cross_entropy":
        sizes, of_network = (*sizes[:-1], 3), {"output": "softmax"} | of_network
    net = fb.MLP(sizes, **({"activation": "tanh", "dtype": np.float64, "seed": 0} | of_network))
    options = {"optimizer": fb.LBFGS(ftol=0, gtol=0), "seed": 0} | options
    return fb.Trainer(net, loss=loss, n_threads=n_threads, **options)


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def assert_same(trainer, twin):
    assert same(parameters(trainer), parameters(twin))


def objective(trainer, X, y, sample_weight=None):
    """What the trainer minimises, and its gradient, where its network is."""
    net, l1, l2 = trainer.network, trainer.l1, trainer.l2
    cost, dW, db = net.gradients(X, y, loss=trainer.loss, sample_weight=sample_weight)
    W = flat(net.weights)
    cost += l1 * np.abs(W).sum() + 0.5 * l2 * (W**2).sum()
    return cost, flat([g + l1 * np.sign(w) + l2 * w for g, w in zip(dW, net.weights, strict=True)] + db)
