"""forward, backward and gradient of one layer against float64, over sizes around the tile's and the line's."""

import itertools

import numpy as np
import pytest
import reference
from kernels.harness import RAGGED, from_panels, to_panels
from numba import njit

from fastbp.kernels import gradient
from fastbp.kernels.backward import backward
from fastbp.kernels.forward import all_finite, forward
from fastbp.kernels.panels import aligned, lanes_of, round_up
from fastbp.kernels.rules import HYPERPARAMETERS
from fastbp.kernels.simd import M, N, lanes

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}
CASES = [*itertools.product(RAGGED, (1, 10, 33)), *itertools.product((5, 16), RAGGED)]
ROWS = [1, 2, 3, M, M + 1, 2 * M + 3]


@njit
def run_backward(D, delta, stride, T, zeros, t, n_in, n_out, d, rows):
    for j in range(0, -(-n_in // lanes(D)), N):
        backward(D, delta, stride, T, zeros, t, t, n_in, n_out, d, 0, rows, j)


@njit
def run_forward(X, x, step, hop, W, n_in, n_out, A, z, stride, rows):
    for i in range(0, -(-n_out // lanes(A)), N):
        forward(X, x, step, hop, W, 0, n_in, n_out, A, z, stride, 0, rows, i)
    return all_finite(A, z, 0, rows)


def layer(n_in, n_out, dtype, seed=0):
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(n_in, n_out)).astype(dtype), rng.normal(size=n_out).astype(dtype)
    width = lanes_of(dtype)
    theta = np.concatenate([to_panels(W, round_up(n_in, width), dtype), to_panels(b[None], 1, dtype)])
    out = aligned(theta.size, dtype)
    out[:] = theta
    return W, b, out


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_forward(n_in, n_out, dtype):
    W, b, theta = layer(n_in, n_out, dtype)
    width = lanes_of(dtype)
    for rows in ROWS:
        a = np.random.default_rng(1).normal(size=(rows, n_in)).astype(dtype)
        z = a.astype(float) @ W + b
        left = to_panels(a, rows, dtype)
        A = aligned(left.size + round_up(n_out, width) * rows, dtype)
        A[: left.size] = left
        stride, out = rows * width, aligned(A.size - left.size, dtype)
        assert run_forward(A, 0, width, stride, theta, n_in, n_out, A, left.size, stride, rows)
        out[:] = A[left.size :]
        assert reference.relative(from_panels(out, rows, (rows, n_out)), z) < TOLERANCE[dtype]
        run_forward(a.ravel(), 0, n_in, width, theta, n_in, n_out, A, left.size, stride, rows)
        assert (A[left.size :] == out).all()  # from a matrix, the same bits as from panels


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_forward_tells_of_inputs_that_are_not_finite(value):
    for rows, n_in, n_out in ((1, 1, 1), (M + 3, 21, 40)):
        _, _, theta = layer(n_in, n_out, np.float32)
        width = lanes_of(np.float32)
        X = np.ones((rows, n_in), np.float32)
        X[rows - 1, n_in - 1] = value
        A = aligned(round_up(n_out, width) * rows, np.float32)
        assert not run_forward(X.ravel(), 0, n_in, width, theta, n_in, n_out, A, 0, rows * width, rows)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n_in", "n_out"), CASES)
def test_backward(n_in, n_out, dtype):
    W, _, _ = layer(n_in, n_out, dtype)
    width = lanes_of(dtype)
    T = to_panels(W.T, round_up(n_out, width), dtype)
    transposed = aligned(N * width + T.size, dtype)
    transposed[N * width :] = T
    for rows in ROWS:
        rng = np.random.default_rng(1)
        delta = rng.normal(size=(rows, n_out)).astype(dtype)
        above = to_panels(delta, rows, dtype)
        D = aligned(above.size + round_up(n_in, width) * rows, dtype)
        D[: above.size] = above
        run_backward(D, 0, rows * width, transposed, 0, N * width, n_in, n_out, above.size, rows)
        out = aligned(D.size - above.size, dtype)
        out[:] = D[above.size :]
        assert reference.relative(from_panels(out, rows, (rows, n_in)), delta.astype(float) @ W.T) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("rows", ROWS)
def test_gradient_and_update(rows, rule, dtype):
    """One block: sum, update, transpose; then the same from a stored gradient, to the same bits."""
    weights, biases = gradient.kernels(rule)
    width, eta, mu = lanes_of(dtype), 0.1, 0.9
    rng = np.random.default_rng(0)
    a, delta = (rng.normal(size=(rows, width)).astype(dtype) for _ in range(2))
    A, D = to_panels(a, rows, dtype), to_panels(delta, rows, dtype)
    h = np.zeros(HYPERPARAMETERS, dtype)
    h[:2] = eta, mu

    @njit
    def block(A, D, rows, h, P, S, g, T, resume, update, stream=False):
        weights(A, 0, D, 0, rows, h, 0, (), P, 0, S, g, T, 0, resume, update, stream)
        biases(D, 0, rows, h, 0, (), P, T.size, S, g, resume, update)

    def fresh():
        P, S, g = (aligned(width * width + width, dtype) for _ in range(3))
        P[:], S[:] = np.linspace(-1, 1, P.size), np.linspace(0, 1, P.size)
        return P, S, g, aligned(width * width, dtype)

    P, S, g, T = fresh()
    theta, v = P.astype(float), S.astype(float)
    block(A, D, rows, h, P, S, g, T, False, True)
    slope = np.concatenate([(a.astype(float).T @ delta).ravel(), delta.sum(axis=0, dtype=float)])
    v = v if rule == "sgd" else mu * v + slope
    move = slope if rule == "sgd" else v if rule == "momentum" else slope + mu * v
    assert reference.relative(P, theta - eta * move) < TOLERANCE[dtype]
    assert (T.reshape(width, width) == P[: width * width].reshape(width, width).T).all()

    Q, R, g, T = fresh()
    half = rows // 2
    tail = aligned((rows - half) * width, dtype), aligned((rows - half) * width, dtype)
    tail[0][:], tail[1][:] = A[half * width :], D[half * width :]
    block(A, D, half, h, Q, R, g, T, False, False)
    block(*tail, rows - half, h, Q, R, g, T, True, False)
    assert reference.relative(g, slope) < TOLERANCE[dtype]
    block(A, D, 0, h, Q, R, g, T, True, True)
    assert (Q == P).all()
    assert (R == S).all()
