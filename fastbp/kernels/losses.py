"""Losses: C(a^L, y) of each sample, and delta^L = dC/dz^L.

delta^L = sigma'(z^L) * dC/da^L for an elementwise output, the Jacobian-vector product
a * (g - sum_k g_k a_k) with g = dC/da^L for softmax. The canonical pairs, softmax with cross-entropy and sigmoid
with binary cross-entropy, use a - y instead, and take C from z, so that both hold at |z| = 1e4.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from .activations import ACTIVATIONS, SOFTMAX, row_of, sigma, sigma_prime
from .columns import from_columns, larger, softmax, to_columns
from .panels import round_up
from .simd import (
    OPTIONS,
    absolute,
    elementwise,
    exp,
    fma,
    lanes,
    load,
    log,
    log1p,
    maximum,
    minimum,
    splat,
    sqrt,
    store,
    where,
)


def cross_entropy(a, y, smoothing, share):
    """C = -sum_i y_i ln a_i   (002). dC/da_i = -y_i / a_i; a is taken as the smallest normal number below it.

    With label smoothing y stands for (1 - smoothing) y + smoothing / n_out (Szegedy et al. 2016).
    """
    p, y = maximum(a, a.tiny), smooth(y, smoothing, share)
    return -y * log(p), -y / p


def smooth(y, smoothing, share):
    """(1 - smoothing) y + smoothing / n_out; y itself, to the bit, without smoothing."""
    return fma(y, 1.0 - smoothing, smoothing * share)


def binary_cross_entropy(a, y):
    """C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i))   (002). dC/da_i = (a_i - y_i) / (a_i (1 - a_i))."""
    p, q = maximum(a, a.tiny), maximum(1.0 - a, a.tiny)
    return -(y * log(p) + (1.0 - y) * log(q)), (1.0 - y) / q - y / p


def squared_error(a, y):
    """C = 1/2 sum_i (a_i - y_i)^2   (002). dC/da_i = a_i - y_i."""
    g = a - y
    return 0.5 * g * g, g


def mean_squared_error(a, y, _, share):
    """C = sum_i (a_i - y_i)^2 / n_out. dC/da_i = 2 (a_i - y_i) / n_out."""
    g = a - y
    return share * g * g, 2.0 * share * g


def absolute_error(a, y):
    """C = sum_i |a_i - y_i|. dC/da_i is its sign, 0 at 0."""
    r = a - y
    return absolute(r), _sign(r)


def _sign(r):
    """1, 0 or -1; NaN of NaN."""
    return where(r > 0.0, 1.0, where(r < 0.0, -1.0, r))


def huber(a, y, delta):
    """C = sum_i r_i^2 / 2 for r_i = a_i - y_i with |r_i| <= delta, delta (|r_i| - delta / 2) beyond   (Huber 1964)."""
    r = a - y
    g = minimum(maximum(r, -delta), delta)
    return g * (r - 0.5 * g), g


def quantile(a, y, q):
    """C = sum_i q (y_i - a_i) where y_i > a_i, and (1 - q) (a_i - y_i) elsewhere   (Koenker and Bassett 1978)."""
    r = a - y
    g = where(r > 0.0, 1.0 - q, where(r < 0.0, -q, r))
    return r * g, g


def poisson(a, y):
    """C = sum_i a_i - y_i ln a_i: but for a constant, that of Poisson distributions with the means a_i."""
    p = maximum(a, a.tiny)
    return a - y * log(p), 1.0 - y / p


def hinge(a, y):
    """C = sum_i max(0, 1 - s_i a_i), s_i = 1 where y_i > 0 and else -1."""
    s = where(y > 0.0, y.of(1.0), -1.0)
    margin = 1.0 - s * a
    return maximum(margin, 0.0), where(margin < 0.0, 0.0, where(margin > 0.0, -s, margin))


def squared_hinge(a, y):
    """C = sum_i max(0, 1 - s_i a_i)^2, s_i = 1 where y_i > 0 and else -1."""
    s = where(y > 0.0, y.of(1.0), -1.0)
    margin = maximum(1.0 - s * a, 0.0)
    return margin * margin, -2.0 * s * margin


class Loss(NamedTuple):
    """A row of the table: (C, dC/da) by output, and what its targets are."""

    formula: Callable | None
    """Of a, y, and if it takes them its parameter and 1 / n_out; None if C is not a sum over the outputs."""
    targets: str
    """Their kind, see `checks.targets`."""
    threshold: float = 0.5
    """From which output on an output by itself says yes."""


LOSSES = {
    "cross_entropy": Loss(cross_entropy, "distribution"),
    "binary_cross_entropy": Loss(binary_cross_entropy, "probabilities"),
    "squared_error": Loss(squared_error, "values"),
    "mean_squared_error": Loss(mean_squared_error, "values"),
    "absolute_error": Loss(absolute_error, "values"),
    "huber": Loss(huber, "values"),
    "quantile": Loss(quantile, "values"),
    "poisson": Loss(poisson, "counts"),
    "hinge": Loss(hinge, "signs", threshold=0.0),
    "squared_hinge": Loss(squared_hinge, "signs", threshold=0.0),
    "multiclass_hinge": Loss(None, "distribution"),
    "norm_error": Loss(None, "values"),
}
"""name: row."""


def _logistic(z, y):
    """a = sigmoid(z) and C = max(z, 0) - z y + ln(1 + e^-|z|), exact where ln a would underflow."""
    u = exp(-absolute(z))
    return where(z < 0.0, u, 1.0) / (1.0 + u), maximum(z, 0.0) - z * y + log1p(u)


logistic = elementwise(_logistic, 2, results=2)
smoothed = elementwise(smooth, 3)
hinge_margin = elementwise(
    lambda a, right, y: (maximum(a - right + 1.0, 0.0) * (1.0 - y), where(a - right + 1.0 > 0.0, 1.0 - y, 0.0)),
    3,
    results=2,
)
root = elementwise(sqrt, 1)
ratio = elementwise(lambda x, y: where(y > 0.0, x / y, x), 2)
later = elementwise(lambda best, x, at, i: where(x > best, i, at), 4)
same = elementwise(lambda i, j: where(i >= j, where(j >= i, i.of(1.0), 0.0), 0.0), 2)
same_side = elementwise(
    lambda a, y, least: where(
        a >= least, where(y >= 0.5, a.of(1.0), 0.0), where(a < least, where(y >= 0.5, a.of(0.0), 1.0), 0.0)
    ),
    3,
)


@njit(**OPTIONS)
def _softmax_cross_entropy(C, a, y, d, n_out, scale, smoothing, share, output_parameter):
    """a^L = softmax(z^L), C = sum_i y_i (ln sum_k e^z_k - z_i), delta^L = (a^L - y) scale; returns C."""
    top, log_sum = softmax(C, a, d, n_out)
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target, p = smoothed(load(C, y + i), smoothing, share), load(C, d + i)
        costs += target * (log_sum - (load(C, a + i) - top))
        store(C, a + i, p)
        store(C, d + i, (p - target) * scale)
    return costs


@njit(**OPTIONS)
def _sigmoid_binary_cross_entropy(C, a, y, d, n_out, scale, parameter, share, output_parameter):
    """a^L = sigmoid(z^L), C of `binary_cross_entropy`, delta^L = (a^L - y) scale; returns C."""
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target = load(C, y + i)
        s, cost = logistic(load(C, a + i), target)
        costs += cost
        store(C, a + i, s)
        store(C, d + i, (s - target) * scale)
    return costs


@njit(**OPTIONS)
def _multiclass_hinge(C, a, y, d, n_out, parameter, share):
    """d_i *= dC/da_i, C = sum_(i not k) max(0, a_i - a_k + 1) for the class k of y   (001); returns C."""
    L = lanes(C)
    right, costs, wrong = splat(C, 0.0), splat(C, 0.0), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        right += load(C, y + i) * load(C, a + i)
    for i in range(0, n_out * L, L):
        cost, g = hinge_margin(load(C, a + i), right, load(C, y + i))
        costs += cost
        wrong += g
    for i in range(0, n_out * L, L):
        _, g = hinge_margin(load(C, a + i), right, load(C, y + i))
        store(C, d + i, load(C, d + i) * (g - load(C, y + i) * wrong))
    return costs


@njit(**OPTIONS)
def _norm_error(C, a, y, d, n_out, parameter, share):
    """d_i *= dC/da_i, C = ||y - a||, whose gradient is taken as 0 at 0   (000); returns C."""
    L, squares = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        r = load(C, a + i) - load(C, y + i)
        squares += r * r
    norm = root(squares)
    for i in range(0, n_out * L, L):
        store(C, d + i, load(C, d + i) * ratio(load(C, a + i) - load(C, y + i), norm))
    return norm


def _sum_over_outputs(formula: Callable):
    """The kernel of a loss that is a sum over the outputs."""
    takes = len(inspect.signature(formula).parameters)
    term = elementwise(lambda *arguments: formula(*arguments[:takes]), 4, results=2)

    @njit(**OPTIONS)
    def sum_over_outputs(C, a, y, d, n_out, parameter, share):
        """d_i *= dC/da_i; returns C."""
        costs = splat(C, 0.0)
        for i in range(0, n_out * lanes(C), lanes(C)):
            cost, g = term(load(C, a + i), load(C, y + i), parameter, share)
            costs += cost
            store(C, d + i, load(C, d + i) * g)
        return costs

    return sum_over_outputs


def _any_pair(name: str, sigma_code: int):
    """The kernel of a loss and an output that have no formula of their own: delta^L = J^T dC/da^L, J = da^L/dz^L."""
    kernels = {"multiclass_hinge": _multiclass_hinge, "norm_error": _norm_error}
    evaluate = kernels.get(name) or _sum_over_outputs(LOSSES[name].formula)
    is_softmax = sigma_code == SOFTMAX
    function, prime = sigma(0 if is_softmax else sigma_code), sigma_prime(0 if is_softmax else sigma_code)
    of_z = not is_softmax and row_of(sigma_code).of_z

    @njit(**OPTIONS)
    def any_pair(C, a, y, d, n_out, scale, parameter, share, output_parameter):
        """a^L = sigma(z^L), C and delta^L = J^T dC/da^L scale; returns C."""
        L = lanes(C)
        if is_softmax:
            softmax(C, a, a, n_out)
        for i in range(0, n_out * L, L):
            z = load(C, a + i)
            output = function(z, output_parameter)
            store(C, a + i, output)
            store(C, d + i, prime(z if of_z else output, output_parameter))
        costs = evaluate(C, a, y, d, n_out, parameter, share)
        dots = splat(C, 0.0)
        if is_softmax:
            for i in range(0, n_out * L, L):
                dots += load(C, d + i) * load(C, a + i)
        for i in range(0, n_out * L, L):
            g = load(C, d + i)
            store(C, d + i, (load(C, a + i) * (g - dots) if is_softmax else g) * scale)
        return costs

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
def hit(C, a, y, n_out, by_output, least):
    """1 if the largest output is the target's largest; by output, the share that is on the target's side of `least`."""
    if not by_output:
        return same(argmax(C, a, n_out), argmax(C, y, n_out))
    hits = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        hits += same_side(load(C, a + i), load(C, y + i), splat(C, least))
    return hits * splat(C, 1.0 / n_out)


def room(L: int, n_out: int) -> int:
    """How many numbers of columns a loss works in: outputs, targets and deltas, then C, hits and weights."""
    return 3 * round_up(n_out, L) * L + 3 * L


@functools.cache
def loss(name: str, sigma_code: int):
    """The loss kernel of a loss and an output activation. Pairs that are not used cost no compile time."""
    own = {
        ("cross_entropy", SOFTMAX): _softmax_cross_entropy,
        ("binary_cross_entropy", ACTIVATIONS["sigmoid"].code): _sigmoid_binary_cross_entropy,
    }
    columns, least = own.get((name, sigma_code)) or _any_pair(name, sigma_code), LOSSES[name].threshold

    @njit(**OPTIONS)
    def loss(
        A, a, Y, y, D, d, stride, n_out, parameters, scale, weights, by_output, first, last, costs, hits, C, c
    ):  # fmt: skip
        """a^L = sigma(z^L) in place, C and delta^L = scale dC/dz^L, rows first <= r < last.

        Parameters
        ----------
        A, Y, D : vectors; z^L, the targets and delta^L are n_out columns in panels at `a`, `y`, `d`.
        parameters : of the loss and of sigma.
        scale : one over the size of the minibatch.
        weights : vector of float64, of the rows; or empty, and all are 1. C, hits and delta^L are multiplied by them.
        costs, hits : vectors of float64; row r gets C and whether the prediction was right, see `hit`.
        C : vector; `room` for columns at `c`.
        """
        L = lanes(A)
        size = (n_out + L - 1) // L * L * L
        target, delta, sums = c + size, c + 2 * size, c + 3 * size
        share, p, q = splat(C, 1.0 / n_out), splat(C, parameters[0]), splat(C, parameters[1])
        weight = splat(C, 1.0)
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, a + r * L, stride, n_out, count, C, c)
            to_columns(Y, y + r * L, stride, n_out, count, C, target)
            if len(weights):
                for m in range(L):  # lanes beyond the last row stand for it, see `transpose_lines`
                    C[sums + 2 * L + m] = weights[r + min(m, count - 1)]
                weight = load(C, sums + 2 * L)
            store(C, sums, weight * columns(C, c, target, delta, n_out, weight * splat(C, scale), p, share, q))
            store(C, sums + L, weight * hit(C, c, target, n_out, by_output, least))
            from_columns(C, c, A, a + r * L, stride, n_out, count)
            from_columns(C, delta, D, d + r * L, stride, n_out, count)
            for m in range(count):
                costs[r + m] = C[sums + m]
                hits[r + m] = C[sums + L + m]

    return loss
