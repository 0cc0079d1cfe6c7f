"""Columns: as many rows as a vector has lanes, transposed, so that a vector holds one output of all of them.

A sum or a maximum over the outputs is a sum or a maximum of vectors then. Row by row, across the lanes, a step of
16-32-32-2 took a third longer. The functions here take the columns of `n_out` outputs from an offset of C on: those of
a, of the targets y, and of d, where they write dC/da.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .panels import round_up
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.functions import exp, log, log1p
from .simd.memory import lanes, load, splat, store
from .simd.tiles import transpose_lines
from .simd.vector import absolute, fma, maximum, sqrt, where


def room(L: int, n_out: int) -> int:
    """How many numbers of columns a thread works in: outputs, targets and deltas, then losses, hits and weights."""
    return 3 * round_up(n_out, L) * L + 3 * L


@njit(**OPTIONS)
def to_columns(A, a, stride, n_out, count, C, c):
    """C[c + i lanes + r] = A[r, i] for r < count <= lanes; row count - 1 also stands for the rows beyond it."""
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


larger = elementwise(maximum, 2)
shifted_exp = elementwise(lambda z, top: exp(z - top), 2)
logarithm = elementwise(log, 1)
reciprocal = elementwise(lambda x: 1.0 / x, 1)


@njit(**OPTIONS)
def softmax(C, z, p, n_out):
    """p_i = e^(z_i - top) / sum_k e^(z_k - top), top = max z, of columns; p may be z   (003).

    Returns top and ln sum_k e^(z_k - top). They come apart, since their sum would lose the digits of a small loss of
    large z.
    """
    L, top, sums = lanes(C), load(C, z), splat(C, 0.0)
    for i in range(L, n_out * L, L):
        top = larger(load(C, z + i), top)
    for i in range(0, n_out * L, L):
        e = shifted_exp(load(C, z + i), top)
        store(C, p + i, e)
        sums += e
    inverse = reciprocal(sums)
    for i in range(p, p + n_out * L, L):
        store(C, i, load(C, i) * inverse)
    return top, logarithm(sums)


@njit(**OPTIONS)
def softmax_back(C, a, d, n_out):
    """d_i <- a_i (d_i - sum_k d_k a_k), of columns."""
    L, dots = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        dots += load(C, d + i) * load(C, a + i)
    for i in range(0, n_out * L, L):
        store(C, d + i, load(C, a + i) * (load(C, d + i) - dots))


def smooth(y, smoothing, uniform):
    """(1 - smoothing) y + smoothing / n_out, with `uniform` = 1 / n_out; y itself, to the bit, without smoothing."""
    return fma(y, 1.0 - smoothing, smoothing * uniform)


def _logistic(z, y):
    """a = sigmoid(z) and C = max(z, 0) - z y + ln(1 + e^-|z|), exact where ln a would underflow."""
    u = exp(-absolute(z))
    return where(z < 0.0, u, 1.0) / (1.0 + u), maximum(z, 0.0) - z * y + log1p(u)


logistic = elementwise(_logistic, 2, results=2)
smoothed = elementwise(smooth, 2)
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


def sum_over_outputs(formula):
    """The function of columns for a loss that is a sum over the outputs: `formula(a, y, *parameters)` is (C, dC/da)."""
    term = elementwise(formula, 3, results=2)

    @njit(**OPTIONS)
    def sum_over_outputs(C, a, y, d, n_out, parameters):
        """d_i = dC/da_i; returns C."""
        costs = splat(C, 0.0)
        for i in range(0, n_out * lanes(C), lanes(C)):
            cost, g = term(load(C, a + i), load(C, y + i), parameters)
            costs += cost
            store(C, d + i, g)
        return costs

    return sum_over_outputs


@njit(**OPTIONS)
def softmax_cross_entropy(C, a, y, d, n_out, parameters):
    """a = softmax(z), C = sum_i y_i (ln sum_k e^z_k - z_i), dC/dz = a - y; returns C. The z stand where a will."""
    top, log_sum = softmax(C, a, d, n_out)
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target, p = smoothed(load(C, y + i), parameters), load(C, d + i)
        costs += target * (log_sum - (load(C, a + i) - top))
        store(C, a + i, p)
        store(C, d + i, p - target)
    return costs


@njit(**OPTIONS)
def sigmoid_binary_cross_entropy(C, a, y, d, n_out, parameters):
    """a = sigmoid(z), C of binary cross-entropy, dC/dz = a - y; returns C. The z stand where a will."""
    costs = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        target = load(C, y + i)
        s, cost = logistic(load(C, a + i), target)
        costs += cost
        store(C, a + i, s)
        store(C, d + i, s - target)
    return costs


@njit(**OPTIONS)
def multiclass_hinge(C, a, y, d, n_out, parameters):
    """C = sum_(i not k) max(0, a_i - a_k + 1) for the class k of y, d = dC/da   (001); returns C."""
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
        store(C, d + i, g - load(C, y + i) * wrong)
    return costs


@njit(**OPTIONS)
def norm_error(C, a, y, d, n_out, parameters):
    """C = ||y - a||, whose gradient is taken as 0 at 0   (000), d = dC/da; returns C."""
    L, squares = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        r = load(C, a + i) - load(C, y + i)
        squares += r * r
    norm = root(squares)
    for i in range(0, n_out * L, L):
        store(C, d + i, ratio(load(C, a + i) - load(C, y + i), norm))
    return norm


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
def hit(C, a, y, n_out, by_output, threshold):
    """1 if the largest output is the target's largest; by output, the part of the outputs that are on the target's
    side of the threshold."""
    if not by_output:
        return same(argmax(C, a, n_out), argmax(C, y, n_out))
    hits = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        hits += same_side(load(C, a + i), load(C, y + i), splat(C, threshold))
    return hits * splat(C, 1.0 / n_out)
