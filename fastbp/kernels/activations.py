"""sigma and sigma': a = sigma(z), and d sigma / dz, for most written in terms of the output a: z need not be kept.

Formulas work on `simd.Vector`s. Each activation has a kernel of its own, compiled when a network uses it. NaN goes
through every one of them: a network that has diverged must show it in its loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from numba import njit

from .columns import from_columns, softmax, to_columns
from .job import AHEAD, LAYER, job_at, row_in_batch
from .random import row_key, survive, uniform
from .simd import (
    OPTIONS,
    N,
    absolute,
    array_at,
    elementwise,
    exp,
    expm1,
    fma,
    keep,
    lanes,
    load,
    log1p,
    maximum,
    minimum,
    normal_cdf,
    splat,
    store,
    where,
    with_sign,
)


def identity(z):
    """sigma(z) = z."""
    return z


def sigmoid(z):
    """sigma(z) = 1 / (1 + e^-z)   (001, 002)."""
    return 1.0 / (1.0 + exp(-z))


def tanh(z):
    """sigma(z) = (e^z - e^-z) / (e^z + e^-z), as u / (u + 2) with u = e^2|z| - 1: precise around 0   (002)."""
    u = expm1(2.0 * absolute(z))
    return with_sign(u / (u + 2.0), z)


def relu(z):
    """sigma(z) = max(z, 0)   (001, 002)."""
    return maximum(z, 0.0)


def threshold(z):
    """sigma(z) = 1 if z >= 0 else 0: the binary threshold neuron (McCulloch and Pitts 1943; 001)."""
    return where(z >= 0.0, 1.0, where(z < 0.0, 0.0, z))


def leaky_relu(z, slope):
    """sigma(z) = z if z > 0 else slope z   (Maas et al. 2013)."""
    return where(z > 0.0, z, slope * z)


def elu(z, alpha):
    """sigma(z) = z if z > 0 else alpha (e^z - 1)   (Clevert et al. 2016)."""
    u = expm1(absolute(z))  # e^z - 1 = -u / (1 + u): precise around 0
    return where(z > 0.0, z, -alpha * (u / (1.0 + u)))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def selu(z):
    """sigma(z) = lambda z if z > 0 else lambda alpha (e^z - 1): mean 0 and variance 1 reproduce themselves
    (Klambauer et al. 2017)."""
    return SELU_SCALE * elu(z, z.of(SELU_ALPHA))


def softplus(z):
    """sigma(z) = ln(1 + e^z), as max(z, 0) + ln(1 + e^-|z|)   (Dugas et al. 2001)."""
    return maximum(z, 0.0) + log1p(exp(-absolute(z)))


def softplus_prime(a):
    """1 - e^-a = sigmoid(z), as u / (1 + u) with u = e^a - 1."""
    u = expm1(a)
    return u / (1.0 + u)


def gelu(z):
    """sigma(z) = z Phi(z), Phi the distribution function of the standard normal   (Hendrycks and Gimpel 2016)."""
    return z * normal_cdf(z)


def gelu_prime(z):
    """Phi(z) + z phi(z)."""
    return fma(z * (1.0 / math.sqrt(2.0 * math.pi)), exp(-0.5 * z * z), normal_cdf(z))


def silu(z):
    """sigma(z) = z / (1 + e^-z)   (Elfwing et al. 2018)."""
    return z / (1.0 + exp(-z))


def silu_prime(z):
    """s + z s (1 - s), s = sigmoid(z)."""
    s = sigmoid(z)
    return fma(z * s, 1.0 - s, s)


def hard_sigmoid(z):
    """sigma(z) = z / 6 + 1/2, cut off at 0 and 1   (Courbariaux et al. 2015)."""
    return minimum(maximum((z + 3.0) * (1.0 / 6.0), 0.0), 1.0)


class Activation(NamedTuple):
    """A row of the table: how the kernels know it, sigma, sigma', and the initialisation it wants."""

    code: int
    formula: Callable
    derivative: Callable | None
    init: str
    of_z: bool = False
    """Whether the derivative is written in terms of z, not of a."""
    takes_parameter: bool = False
    """Whether the formulas have a second argument."""


ACTIVATIONS = {
    "identity": Activation(0, identity, lambda a: a.of(1.0), "lecun"),
    "sigmoid": Activation(1, sigmoid, lambda a: a * (1.0 - a), "glorot"),
    "tanh": Activation(2, tanh, lambda a: fma(-a, a, 1.0), "glorot"),
    "relu": Activation(3, relu, lambda a: where(a > 0.0, a.of(1.0), 0.0), "he"),
    "threshold": Activation(4, threshold, None, "lecun"),
    "leaky_relu": Activation(6, leaky_relu, lambda a, slope: where(a > 0.0, a.of(1.0), slope), "he", False, True),
    "elu": Activation(7, elu, lambda a, alpha: where(a > 0.0, a.of(1.0), a + alpha), "he", False, True),
    "selu": Activation(
        8, selu, lambda a: where(a > 0.0, a.of(SELU_SCALE), a + SELU_SCALE * SELU_ALPHA), "lecun"
    ),
    "softplus": Activation(9, softplus, softplus_prime, "he"),
    "gelu": Activation(10, gelu, gelu_prime, "he", True),
    "silu": Activation(11, silu, silu_prime, "he", True),
    "hard_sigmoid": Activation(
        12, hard_sigmoid, lambda a: where(a > 0.0, where(a < 1.0, a.of(1.0 / 6.0), 0.0), 0.0), "glorot"
    ),
}  # fmt: skip
"""name: row. The binary threshold has no useful derivative: it is 0 wherever it exists."""

IDENTITY, SOFTMAX = 0, 5
"""Softmax is not in ACTIVATIONS: it needs the whole row, and is an output only."""


def row_of(code: int) -> Activation:
    """The row of a code."""
    return next(row for row in ACTIVATIONS.values() if row.code == code)


def with_parameter(formula: Callable, takes: bool):
    """An intrinsic of a vector and a parameter, whether the formula takes one or not."""
    return elementwise(formula if takes else lambda x, _: formula(x), 2)


def sigma(code: int):
    """sigma(z, parameter) of a code, in kernels."""
    row = row_of(code)
    return with_parameter(row.formula, row.takes_parameter)


def sigma_prime(code: int):
    """sigma'(a or z, parameter) of a code, in kernels; see `Activation.of_z`. 1 where there is no derivative."""
    row = row_of(code)
    return with_parameter(row.derivative or (lambda a: a.of(1.0)), row.takes_parameter and bool(row.derivative))


def softmax_neuron(dtype):
    """The kernel of softmax: `neuron(address of JOB, part, thread, rows, layer, panel, stage)`, stage AHEAD alone."""

    @njit(**OPTIONS)
    def neuron(address, k, t, first, last, l, i, stage):
        """a = softmax(z) in place, for the rows [first, last) of thread t, once the last panels are there."""
        job = job_at(address)
        layer = array_at(job.layers, job.depth, LAYER)[l]
        A, C, c = array_at(job.A, job.A_size, dtype), array_at(job.columns, job.columns_size, dtype), t * job.room
        L, n_out = lanes(A), layer.n_out
        if (i + N) * L < n_out:
            return
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, layer.z + r * L, job.stride, n_out, count, C, c)
            softmax(C, c, c, n_out)
            from_columns(C, c, A, layer.z + r * L, job.stride, n_out, count)

    return neuron


def neuron(dtype, code: int, kept: bool, dropped: bool):
    """The kernel of an activation: `neuron(address of JOB, part, thread, rows, layer, panel, stage)`.

    Parameters
    ----------
    kept : whether the derivative is kept by stage AHEAD for stage BACK: it is of z, or of what is dropped.
    dropped : whether a share of the outputs is dropped   (Srivastava et al. 2014).
    """
    if code == SOFTMAX:
        return softmax_neuron(dtype)
    function, prime, of_z = sigma(code), sigma_prime(code), row_of(code).of_z

    @njit(**OPTIONS)
    def neuron(address, k, t, first, last, l, i, stage):
        """For the rows [first, last) of thread t, and N panels from i on: AHEAD is a = sigma(z) in place, BACK is
        delta *= da/dz."""
        job = job_at(address)
        layer = array_at(job.layers, job.depth, LAYER)[l]
        A, D = array_at(job.A, job.A_size, dtype), array_at(job.D, job.D_size, dtype)
        L, p = lanes(A), splat(A, layer.parameter)
        for panel in range(i, min(i + N, (layer.n_out + L - 1) // L)):
            at = panel * job.stride
            if stage == AHEAD:
                for r in range(first, last):
                    m = at + r * L
                    z = load(A, layer.z + m)
                    a = function(z, p)
                    if kept:
                        slope = prime(z if of_z else a, p)
                    if dropped:
                        key = row_key(job.seed, job.step + k // job.parts, l + 1, row_in_batch(job, k, r))
                        mask = survive(uniform(A, key, panel * L), splat(A, layer.dropout))
                        a, slope = a * mask, slope * mask
                    if kept:
                        store(A, layer.slope + m, slope)
                    store(A, layer.z + m, keep(a, layer.n_out - panel * L, 0.0))
            else:
                for m in range(at + first * L, at + last * L, L):
                    if kept:
                        slope = load(A, layer.slope + m)
                    else:
                        slope = prime(load(A, layer.z + m), p)
                    store(D, layer.d + m, load(D, layer.d + m) * slope)

    return neuron
