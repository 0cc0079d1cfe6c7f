"""The same seed gives the same bits: for any number of threads, both gradient modes, and in another process."""

import hashlib
import itertools

import numpy as np
import pytest
from helpers import parameters, run_function

import fastbp as fb


def fit(n_threads, gradient, *, dtype=np.float32, optimizer=None):
    """Three epochs on sizes that divide nothing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1003, 61)).astype(dtype), rng.integers(0, 7, 1003)
    net = fb.MLP([61, 37, 23, 7], activation=["tanh", "relu"], output="softmax", dtype=dtype, seed=0)
    optimizer = optimizer or fb.SGD(0.1, momentum=0.9)
    trainer = fb.Trainer(
        net, loss="cross_entropy", optimizer=optimizer, batch_size=50, seed=0, n_threads=n_threads, gradient=gradient
    )
    history = trainer.fit(X, y, epochs=3)
    return b"".join(array.tobytes() for array in parameters(net)), history["loss"]


def everything(n_threads, gradient, dtype):
    """A fit with all that is random or sums over the network: dropout, noise, weights, clipping, limits."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1003, 61)).astype(dtype), rng.integers(0, 7, 1003)
    net = fb.MLP(
        [61, 37, 23, 7], activation=["gelu", "selu"], output="softmax", dropout=[0.1, 0.5, 0.3], input_noise=0.1,
        max_norm=2.0, dtype=dtype, seed=0,
    )  # fmt: skip
    trainer = fb.Trainer(
        net, loss=fb.losses.CrossEntropy(0.1), optimizer=fb.AdamW(0.01), schedule=fb.schedules.Warmup(9, per="step"),
        l1=1e-5, l2=1e-4, clip_value=0.5, clip_norm=1.0, batch_size=50, seed=0, n_threads=n_threads, gradient=gradient,
    )  # fmt: skip
    history = trainer.fit(X, y, epochs=3, sample_weight=rng.uniform(0, 2, 1003), class_weight="balanced")
    return b"".join(array.tobytes() for array in parameters(net)), history["loss"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_at_once(dtype):
    results = [everything(t, mode, dtype) for t, mode in itertools.product((1, 2, 3, 4), ("fused", "stored"))]
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.SGD(0.1, momentum=0.9, nesterov=True), fb.Adam(0.01)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_modes(dtype, optimizer):
    options = {"dtype": dtype, "optimizer": optimizer}
    results = [fit(t, mode, **options) for t, mode in itertools.product((1, 2, 3, 4), ("fused", "stored"))]
    assert all(result == results[0] for result in results)


def print_digest(n_threads):
    print(hashlib.sha256(fit(n_threads, "fused")[0]).hexdigest())


def test_processes():
    prints = {run_function(print_digest, n_threads).stdout for n_threads in (1, 2)}
    assert len(prints) == 1
    assert len(prints.pop().strip()) == 64


def test_seed_matters():
    nets = [fb.MLP([5, 4], seed=seed) for seed in (0, 0, 1)]
    assert (nets[0].weights[0] == nets[1].weights[0]).all()
    assert (nets[0].weights[0] != nets[2].weights[0]).any()


def test_layers_of_predictions_do_not_depend_on_neighbours():
    """A row's result is the same alone, in a batch and on several threads."""
    rng = np.random.default_rng(0)
    net = fb.MLP([61, 37, 7], activation="sigmoid", output="softmax", seed=0)
    X = rng.normal(size=(301, 61)).astype(np.float32)
    whole = net.predict(X)
    for threads in (1, 2, 3):
        assert (net.predict(X, n_threads=threads) == whole).all()
    assert all((net.predict(X[i : i + 1]) == whole[i]).all() for i in range(0, 301, 13))
    assert all((net.predict(X[i : i + 11]) == whole[i : i + 11]).all() for i in range(0, 290, 29))
