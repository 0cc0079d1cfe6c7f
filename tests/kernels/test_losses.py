"""Losses: values and deltas at ordinary and extreme outputs, hits."""

import functools
import itertools

import numpy as np
import pytest
import reference
from helpers import any_pair, any_scale
from numba import njit

import fastbp as fb
from fastbp.activations import OUTPUTS
from fastbp.kernels.panels import aligned, lanes_of
from fastbp.kernels.row_losses import hit
from fastbp.kernels.simd import memory
from fastbp.losses import LOSSES

pytestmark = [any_pair, any_scale]

TRAINABLE = [name for name, sigma in OUTPUTS.items() if sigma.trainable]


@functools.cache
def network(n_out, output, dtype, scale=1.0):
    """A network whose z is its input times `scale`."""
    net = fb.MLP([n_out, n_out], output=output, dtype=dtype, seed=0)
    net.set_weights([scale * np.eye(n_out)], [np.zeros(n_out)])
    return net


def evaluate(name, output, z, y, dtype=np.float64, scale=1.0):
    """(a, C by row, delta) of outputs that have z in front of their activation function."""
    net, X = network(z.shape[1], output, dtype, scale), z / scale
    costs = [net.gradients(X[i : i + 1], y[i : i + 1], loss=name)[0] for i in range(len(z))]
    return net.outputs(X).astype(float), np.array(costs), net.trace(X, y, name).delta[-1].astype(float)


def hits(name, output, z, y):
    """The accuracy of each row."""
    own = fb.Trainer(network(z.shape[1], output, np.float64), loss=name)
    return [own.evaluate(z[i : i + 1], y[i : i + 1])["accuracy"] for i in range(len(z))]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("n_out", [2, 8, 10, 16, 17, 35])
@pytest.mark.parametrize(("name", "output"), [*itertools.product(LOSSES, ["sigmoid", "softmax"])])
def test_values(name, output, n_out, dtype, tolerance):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(19, n_out)).astype(dtype), rng.dirichlet(np.ones(n_out), 19).astype(dtype)
    if LOSSES[name].targets == "signs":
        y = rng.integers(0, 2, y.shape).astype(dtype)
    if name in ("multiclass_hinge", "multiclass_perceptron"):
        y = reference.one_hot(y.argmax(axis=1), n_out).astype(dtype)
    a, costs, delta = evaluate(name, output, z, y, dtype)
    wanted_a, wanted, g = reference.costs(name, output, z.astype(float), y.astype(float))
    assert reference.relative(a, wanted_a) < tolerance
    assert reference.relative(costs, wanted) < tolerance
    if g is None:
        wanted_delta = wanted_a - y
    elif output == "softmax":
        wanted_delta = wanted_a * (g - (g * wanted_a).sum(axis=1, keepdims=True))
    else:
        wanted_delta = g * reference.DERIVATIVES[output](z.astype(float))
    assert reference.relative(delta, wanted_delta) < 3 * tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_canonical_pairs_at_the_extremes(dtype):
    """|z| = 1e4: the exact loss, as wide as z is, and a - y."""
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]])
    y = np.array([[0.0, 1, 0], [0, 1, 0], [1, 0, 0]])
    a, costs, delta = evaluate("cross_entropy", "softmax", z, y, dtype)
    assert costs == pytest.approx([2e4, np.log(2), np.log(3)], rel=1e-6)
    assert delta == pytest.approx(a - y)
    assert a.sum(axis=1) == pytest.approx([1, 1, 1])
    a, costs, delta = evaluate("binary_cross_entropy", "sigmoid", z, y, dtype)
    assert costs == pytest.approx([2e4 + np.log(2), 1e4, 2e4], rel=1e-6)
    assert delta == pytest.approx(a - y)


@pytest.mark.parametrize(("name", "output"), [*itertools.product(LOSSES, TRAINABLE)])
def test_finite_everywhere(name, output):
    """Any pair, at z = 0 and +-1e4: finite, also where a probability is 0 or 1."""
    z = np.array([[1e4, -1e4, 0.0], [0, 0, 0], [-1e4, 1e4, -1e4]])
    y = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    # The gradient of a weight is delta times an input, which would overflow with inputs of 1e4.
    _, costs, delta = evaluate(name, output, z, y, np.float32, scale=1e4)
    assert np.isfinite(costs).all()
    if not (output in ("identity", "relu", "tanh") and name != "squared_error"):
        assert np.isfinite(delta).all()


def test_hits_are_those_of_argmax():
    rng = np.random.default_rng(0)
    for n_out in (2, 10, 16, 40):
        z, labels = rng.integers(0, 3, (50, n_out)).astype(float), rng.integers(0, n_out, 50)
        assert (hits("cross_entropy", "softmax", z, labels) == (z.argmax(axis=1) == labels)).all()


def test_hits_by_output():
    z, y = np.array([[3.0, -3, 3]]), np.array([[1.0, 0, 0]])
    assert hits("binary_cross_entropy", "sigmoid", z, y) == pytest.approx([2 / 3])


def test_a_nan_is_no_hit():
    """Nobody can see this, because the loss is not finite then. It must not depend on what comes next."""

    @njit
    def count(C, out):
        memory.store(out, 0, hit(C, 0, 2 * memory.lanes(C), 2, False, 0.5))

    C, hits = aligned(4 * lanes_of(np.float64), np.float64), aligned(lanes_of(np.float64), np.float64)
    C[: C.size // 2], C[C.size // 2 : 3 * C.size // 4] = np.nan, 1.0
    count(C, hits)
    assert not hits.any()
