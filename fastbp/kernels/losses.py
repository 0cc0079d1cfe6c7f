"""Losses: C(a^L, y) of each sample, and delta^L = dC/dz^L.

delta^L = sigma'(z^L) * dC/da^L for an elementwise output, the Jacobian-vector product
a * (g - sum_k g_k a_k) with g = dC/da^L for softmax. The canonical pairs, softmax with cross-entropy and sigmoid
with binary cross-entropy, use a - y instead, and take C from z, so that both hold at |z| = 1e4.

The kernels work on *columns*: as many rows as a vector has lanes, transposed, so that a vector holds one output of all
of them, and a sum or a maximum over the outputs is one of vectors. A row at a time, across the lanes, a step of
16-32-32-2 took a third longer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from .activations import ACTIVATIONS, IDENTITY, SOFTMAX
from .forward import activate
from .panels import round_up
from .simd import (
    INLINE,
    OPTIONS,
    absolute,
    elementwise,
    exp,
    lanes,
    load,
    log,
    log1p,
    maximum,
    splat,
    store,
    transpose_lines,
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
larger = elementwise(maximum, 2)
shifted_exp = elementwise(lambda z, top: exp(z - top), 2)
logarithm = elementwise(log, 1)
reciprocal = elementwise(lambda x: 1.0 / x, 1)
later = elementwise(lambda best, x, at, i: where(x > best, i, at), 4)
same = elementwise(lambda i, j: where(i >= j, where(j >= i, i.of(1.0), 0.0), 0.0), 2)
same_side = elementwise(
    lambda a, y: where(a >= 0.5, where(y >= 0.5, a.of(1.0), 0.0), where(y >= 0.5, a.of(0.0), 1.0)), 2
)


@njit(**OPTIONS)
def to_columns(A, a, stride, n_out, count, C, c):
    """C[c + i lanes + r] = A[r, i] for r < count <= lanes, and for the lanes beyond row count - 1 again."""
    L = lanes(A)
    for p in range((n_out + L - 1) // L):
        transpose_lines(A, a + p * stride, count, C, c + p * L * L, L)


@njit(**OPTIONS)
def from_columns(C, c, A, a, stride, n_out, count):
    """A[r, i] = C[c + i lanes + r], with zeros in the padding."""
    L = lanes(A)
    panels = (n_out + L - 1) // L
    for i in range(c + n_out * L, c + panels * L * L, L):
        store(C, i, splat(C, 0.0))
    for p in range(panels):
        transpose_lines(C, c + p * L * L, L, A, a + p * stride, count)


@njit(**OPTIONS)
def softmax(C, z, p, n_out):
    """p_i = e^(z_i - top) / sum_k e^(z_k - top), top = max z, of columns; p may be z   (003).

    Returns top and ln sum_k e^(z_k - top): apart, since their sum would lose the digits of a small loss of large z.
    """
    L, top, sums = lanes(C), load(C, z), splat(C, 0.0)
    for i in range(L, n_out * L, L):
        top = larger(load(C, z + i), top)
    for i in range(0, n_out * L, L):
        e = shifted_exp(load(C, z + i), top)
        store(C, p + i, e)
        sums += e
    share = reciprocal(sums)
    for i in range(p, p + n_out * L, L):
        store(C, i, load(C, i) * share)
    return top, logarithm(sums)


@njit(**INLINE)
def output(code, A, a, stride, n_out, first, last, C, c):
    """a^L = sigma(z^L) in place, rows first <= r < last; C is room for columns at c."""
    L = lanes(A)
    if code == SOFTMAX:
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, a + r * L, stride, n_out, count, C, c)
            softmax(C, c, c, n_out)
            from_columns(C, c, A, a + r * L, stride, n_out, count)
    elif code != IDENTITY:
        for p in range((n_out + L - 1) // L):
            activate(code, A, a + p * stride, first, last, n_out - p * L)


@njit(**OPTIONS)
def _softmax_cross_entropy(C, a, y, d, n_out, scale):
    """a^L = softmax(z^L), C = sum_i y_i (ln sum_k e^z_k - z_i), delta^L = (a^L - y) scale; returns C."""
    top, log_sum = softmax(C, a, d, n_out)
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target, p = load(C, y + i), load(C, d + i)
        costs += target * (log_sum - (load(C, a + i) - top))
        store(C, a + i, p)
        store(C, d + i, (p - target) * scale)
    return costs


@njit(**OPTIONS)
def _sigmoid_binary_cross_entropy(C, a, y, d, n_out, scale):
    """a^L = sigmoid(z^L), C of `binary_cross_entropy`, delta^L = (a^L - y) scale; returns C."""
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target = load(C, y + i)
        s, cost = logistic(load(C, a + i), target)
        costs += cost
        store(C, a + i, s)
        store(C, d + i, (s - target) * scale)
    return costs


def _any_pair(code: int, sigma_code: int):
    """The kernel of a loss and an output that have no formula of their own: delta^L = J^T dC/da^L, J = da^L/dz^L."""
    formula = elementwise(next(row.formula for row in LOSSES.values() if row.code == code), 2, results=2)
    row = next((row for row in ACTIVATIONS.values() if row.code == sigma_code), ACTIVATIONS["identity"])
    sigma, sigma_prime = elementwise(row.formula, 1), elementwise(row.derivative or row.formula, 1)
    is_softmax = sigma_code == SOFTMAX

    @njit(**OPTIONS)
    def any_pair(C, a, y, d, n_out, scale):
        """a^L = sigma(z^L), C and delta^L = J^T dC/da^L scale; returns C."""
        L = lanes(C)
        if is_softmax:
            softmax(C, a, a, n_out)
        costs, dots = splat(C, 0.0), splat(C, 0.0)
        for i in range(0, n_out * L, L):
            output = sigma(load(C, a + i))
            cost, g = formula(output, load(C, y + i))
            costs += cost
            dots += g * output
            store(C, a + i, output)
            store(C, d + i, g)
        for i in range(0, n_out * L, L):
            output, g = load(C, a + i), load(C, d + i)
            if is_softmax:
                store(C, d + i, output * (g - dots) * scale)
            else:
                store(C, d + i, g * sigma_prime(output) * scale)
        return costs

    any_pair.py_func.__qualname__ = f"any_pair_{code}_{sigma_code}"  # see compiled.py
    return any_pair


@njit(**OPTIONS)
def argmax(C, a, n_out):
    """The first i with the largest a_i; -1 if there is none (NaN)."""
    L, best, at = lanes(C), splat(C, -np.inf), splat(C, -1.0)
    for i in range(n_out):
        x = load(C, a + i * L)
        at = later(best, x, at, splat(C, np.float64(i)))
        best = larger(best, x)
    return at


@njit(**OPTIONS)
def hit(C, a, y, n_out, by_output):
    """1 if the largest output is the target's largest; by output, how many are on the target's side of 1/2."""
    if not by_output:
        return same(argmax(C, a, n_out), argmax(C, y, n_out))
    hits = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        hits += same_side(load(C, a + i), load(C, y + i))
    return hits


def room(L: int, n_out: int) -> int:
    """How many numbers of columns a loss works in: outputs, targets and deltas, then C and hits."""
    return 3 * round_up(n_out, L) * L + 2 * L


@functools.cache
def loss(code: int, sigma_code: int):
    """The loss kernel of a loss and an output activation. Pairs that are not used cost no compile time."""
    if (code, sigma_code) == (LOSSES["cross_entropy"].code, SOFTMAX):
        columns = _softmax_cross_entropy
    elif (code, sigma_code) == (LOSSES["binary_cross_entropy"].code, ACTIVATIONS["sigmoid"].code):
        columns = _sigmoid_binary_cross_entropy
    else:
        columns = _any_pair(code, sigma_code)

    @njit(**OPTIONS)
    def loss(A, a, Y, y, D, d, stride, n_out, weight, by_output, first, last, costs, hits, C, c):
        """a^L = sigma(z^L) in place, C and delta^L = weight dC/dz^L, rows first <= r < last.

        Parameters
        ----------
        A, Y, D : vectors; z^L, the targets and delta^L are n_out columns in panels at `a`, `y`, `d`.
        weight : of a sample: one over the size of the minibatch.
        costs, hits : vectors of float64; row r gets C and whether the prediction was right, see `hit`.
        C : vector; `room` for columns at `c`.
        """
        L = lanes(A)
        size = (n_out + L - 1) // L * L * L
        target, delta, sums = c + size, c + 2 * size, c + 3 * size
        scale, share = splat(D, weight), 1.0 / n_out if by_output else 1.0
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, a + r * L, stride, n_out, count, C, c)
            to_columns(Y, y + r * L, stride, n_out, count, C, target)
            store(C, sums, columns(C, c, target, delta, n_out, scale))
            store(C, sums + L, hit(C, c, target, n_out, by_output))
            from_columns(C, c, A, a + r * L, stride, n_out, count)
            from_columns(C, delta, D, d + r * L, stride, n_out, count)
            for m in range(count):
                costs[r + m] = C[sums + m]
                hits[r + m] = C[sums + L + m] * share

    loss.py_func.__qualname__ = f"loss_{code}_{sigma_code}"  # see compiled.py
    return loss
