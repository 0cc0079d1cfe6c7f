"""The products of forward and backward, the gradient and the update against float64, over sizes around the tile's."""

import itertools

import numpy as np
import pytest
import reference
from helpers import any_scale, parameters, same
from kernels.harness import RAGGED

import fastbp as fb
from fastbp.kernels.simd.target import TILE_ROWS

pytestmark = any_scale

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}
CASES = [*itertools.product(RAGGED, (1, 10, 33)), *itertools.product((5, 16), RAGGED)]
ROWS = [1, 2, 3, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 3]
RULES = {
    "sgd": fb.SGD(0.1),
    "momentum": fb.SGD(0.1, momentum=0.9),
    "nesterov": fb.SGD(0.1, momentum=0.9, nesterov=True),
}


def network(sizes, dtype, **options):
    """A network of identities, with normal weights and biases."""
    rng = np.random.default_rng(0)
    net = fb.MLP(sizes, activation="identity", dtype=dtype, **options)
    net.set_weights(*([rng.normal(size=array.shape) for array in arrays] for arrays in (net.weights, net.biases)))
    return net


def normal(dtype, *shape):
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_forward(n_in, n_out, dtype):
    net, shifted = network([n_in, n_out], dtype), network([n_in, n_out], dtype, shift=1.0)
    W, b = net.weights[0].astype(float), net.biases[0]
    for rows in ROWS:
        X = normal(dtype, rows, n_in)
        z = net.outputs(X, n_threads=1)
        assert reference.relative(z, X @ W + b) < TOLERANCE[dtype]
        # With a shift, the inputs are copied into panels first. From there, they come to the same bits.
        assert (shifted.outputs(X, n_threads=1) == net.outputs(X - dtype(1), n_threads=1)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_forward_tells_of_inputs_that_are_not_finite(value):
    for rows, n_in, n_out in ((1, 1, 1), (TILE_ROWS + 3, 21, 40)):
        X = np.ones((rows, n_in), np.float32)
        X[rows - 1, n_in - 1] = value
        with pytest.raises(ValueError, match=rf"X\[{rows - 1}, {n_in - 1}\] is {value}"):
            network([n_in, n_out], np.float32).predict(X)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_backward(n_in, n_out, dtype):
    """Through the transposed copy of the weights of a hidden layer."""
    net = network([3, n_in, n_out], dtype)
    for rows in ROWS:
        t = net.trace(normal(dtype, rows, 3), np.zeros((rows, n_out)), "squared_error")
        assert reference.relative(t.delta[0], t.delta[1].astype(float) @ net.weights[1].T) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [*ROWS, 2500])
def test_gradient_and_update(rows, rule, dtype):
    """Sum, update and transpose; then the same from a stored gradient, to the same bits.

    Of 2500 rows, the gradient is summed in several parts.
    """
    sizes, optimizer = [17, 16, 33], RULES[rule]
    fused, stored = (
        fb.Trainer(network(sizes, dtype), loss="squared_error", optimizer=optimizer, batch_size=rows, gradient=gradient)
        for gradient in ("fused", "stored")
    )
    theta = [array.astype(float) for array in parameters(fused)]
    state = [np.zeros_like(array) for array in theta]
    X = normal(dtype, rows, sizes[0])
    for step in range(3):
        G = np.random.default_rng(step).normal(size=(rows, sizes[-1])).astype(dtype) / dtype(rows)
        W = fused.network.weights
        a = X @ W[0].astype(float) + fused.network.biases[0]
        delta = G.astype(float) @ W[1].T
        slopes = X.astype(float).T @ delta, a.T @ G.astype(float), delta.sum(axis=0), G.sum(axis=0, dtype=float)
        dW, db, _ = fused.network.backward(X, G)
        for found, wanted in zip((*dW, *db), slopes, strict=True):
            assert reference.relative(found, wanted) < 2 * TOLERANCE[dtype]
        for array, v, slope in zip(theta, state, slopes, strict=True):
            reference.update(optimizer, array, [v], slope, step + 1)
        for each in (fused, stored):
            each.partial_fit(X, output_gradient=G)
        assert same(parameters(fused), parameters(stored))
        assert (fused.state.vectors == stored.state.vectors).all()
        for found, wanted in zip(parameters(fused), theta, strict=True):
            assert reference.relative(found, wanted) < 3 * TOLERANCE[dtype]
