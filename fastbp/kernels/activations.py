"""sigma and sigma': a = sigma(z), and d sigma / dz written in terms of the output a, so that z need not be kept.

Formulas work on `simd.Vector`s; the kernels choose one by its code. NaN goes through every one of them: a network
that has diverged must show it in its loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .simd import absolute, exp, expm1, fma, maximum, switch, where, with_sign


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


class Activation(NamedTuple):
    """A row of the table: how the kernels know it, sigma, sigma' from a, and the initialisation it wants."""

    code: int
    formula: Callable
    derivative: Callable | None
    init: str


SOFTMAX = 5
"""Not in ACTIVATIONS: it needs the whole row, and is an output only. See losses.py."""

ACTIVATIONS = {
    "identity": Activation(0, identity, lambda a: a.of(1.0), "lecun"),
    "sigmoid": Activation(1, sigmoid, lambda a: a * (1.0 - a), "glorot"),
    "tanh": Activation(2, tanh, lambda a: fma(-a, a, 1.0), "glorot"),
    "relu": Activation(3, relu, lambda a: where(a > 0.0, a.of(1.0), 0.0), "he"),
    "threshold": Activation(4, threshold, None, "lecun"),
}
"""name: row. The binary threshold has no useful derivative: it is 0 wherever it exists."""

IDENTITY = 0

sigma = switch({row.code: row.formula for row in ACTIVATIONS.values()})
"""sigma(code, z)."""

sigma_prime = switch({row.code: row.derivative for row in ACTIVATIONS.values() if row.derivative})
"""sigma_prime(code, a) = d sigma / dz where a = sigma(z)."""
