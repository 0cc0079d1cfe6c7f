"""Losses: C(a^L, y) of each sample, and delta^L = dC/dz^L.

delta^L = sigma'(z^L) * dC/da^L for an elementwise output, the Jacobian-vector product
a * (g - sum_k g_k a_k) with g = dC/da^L for softmax. The canonical pairs, softmax with cross-entropy and sigmoid
with binary cross-entropy, use a - y instead, and take C from z, so that both hold at |z| = 1e4.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from .activations import ACTIVATIONS, IDENTITY, SOFTMAX
from .forward import activate
from .simd import (
    INLINE,
    OPTIONS,
    absolute,
    elementwise,
    exp,
    first_equal,
    keep,
    lanes,
    largest,
    load,
    log,
    log1p,
    maximum,
    splat,
    store,
    total,
    where,
)


def cross_entropy(a, y):
    """C = -sum_i y_i ln a_i   (002). dC/da_i = -y_i / a_i; a is taken as the smallest normal number below it."""
    p = maximum(a, a.tiny)
    return -y * log(p), -y / p


def binary_cross_entropy(a, y):
    """C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i))   (002). dC/da_i = (a_i - y_i) / (a_i (1 - a_i))."""
    p, q = maximum(a, a.tiny), maximum(1.0 - a, a.tiny)
    return -(y * log(p) + (1.0 - y) * log(q)), (1.0 - y) / q - y / p


def squared_error(a, y):
    """C = 1/2 sum_i (a_i - y_i)^2   (002). dC/da_i = a_i - y_i."""
    g = a - y
    return 0.5 * g * g, g


class Loss(NamedTuple):
    """A row of the table: how the kernels know it, (C, dC/da) by output, and what its targets are."""

    code: int
    formula: Callable
    targets: str


LOSSES = {
    "cross_entropy": Loss(0, cross_entropy, "distribution"),
    "binary_cross_entropy": Loss(1, binary_cross_entropy, "probabilities"),
    "squared_error": Loss(2, squared_error, "values"),
}
"""name: row."""


def _logistic(z, y):
    """a = sigmoid(z) and C = max(z, 0) - z y + ln(1 + e^-|z|), exact where ln a would underflow."""
    u = exp(-absolute(z))
    return where(z < 0.0, u, 1.0) / (1.0 + u), maximum(z, 0.0) - z * y + log1p(u)


logistic = elementwise(_logistic, 2, results=2)
shifted_exp = elementwise(lambda z, top: exp(z - top), 2)
logarithm = elementwise(log, 1)


@njit(**OPTIONS)
def softmax(Z, z, P, p, stride, n_out):
    """P_i = e^(z_i - top) / sum_k e^(z_k - top), top = max z, of one row   (003).

    The row's vectors are `stride` apart. P may be Z. Returns vectors of top and of ln sum_k e^(z_k - top): apart, since
    their sum would lose the digits of a small loss of large z.
    """
    L = lanes(Z)
    panels = (n_out + L - 1) // L
    top = largest(keep(load(Z, z), n_out, -np.inf))
    for i in range(1, panels):
        other = largest(keep(load(Z, z + i * stride), n_out - i * L, -np.inf))
        if other > top:
            top = other
    tops, sums = splat(Z, top), splat(Z, 0.0)
    for i in range(panels):
        e = keep(shifted_exp(load(Z, z + i * stride), tops), n_out - i * L, 0.0)
        store(P, p + i * stride, e)
        sums += e
    s = total(sums)
    share = splat(Z, 1.0 / s)
    for i in range(p, p + panels * stride, stride):
        store(P, i, load(P, i) * share)
    return tops, logarithm(splat(Z, s))


@njit(**INLINE)
def output(code, A, a, stride, n_out, first, last):
    """a^L = sigma(z^L) in place, rows first <= r < last."""
    L = lanes(A)
    if code == SOFTMAX:
        for r in range(first, last):
            softmax(A, a + r * L, A, a + r * L, stride, n_out)
    elif code != IDENTITY:
        for p in range((n_out + L - 1) // L):
            activate(code, A, a + p * stride, first, last, n_out - p * L)


@njit(**OPTIONS)
def _softmax_cross_entropy(A, a, Y, y, D, d, stride, n_out, scale):
    """One row of a^L = softmax(z^L), C = sum_i y_i (ln sum_k e^z_k - z_i), delta^L = (a^L - y) scale; returns C."""
    tops, log_sum = softmax(A, a, D, d, stride, n_out)
    costs = splat(A, 0.0)
    for i in range(0, (n_out + lanes(A) - 1) // lanes(A) * stride, stride):
        target, p = load(Y, y + i), load(D, d + i)
        costs += target * (log_sum - (load(A, a + i) - tops))
        store(A, a + i, p)
        store(D, d + i, (p - target) * scale)
    return total(costs)


@njit(**OPTIONS)
def _sigmoid_binary_cross_entropy(A, a, Y, y, D, d, stride, n_out, scale):
    """One row of a^L = sigmoid(z^L), C of `binary_cross_entropy`, delta^L = (a^L - y) scale; returns C."""
    L = lanes(A)
    costs = splat(A, 0.0)
    for p in range((n_out + L - 1) // L):
        i, valid = p * stride, n_out - p * L
        target = load(Y, y + i)
        s, cost = logistic(load(A, a + i), target)
        costs += keep(cost, valid, 0.0)
        store(A, a + i, keep(s, valid, 0.0))
        store(D, d + i, keep(s - target, valid, 0.0) * scale)
    return total(costs)


def _any_pair(code: int, sigma_code: int):
    """The kernel of a loss and an output that have no formula of their own: delta^L = J^T dC/da^L, J = da^L/dz^L."""
    formula = elementwise(next(row.formula for row in LOSSES.values() if row.code == code), 2, results=2)
    row = next((row for row in ACTIVATIONS.values() if row.code == sigma_code), ACTIVATIONS["identity"])
    sigma, sigma_prime = elementwise(row.formula, 1), elementwise(row.derivative or row.formula, 1)
    is_softmax = sigma_code == SOFTMAX

    @njit(**OPTIONS)
    def any_pair(A, a, Y, y, D, d, stride, n_out, scale):
        """One row of a^L = sigma(z^L), C and delta^L = J^T dC/da^L scale; returns C."""
        L = lanes(A)
        panels = (n_out + L - 1) // L
        if is_softmax:
            softmax(A, a, A, a, stride, n_out)
        costs, dots = splat(A, 0.0), splat(A, 0.0)
        for p in range(panels):
            i, valid = p * stride, n_out - p * L
            output = keep(sigma(load(A, a + i)), valid, 0.0)
            cost, g = formula(output, load(Y, y + i))
            g = keep(g, valid, 0.0)
            costs += keep(cost, valid, 0.0)
            dots += g * output
            store(A, a + i, output)
            store(D, d + i, g)
        mean = splat(A, total(dots))
        for i in range(0, panels * stride, stride):
            output, g = load(A, a + i), load(D, d + i)
            if is_softmax:
                store(D, d + i, output * (g - mean) * scale)
            else:
                store(D, d + i, g * sigma_prime(output) * scale)
        return total(costs)

    return any_pair


@njit(**INLINE)
def argmax(A, a, stride, n_out):
    """The first i with the largest A_i of one row; a number that is no class if there is none (NaN)."""
    L = lanes(A)
    best, at = largest(keep(load(A, a), n_out, -np.inf)), 0
    for p in range(1, (n_out + L - 1) // L):
        other = largest(keep(load(A, a + p * stride), n_out - p * L, -np.inf))
        if other > best:
            best, at = other, p
    return at * L + first_equal(load(A, a + at * stride), best)


@njit(**INLINE)
def hit(A, a, Y, y, stride, n_out, by_output):
    """1 if the largest output is the target's largest; by output, the share on the target's side of 1/2."""
    if not by_output:
        return 1.0 if argmax(A, a, stride, n_out) == argmax(Y, y, stride, n_out) else 0.0
    L, right = lanes(A), 0
    for i in range(n_out):
        k = i // L * stride + i % L
        right += (A[a + k] >= 0.5) == (Y[y + k] >= 0.5)
    return right / n_out


@functools.cache
def loss(code: int, sigma_code: int):
    """The loss kernel of a loss and an output activation. Pairs that are not used cost no compile time."""
    if (code, sigma_code) == (LOSSES["cross_entropy"].code, SOFTMAX):
        row = _softmax_cross_entropy
    elif (code, sigma_code) == (LOSSES["binary_cross_entropy"].code, ACTIVATIONS["sigmoid"].code):
        row = _sigmoid_binary_cross_entropy
    else:
        row = _any_pair(code, sigma_code)

    @njit(**OPTIONS)
    def loss(A, a, Y, y, D, d, stride, n_out, weight, by_output, first, last, costs, hits):
        """a^L = sigma(z^L) in place, C and delta^L = weight dC/dz^L, rows first <= r < last.

        Parameters
        ----------
        A, Y, D : vectors; z^L, the targets and delta^L are n_out columns in panels at `a`, `y`, `d`.
        weight : of a sample: one over the size of the minibatch.
        costs, hits : vectors of float64; row r gets C and whether the prediction was right, see `hit`.
        """
        L = lanes(A)
        scale = splat(D, weight)
        for r in range(first, last):
            costs[r] = row(A, a + r * L, Y, y + r * L, D, d + r * L, stride, n_out, scale)
            hits[r] = hit(A, a + r * L, Y, y + r * L, stride, n_out, by_output)

    return loss
