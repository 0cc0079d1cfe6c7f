"""This module computes losses on columns: as many rows as a vector has lanes, transposed.

In columns, a vector holds one output of all these rows. A sum or a maximum over the outputs is then a sum or a maximum
of vectors. When it was computed row by row, across the lanes, a step of 16-32-32-2 took a third longer.

The functions take columns from a vector C of memory. Their arguments a, y and d are positions in C: of the outputs, of
the targets, and of the place where they write dC/da. Output i of row r is C[a + i lanes + r], for i < n_out and r <
lanes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .panels import round_up
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.functions import exp, log, log1p, smooth
from .simd.memory import lanes, load, splat, store
from .simd.tiles import tile_load, tile_store, transpose_lines
from .simd.vector import absolute, maximum, sqrt, where


def room(L: int, n_out: int, n_targets: int) -> int:
    """Return how many values a thread needs: columns of outputs, targets and deltas; losses, hits and weights."""
    return (2 * round_up(n_out, L) + round_up(n_targets, L)) * L + 3 * L


@njit(**OPTIONS)
def to_columns(A, a, stride, n_out, count, C, c):
    """C[c + i lanes + r] = A[r, i] for r < count <= lanes. Row count - 1 also fills the columns of the rows after it.

    A is a matrix in panels that begins at position a, with `stride` values from one panel to the next.
    """
    L = lanes(A)
    for p in range((n_out + L - 1) // L):
        transpose_lines(A, a + p * stride, count, C, c + p * L * L, L)


@njit(**OPTIONS)
def from_columns(C, c, A, a, stride, n_out, count):
    """A[r, i] = C[c + i lanes + r] for r < count. The padding of A becomes 0. A is a matrix as for `to_columns`."""
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
    """p_i = e^(z_i - top) / sum_k e^(z_k - top) with top = max_k z_k, in columns   (004).

    The positions p and z may be equal. The function returns top and ln sum_k e^(z_k - top), which are vectors. It does
    not return their sum: for large z, the sum would lose the digits of a small loss.
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
    """d_i <- a_i (d_i - sum_k d_k a_k), in columns. This is the product with the derivative of softmax."""
    L, dots = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        dots += load(C, d + i) * load(C, a + i)
    for i in range(0, n_out * L, L):
        store(C, d + i, load(C, a + i) * (load(C, d + i) - dots))


def _logistic(z, y):
    """Return a = sigmoid(z) and C = max(z, 0) - z y + ln(1 + e^-|z|), which is exact even where a is 0."""
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
same = elementwise(lambda i, j: where(i >= j, where(j >= i, 1.0, 0.0), 0.0), 2)
same_side = elementwise(
    lambda a, y, least: where(a >= least, where(y >= 0.5, 1.0, 0.0), where(a < least, where(y >= 0.5, 0.0, 1.0), 0.0)),
    3,
)


def sum_over_outputs(formula):
    """Return the function of columns for a loss that is a sum over the outputs.

    `formula(a, y, *parameters)` returns (C, dC/da) of one output, as vectors.
    """
    term = elementwise(formula, 3, results=2)

    @njit(**OPTIONS)
    def sum_over_outputs(C, a, y, d, n_out, parameters):
        """d_i = dC/da_i for each output i. Returns C, the sum over the outputs."""
        costs = splat(C, 0.0)
        for i in range(0, n_out * lanes(C), lanes(C)):
            cost, g = term(load(C, a + i), load(C, y + i), parameters)
            costs += cost
            store(C, d + i, g)
        return costs

    return sum_over_outputs


def columns_of(loss, output: str):
    """Return the function of columns of a loss that includes the activation function `output`, or with "" none."""
    if output or loss.whole_row:
        return globals()[loss.fused[output] if output else loss.whole_row]
    return rows_of_outputs(loss.term, loss.n_out, loss.n_targets) if loss.rows else sum_over_outputs(loss.term)


def rows_of_outputs(formula, outputs: int, targets: int):
    """Return the function of columns for a loss of whole rows, with so many outputs and targets.

    `formula(*a, *y, *parameters)` returns C and then dC/da_i for each output, as vectors.
    """
    row = elementwise(formula, 3, results=1 + outputs)

    @njit(**OPTIONS)
    def rows_of_outputs(C, a, y, d, n_out, parameters):
        """d_i = dC/da_i for each output i. Returns C."""
        L = lanes(C)
        results = row(tile_load(outputs, 1, C, a, L), tile_load(targets, 1, C, y, L), parameters)
        tile_store(outputs, 1, results[1:], C, d, L)
        return results[0]

    return rows_of_outputs


@njit(**OPTIONS)
def softmax_cross_entropy(C, a, y, d, n_out, parameters):
    """a = softmax(z), C = sum_i y_i (ln sum_k e^z_k - z_i), d = dC/dz = a - y   (002, 004).

    At first, the columns at `a` hold z; then they hold a. Returns C.
    """
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
    """a = sigmoid(z), C = -sum_i (y_i ln a_i + (1 - y_i) ln(1 - a_i)), d = dC/dz = a - y   (002).

    At first, the columns at `a` hold z; then they hold a. Returns C.
    """
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
    """C = sum_(i != k) max(0, a_i - a_k + 1) with k the class of y, d = dC/da   (001). Returns C."""
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
def argmax(C, a, n_out):
    """Return the first i with the largest a_i, as a vector of numbers. It is -1 where all a_i are NaN."""
    L, best, at = lanes(C), splat(C, -np.inf), splat(C, -1.0)
    for i in range(n_out):
        x = load(C, a + i * L)
        at = later(best, x, at, splat(C, np.float64(i)))
        best = larger(best, x)
    return at


@njit(**OPTIONS)
def multiclass_perceptron(C, a, y, d, n_out, parameters):
    """C = a_j - a_k with j the first largest output and k the class of y, d = dC/da   (001). Returns C."""
    L, winner, costs = lanes(C), argmax(C, a, n_out), splat(C, 0.0)
    for i in range(n_out):
        g = same(winner, splat(C, np.float64(i))) - load(C, y + i * L)
        costs += g * load(C, a + i * L)
        store(C, d + i * L, g)
    return costs


wrong_sign = elementwise(lambda a, y: where(y > 0.0, where(a > 0.0, 0.0, -1.0), where(a < 0.0, 0.0, 1.0)), 2)
unless_zero = elementwise(lambda a, y: where(a > 0.0, y, where(a < 0.0, y, 0.0)), 2)


@njit(**OPTIONS)
def strict_perceptron(C, a, y, d, n_out, parameters):
    """C = sum_i max(0, -s_i a_i), d_i = -s_i where s_i a_i <= 0 and else 0, with s_i = 1 where y_i > 0 and else -1.

    This is the rule of 001 for the targets -1 and 1. The target of an output that is 0 becomes 0, so that `hit` with
    the threshold 0 counts it as wrong. Returns C.
    """
    L, costs = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        x, target = load(C, a + i), load(C, y + i)
        g = wrong_sign(x, target)
        costs += g * x
        store(C, d + i, g)
        store(C, y + i, unless_zero(x, target))
    return costs


@njit(**OPTIONS)
def norm_error(C, a, y, d, n_out, parameters):
    """C = ||y - a||, d = dC/da = (a - y) / ||y - a||, or 0 where a = y   (000). Returns C."""
    L, squares = lanes(C), splat(C, 0.0)
    for i in range(0, n_out * L, L):
        r = load(C, a + i) - load(C, y + i)
        squares += r * r
    norm = root(squares)
    for i in range(0, n_out * L, L):
        store(C, d + i, ratio(load(C, a + i) - load(C, y + i), norm))
    return norm


@njit(**OPTIONS)
def hit(C, a, y, n_out, by_output, threshold):
    """Return 1 where the prediction is right, and 0 elsewhere.

    A prediction is right if the largest output is the largest target. With `by_output`, the function returns the share
    of the outputs that are on the right side: at least `threshold` if y >= 1/2, and below it if y < 1/2.
    """
    if not by_output:
        return same(argmax(C, a, n_out), argmax(C, y, n_out))
    hits = splat(C, 0.0)
    for i in range(0, n_out * lanes(C), lanes(C)):
        hits += same_side(load(C, a + i), load(C, y + i), splat(C, threshold))
    return hits * splat(C, 1.0 / n_out)
