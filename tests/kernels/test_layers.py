"""The product of forward and backward, the gradient and the update against float64, over sizes around the tile's."""

import functools
import itertools

import numpy as np
import pytest
import reference
from kernels.harness import RAGGED, from_panels, operation, step, to_panels

import fastbp as fb
from fastbp.engine import kernel_cache
from fastbp.engine.memory import Record
from fastbp.kernels import dense, update
from fastbp.kernels.panels import aligned, lanes_of, round_up
from fastbp.kernels.simd.target import TILE_PANELS, TILE_ROWS
from fastbp.kernels.structs import LAYER, PRODUCT, UPDATE

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}
CASES = [*itertools.product(RAGGED, (1, 10, 33)), *itertools.product((5, 16), RAGGED)]
ROWS = [1, 2, 3, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 3]
RULES = {
    "sgd": fb.SGD(0.1),
    "momentum": fb.SGD(0.1, momentum=0.9),
    "nesterov": fb.SGD(0.1, momentum=0.9, nesterov=True),
}


@functools.cache
def kernel(factory, dtype, *options):
    return operation(kernel_cache.kernel(factory, np.dtype(dtype), *options))


def layer(n_in, n_out, dtype, seed=0):
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(n_in, n_out)).astype(dtype), rng.normal(size=n_out).astype(dtype)
    width = lanes_of(dtype)
    theta = np.concatenate([to_panels(W, round_up(n_in, width), dtype), to_panels(b[None], 1, dtype)])
    out = aligned(theta.size, dtype)
    out[:] = theta
    return W, b, out


def product(a, a_row, a_panel, W, b, b_panel, rows, n_in, n_out, dtype, checked=False):
    """a W + b in panels, and the STEP after it."""
    width, now = lanes_of(dtype), step(rows, dtype)
    out = aligned(round_up(n_out, width) * rows, dtype)
    made = Record(
        PRODUCT, a=a, a_row=a_row, a_panel=a_panel, rows=n_in, W=W, w_panel=round_up(n_in, width) * width, b=b,
        b_panel=b_panel, out=out, columns=n_out, checked=checked,
    )  # fmt: skip
    kernel(dense.product, dtype)(now, made, rows)
    return out, now


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_forward(n_in, n_out, dtype):
    W, b, theta = layer(n_in, n_out, dtype)
    width = lanes_of(dtype)
    bias = theta[-round_up(n_out, width) :]
    for rows in ROWS:
        a = np.random.default_rng(1).normal(size=(rows, n_in)).astype(dtype)
        z = a.astype(float) @ W + b
        panels = to_panels(a, rows, dtype)
        out, now = product(panels, width, rows * width, theta, bias, width, rows, n_in, n_out, dtype, checked=True)
        assert not now["odd"]
        assert reference.relative(from_panels(out, rows, (rows, n_out)), z) < TOLERANCE[dtype]
        same, _ = product(a.ravel(), n_in, width, theta, bias, width, rows, n_in, n_out, dtype)
        assert (same == out).all()  # from a matrix, the same bits as from panels


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_forward_tells_of_inputs_that_are_not_finite(value):
    for rows, n_in, n_out in ((1, 1, 1), (TILE_ROWS + 3, 21, 40)):
        _, _, theta = layer(n_in, n_out, np.float32)
        X = np.ones((rows, n_in), np.float32)
        X[rows - 1, n_in - 1] = value
        width = lanes_of(np.float32)
        bias = theta[-round_up(n_out, width) :]
        _, now = product(X.ravel(), n_in, width, theta, bias, width, rows, n_in, n_out, np.float32, checked=True)
        assert now["odd"] == 1


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_backward(n_in, n_out, dtype):
    W, _, _ = layer(n_in, n_out, dtype)
    width = lanes_of(dtype)
    T = to_panels(W.T, round_up(n_out, width), dtype)
    zeros = aligned(TILE_PANELS * width, dtype)
    for rows in ROWS:
        delta = np.random.default_rng(1).normal(size=(rows, n_out)).astype(dtype)
        above = to_panels(delta, rows, dtype)
        out, _ = product(above, width, rows * width, T, zeros, 0, rows, n_out, n_in, dtype)
        assert reference.relative(from_panels(out, rows, (rows, n_in)), delta.astype(float) @ W.T) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", ROWS)
def test_gradient_and_update(rows, rule, dtype):
    """One block: sum, update, transpose; then the same from a stored gradient, to the same bits."""
    width, eta, mu, optimizer = lanes_of(dtype), 0.1, 0.9, RULES[rule]
    rng = np.random.default_rng(0)
    a, delta = (rng.normal(size=(rows, width)).astype(dtype) for _ in range(2))
    h = np.array([eta, mu], dtype)

    def fresh():
        vectors = [aligned(width * width + width, dtype) for _ in range(3)]
        vectors[0][:], vectors[1][:] = np.linspace(-1, 1, vectors[0].size), np.linspace(0, 1, vectors[0].size)
        return *vectors, aligned(width * width, dtype)

    def run(factories, P, S, g, T):
        """Operations one after another, over all rows or over two parts of them."""
        for factory, options, part, first, last in factories:
            A, D = to_panels(a[first:last], last - first, dtype), to_panels(delta[first:last], last - first, dtype)
            layers = Record(LAYER, n_in=width, n_out=width, transposed=1, biased=1, a_in=A, delta=D)
            made = Record(
                UPDATE, layers=layers.memory, depth=1, theta=P, vectors=S, gradient=g, transposed=T, size=P.size,
                hyper=h, shrink=1.0,
            )  # fmt: skip
            now = step(last - first, dtype)
            if part:  # the second part of a minibatch
                now.set(parts=2, batch=2 * (last - first), n=2 * (last - first))
            kernel(factory, dtype, *options)(now, made, last - first, part)

    P, S, g, T = fresh()
    theta, v = P.astype(float), S.astype(float)
    run([(update.learn, (optimizer, False), 0, 0, rows)], P, S, g, T)
    slope = np.concatenate([(a.astype(float).T @ delta).ravel(), delta.sum(axis=0, dtype=float)])
    v = v if rule == "sgd" else mu * v + slope
    move = slope if rule == "sgd" else v if rule == "momentum" else slope + mu * v
    assert reference.relative(P, theta - eta * move) < TOLERANCE[dtype]
    assert (T.reshape(width, width) == P[: width * width].reshape(width, width).T).all()

    Q, R, g, T = fresh()
    half = rows // 2
    parts = [(update.gradient, (), 0, 0, half)] if half else []
    parts.append((update.gradient, (), int(half > 0), half, rows))
    run(parts, Q, R, g, T)
    assert reference.relative(g, slope) < TOLERANCE[dtype]
    run([(update.apply, (optimizer, False), 0, 0, rows)], Q, R, g, T)
    assert (Q == P).all()
    assert (R == S).all()
