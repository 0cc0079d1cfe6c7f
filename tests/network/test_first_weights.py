"""First weights and biases: how they are drawn, and how samples decide them."""

import numpy as np
import pytest
from helpers import same

import fastbp as fb
from fastbp.activations import ACTIVATIONS
from fastbp.network.first_weights import MOST_ROWS, VARIANCES


def samples(n, columns, seed=0):
    """Inputs with columns of very different means and deviations."""
    return np.random.default_rng(seed).normal(size=(n, columns)) * np.geomspace(0.1, 100, columns) + np.arange(columns)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("family", ["he", "glorot", "lecun"])
def test_init(family, distribution):
    """The variance of each scheme; a uniform one ends at its limit."""
    net = fb.MLP([300, 200], init=f"{family}_{distribution}", dtype=np.float64, seed=0)
    W, variance = net.weights[0], {"he": 2 / 300, "glorot": 2 / 500, "lecun": 1 / 300}[family]
    assert VARIANCES[family](300, 200) == variance
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    if distribution == "uniform":
        assert abs(W).max() <= np.sqrt(3 * variance)
    assert not net.biases[0].any()


INNER = {"he": 2 / 200, "glorot": 2 / 600, "lecun": 1 / 200}
"""The variance of weights between 200 and 400 units."""


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_default_is_that_of_pytorch_at_both_ends_and_follows_the_activation_between(name, output):
    """Biases are like those of PyTorch everywhere. Only hidden layers have the gain of their activation function."""
    sigma = ACTIVATIONS[name]
    net = fb.MLP([50, 200, 400, 30], activation=name, output=output, dtype=np.float64, seed=0)
    gains = {"sigmoid": 2, "hard_sigmoid": 3}.get(name, 1)
    wanted = [(50, 1 / 150, gains), (200, INNER[sigma.init], gains), (400, 1 / 1200, 1)]
    for (n_in, variance, gain), W, b in zip(wanted, net.weights, net.biases, strict=True):
        assert W.var() == pytest.approx(gain**2 * variance, rel=0.05)
        assert abs(W).max() <= gain * np.sqrt(3 * variance)
        assert gain / np.sqrt(n_in) * 0.8 < abs(b).max() <= gain / np.sqrt(n_in)
        assert b.min() < 0 < b.max()


@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [3, 4, 2]])
def test_a_network_without_layers_between_has_the_first_weights_of_pytorch(sizes):
    assert same(fb.MLP(sizes, seed=0).theta, fb.MLP(sizes, init="fan_in", seed=0).theta)


@pytest.mark.parametrize(("activation", "most"), [("tanh", 0.03), ("sigmoid", 0.05), ("relu", 0.06)])
def test_one_input_is_enough(activation, most):
    """Without biases, all units would bend at 0, and the best line through this sine has half of its variance."""
    x = np.linspace(-1, 1, 200)
    for seed in range(3):
        net = fb.MLP([1, 64, 1], activation=activation, seed=seed)
        trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.Adam(0.01), seed=seed)
        trainer.fit(x[:, None], np.sin(6 * x), epochs=300)
        assert trainer.evaluate(x[:, None], np.sin(6 * x))["loss"] < most


def test_fan_in_draws_weights_and_biases_as_pytorch_does():
    net = fb.MLP([100, 2000, 25], init="fan_in", dtype=np.float64, seed=0)
    for n_in, W, b in zip((100, 2000), net.weights, net.biases, strict=True):
        for array in (W, b):
            assert abs(array).max() <= 1 / np.sqrt(n_in)
        assert W.var() == pytest.approx(1 / (3 * n_in), rel=0.02)
    assert net.biases[0].var() == pytest.approx(1 / 300, rel=0.1)
    assert net.biases[1].any()
    assert fb.MLP([3, 2], init="fan_in", bias=False, seed=0).biases == (None,)


def test_zeros():
    net = fb.MLP([3, 2], init="zeros")
    assert not net.theta.any()
    trainer = fb.Trainer(net, loss="squared_error")
    trainer.fit([[1.0, 2.0, 3.0]], [[1.0, 2.0]])
    assert net.theta.all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "selu"])
@pytest.mark.parametrize("scales", [{}, {"shift": [5, 1, 0], "scale": [0.1, 2, 3]}, {"standardize": samples(200, 3)}])
def test_samples_decide_first_weights(activation, dtype, scales):
    """The z of each unit has the deviation 1, and is 0 at a sample: different ones for different units."""
    X = samples(200, 3)
    made = {"activation": activation, "dtype": dtype, "init": "data", **scales}
    net = fb.MLP([3, 40, 7, 2], **made, samples=X, seed=0)
    twin, other = (fb.MLP([3, 40, 7, 2], **made, samples=X, seed=seed) for seed in (0, 1))
    assert same(net.theta, twin.theta)
    assert not same(net.theta, other.theta)
    eps = float(np.finfo(dtype).eps)
    for z in net.trace(X).z:
        assert z.std(axis=0, dtype=np.float64) == pytest.approx(1, abs=200 * eps)
        assert abs(z).min(axis=0) == pytest.approx(0, abs=200 * eps)
    assert np.unique(abs(net.trace(X).z[0]).argmin(axis=0)).size > 25


@pytest.mark.parametrize("kind", ["uint8", "sparse", "frame", "float"])
def test_samples_may_be_all_that_training_takes(kind):
    X = np.random.default_rng(0).integers(0, 4, (60, 5)).astype(np.uint8)
    X[X < 2] = 0
    given = X.astype(float) if kind == "float" else X
    if kind == "sparse":
        given = pytest.importorskip("scipy.sparse", reason="scipy is not installed").csr_array(X)
    elif kind == "frame":
        given = pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(X, columns=[*"abcde"])
    nets = [fb.MLP([5, 8, 1], init="data", samples=each, scale=0.5, seed=0) for each in (given, X.astype(np.float32))]
    assert same(nets[0].theta, nets[1].theta)
    assert nets[0].columns == (tuple("abcde") if kind == "frame" else None)


def test_of_many_samples_a_random_part_decides():
    X = samples(3 * MOST_ROWS, 2)
    net = fb.MLP([2, 20, 1], init="data", samples=X, dtype=np.float64, seed=0)
    z = net.trace(X).z[0]
    assert z.std(axis=0) == pytest.approx(1, rel=0.1)
    assert abs(z).min(axis=0) == pytest.approx(0, abs=1e-9)
    assert (abs(z) < 1e-9).any(axis=1).nonzero()[0].max() > MOST_ROWS


def test_a_unit_that_is_the_same_for_all_samples_keeps_its_weights():
    for X in ([[1e5, 3.0]], np.full((50, 2), 0.1)):
        net = fb.MLP([2, 30, 1], init="data", samples=X, seed=0)
        assert 0.1 < net.weights[0].std() < 2
        assert abs(net.trace(X).z[0]).max() < 1


def test_a_layer_without_biases_gets_only_the_deviation():
    X = samples(100, 3)
    net = fb.MLP([3, 9, 4, 1], bias=[False, True, False], init="data", samples=X, dtype=np.float64, seed=0)
    assert [b is None for b in net.biases] == [True, False, True]
    for z in net.trace(X).z:
        assert z.std(axis=0) == pytest.approx(1)


def test_samples_and_shared_weights():
    """A matrix that two layers use suits the first of them, and units that share weights suit on average."""
    X = samples(100, 5)
    given = {"init": "data", "samples": X, "dtype": np.float64, "seed": 0}
    tied = fb.MLP([5, 4, 3, 4, 5], tied=[("W4", "W1.T"), ("W3", "W2.T")], **given)
    assert (tied.weights[3] == tied.weights[0].T).all()
    z = tied.trace(X).z
    assert np.concatenate([each.std(axis=0) for each in z[:2]]) == pytest.approx(1)
    circulant = fb.MLP([5, 5, 1], shared={1: (np.arange(5) - np.arange(5)[:, None]) % 5}, **given)
    assert np.unique(circulant.weights[0]).size == 5
    z += circulant.trace(X).z
    assert (z[4].std(axis=0) ** 2).mean() == pytest.approx(1)
    for each in z:
        assert abs(each).min(axis=0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"init": "data"}, "samples must be given with init='data', and only then; got no samples with init='data'"),
        ({"samples": [[1.0, 2.0]]}, "got samples with init=None"),
        ({"init": "zeros", "samples": [[1.0, 2.0]]}, "got samples with init='zeros'"),
        ({"init": "data", "samples": [[1.0]]}, r"samples must have shape \(n, 2\)"),
        ({"init": "data", "samples": [[1.0, np.nan]]}, r"samples\[0, 1\] is nan"),
        ({"init": "uniform"}, "init must be one of 'fan_in', .*'data', got 'uniform'"),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        fb.MLP([2, 3, 1], **wrong, seed=0)


@pytest.mark.parametrize("size", [3e38, 1e-44])
def test_samples_of_a_size_that_the_dtype_cannot_work_with(size):
    """Pre-activations, or the weights that give them the deviation 1, would be infinite."""
    X = np.random.default_rng(0).choice([-size, size], (20, 50))
    with pytest.raises(ValueError, match="samples have numbers of a size that float32 cannot work with; standardize"):
        fb.MLP([50, 20, 1], init="data", samples=X, seed=0)
    assert np.isfinite(fb.MLP([50, 20, 1], init="data", samples=X, dtype=np.float64, seed=0).theta).all()


def test_files_and_slices_keep_what_samples_decided(tmp_path):
    X = samples(50, 2)
    net = fb.MLP([2, 3, 1], init="data", samples=X, seed=0)
    net.save(tmp_path / "net")
    for made in (fb.load(tmp_path / "net"), net[:2]):
        assert made.architecture.init == "data"
        assert same(made.predict(X), net.predict(X))
