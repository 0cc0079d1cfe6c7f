"""The same seed gives the same bits: for any number of threads, both gradient modes, and in another process."""

import itertools

import numpy as np
import pytest
from conftest import run

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
    return b"".join(array.tobytes() for array in net.weights + net.biases), history["loss"]


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
    return b"".join(array.tobytes() for array in net.weights + net.biases), history["loss"]


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


def test_processes():
    code = "import hashlib, test_determinism as t; print(hashlib.sha256(t.fit({}, 'fused')[0]).hexdigest())"
    prints = {run(code.format(threads)).stdout for threads in (1, 2)}
    assert len(prints) == 1
    assert len(prints.pop().strip()) == 64


KINDS = {
    "float32": "{}, loss='cross_entropy'",
    "float64": "{'dtype': 'float64'}, loss='cross_entropy'",
    "squared": "{}, loss='squared_error'",
    "sigmoid": "{'output': 'sigmoid'}, loss='squared_error'",
    "adam": "{}, loss='cross_entropy', optimizer=fb.Adam(0.1)",
}
FITS = """
import hashlib, numpy as np, fastbp as fb
def fit(options, **settings):
    rng = np.random.default_rng(0)
    net = fb.MLP([9, 20, 3], **{'output': 'softmax', 'seed': 0} | options)
    history = fb.Trainer(net, seed=0, **settings).fit(rng.normal(size=(70, 9)), np.arange(70) % 3, epochs=2)
    print(hashlib.sha256(b''.join(W.tobytes() for W in net.weights)).hexdigest(), history['loss'])
"""


def test_kernels_that_other_processes_cached(tmp_path):
    """Each kind of fit first in a process of its own, then all of them in one, from what the others left behind."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    alone = [run(f"{FITS}\nfit({kind})", env).stdout for kind in KINDS.values()]
    together = run(FITS + "".join(f"\nfit({kind})" for kind in KINDS.values()), env).stdout
    assert together == "".join(alone)
    assert len(set(alone)) == len(KINDS)


RULES = ["SGD(0.1, momentum=0.9)", "SGD(0.1, momentum=0.9, nesterov=True)", "Adam(0.01)", "AdamW(0.01)"]


def test_rules_that_other_processes_cached(tmp_path):
    """Each process compiles one rule after it has loaded the same other kernels, so that Numba counts alike in all."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    fits = [f"\nfit({{}}, loss='cross_entropy', optimizer=fb.{rule}, n_threads=1)" for rule in RULES]
    run(FITS + "\nfit({}, loss='cross_entropy', n_threads=1)", env)
    alone = [run(FITS + fit, env).stdout for fit in fits]
    assert len(set(alone)) == len(RULES)
    for order in (1, -1):
        assert run(FITS + "".join(fits[::order]), env).stdout == "".join(alone[::order])


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
