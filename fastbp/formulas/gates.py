"""This module has the table of gates: what each gate computes, and which gradients it passes to its inputs (001).

The function `forward` takes the inputs x, y, ... and returns the output z. The function `backward` takes dz = dC/dz,
the output z and the inputs, and returns dC/dx, dC/dy, ...: each is dz times the derivative of z with respect to the
input. For an input through which no gradient goes, it returns None. Most functions are formulas of vectors, arrays and
nodes (`fastbp.kernels.simd.operands`). The gates that work on whole arrays are only for arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..kernels.simd.functions import cos, exp, expm1, ln, normal_cdf, power, sin
from ..kernels.simd.vector import absolute, maximum, minimum, sqrt, where

Operand = Any
"""The type of what a formula computes with. Vectors, arrays, numbers and nodes share operators, but not a class."""


class Gate(NamedTuple):
    """`Gate` is a kind of gate."""

    forward: Callable[..., Any]
    """`forward(*inputs, **options)` returns the output."""
    backward: Callable[..., tuple[Any, ...]]
    """`backward(dz, z, *inputs, **options)` returns a tuple with the gradient for each input."""
    text: str
    """The gate as a formula: the places {0}, {1}, ... stand for the inputs, and {name} for an option."""
    elementwise: bool = True
    """Whether each number of the output depends only on the numbers at the same place of the inputs."""
    steep: bool = False
    """Whether a derivative can be infinite."""


CHOOSING = ("where", "maximum", "minimum")
"""The gates that pass a gradient of 0 to the inputs that they have not chosen."""


def backward(
    name: str, dz: Any, z: Any, inputs: Sequence[Any], options: Mapping[str, Any], *, guarded: bool = True
) -> tuple[Any, ...]:
    """Return the gradients for the inputs of a gate.

    If `guarded`, they are 0 where dz is 0, even if a derivative is infinite: on the side that `where` has not chosen.
    """
    gate = GATES[name]
    parts = gate.backward(dz, z, *inputs, **options)
    if not guarded or not gate.steep:
        return parts
    return tuple(None if part is None else _zero_like(dz, part) for part in parts)


def _zero_like(x: Any, y: Any) -> Any:
    """Return y, with 0 where x is 0."""
    if isinstance(x, float):
        return y if x else 0.0
    return where(x <= 0.0, where(x >= 0.0, 0.0, y), y)


def _activated(dz: Any, z: Any, x: Any, sigma: Any) -> tuple[Any, ...]:
    """Return the gradient through an activation function. A derivative of 0 stays 0 even if dz is infinite."""
    if not sigma.trainable:
        return (None,)
    slope = sigma.gradient(x if sigma.of_z else z, *sigma.parameters())
    return (_zero_like(slope, dz * slope) if sigma.zeros else dz * slope,)


def _power_back(dz: Any, z: Any, x: Any, y: Any) -> tuple[Any, ...]:
    """Return the gradients for the inputs of x^y. That for y is 0 at x = 0."""
    base = where(x > 0.0, x, where(x < 0.0, x, 1.0))
    return dz * y * power(x, y - 1.0), dz * z * ln(base)


def _like(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return y, if it has the shape of x."""
    if y.shape != x.shape:
        raise ValueError("targets must have the shape of the outputs")
    return y


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x @ y."""
    if max(x.ndim, y.ndim) > 2:
        raise ValueError("the inputs must have one or two axes")
    product: np.ndarray = x @ y
    return product


def _both(x: np.ndarray, y: np.ndarray, dz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients for the inputs of x @ y. A vector stands for one row on the left, and one column right."""
    X, Y = np.atleast_2d(x), y if y.ndim > 1 else y[:, None]
    D = dz.reshape(X.shape[:-1] + Y.shape[-1:])
    return (D @ Y.swapaxes(-1, -2)).reshape(x.shape), (X.swapaxes(-1, -2) @ D).reshape(y.shape)


def _total(x: np.ndarray, axis: int | None) -> Any:
    return np.sum(x, axis=axis)


def _spread(dz: np.ndarray, z: np.ndarray, x: np.ndarray, axis: int | None) -> tuple[np.ndarray]:
    # NumPy sums a single number along axis 0 too.
    return (np.broadcast_to(dz if axis is None or not x.ndim else np.expand_dims(dz, axis), x.shape),)


def right_places(scores: np.ndarray, labels: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of the rows of scores, if there is a right class for each of them."""
    if scores.ndim != 2 or len(scores) != len(labels) or max(labels, default=0) >= scores.shape[1]:
        raise ValueError(f"labels must be a class below the number of columns for each row, got {labels}")
    return np.arange(len(labels))


def _margins(scores: np.ndarray, labels: tuple[int, ...], delta: float) -> np.ndarray:
    """Return max(0, s_i - s_k + delta) for each row of scores, and 0 for the right class k."""
    rows = right_places(scores, labels)
    margins: np.ndarray = np.maximum(scores - scores[rows, labels][:, None] + delta, 0.0)
    margins[rows, labels] = 0.0
    return margins


def _margins_back(
    dz: np.ndarray, z: np.ndarray, scores: np.ndarray, labels: tuple[int, ...], delta: float
) -> tuple[np.ndarray]:
    g = np.where(z > 0.0, dz, 0.0)
    g[np.arange(len(labels)), labels] = -g.sum(axis=1)
    return (g,)


def softmax(x: np.ndarray) -> np.ndarray:
    """Return e^x_i / sum_k e^x_k for each row of an array."""
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        shares: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return shares


GATES: dict[str, Gate] = {
    "add": Gate(lambda x, y: x + y, lambda dz, z, x, y: (dz, dz), "{0} + {1}"),
    "subtract": Gate(lambda x, y: x - y, lambda dz, z, x, y: (dz, -dz), "{0} - {1}"),
    "multiply": Gate(lambda x, y: x * y, lambda dz, z, x, y: (dz * y, dz * x), "{0} * {1}", steep=True),
    "divide": Gate(lambda x, y: x / y, lambda dz, z, x, y: (dz / y, -dz * z / y), "{0} / {1}", steep=True),
    "power": Gate(power, _power_back, "{0} ** {1}", steep=True),
    "negative": Gate(lambda x: -x, lambda dz, z, x: (-dz,), "-{0}"),
    "scale": Gate(lambda x, by: x * by, lambda dz, z, x, by: (dz * by,), "{by} * {0}"),
    "shift": Gate(lambda x, by: x + by, lambda dz, z, x, by: (dz,), "{0} + {by}"),
    "raise": Gate(
        lambda x, to: power(x, to),
        lambda dz, z, x, to: (dz * (to * power(x, to - 1.0)) if to else None,),
        "{0} ** {to}",
        steep=True,
    ),
    "reciprocal": Gate(lambda x: 1.0 / x, lambda dz, z, x: (-dz * z * z,), "1 / {0}", steep=True),
    "exp": Gate(exp, lambda dz, z, x: (dz * z,), "exp({0})", steep=True),
    "expm1": Gate(expm1, lambda dz, z, x: (dz * (z + 1.0),), "expm1({0})"),
    "log": Gate(ln, lambda dz, z, x: (dz / x,), "log({0})", steep=True),
    "sqrt": Gate(sqrt, lambda dz, z, x: (0.5 * dz / z,), "sqrt({0})", steep=True),
    "sin": Gate(sin, lambda dz, z, x: (dz * cos(x),), "sin({0})"),
    "cos": Gate(cos, lambda dz, z, x: (-dz * sin(x),), "cos({0})"),
    "normal_cdf": Gate(
        normal_cdf, lambda dz, z, x: (dz * exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi)),), "normal_cdf({0})"
    ),
    "absolute": Gate(absolute, lambda dz, z, x: (where(x > 0.0, dz, where(x < 0.0, -dz, 0.0)),), "absolute({0})"),
    "maximum": Gate(maximum, lambda dz, z, x, y: (where(x > y, dz, 0.0), where(x > y, 0.0, dz)), "maximum({0}, {1})"),
    "minimum": Gate(minimum, lambda dz, z, x, y: (where(x < y, dz, 0.0), where(x < y, 0.0, dz)), "minimum({0}, {1})"),
    "where": Gate(where, lambda dz, z, m, x, y: (None, where(m, dz, 0.0), where(m, 0.0, dz)), "where({0}, {1}, {2})"),
    "less": Gate(lambda x, y: x < y, lambda dz, z, x, y: (None, None), "{0} < {1}"),
    "less_equal": Gate(lambda x, y: x <= y, lambda dz, z, x, y: (None, None), "{0} <= {1}"),
    "activate": Gate(
        lambda x, sigma: sigma.value(x, *sigma.parameters()),
        _activated,
        "{sigma}({0})",
    ),
    "matmul": Gate(_product, lambda dz, z, x, y: _both(x, y, dz), "{0} @ {1}", False),
    "transpose": Gate(lambda x: x.T, lambda dz, z, x: (dz.T,), "{0}.T", False),
    "sum": Gate(_total, _spread, "sum({0}, {axis})", False),
    "mean": Gate(np.mean, lambda dz, z, x: (np.full(x.shape, dz / x.size),), "mean({0})", False),
    "like": Gate(_like, lambda dz, z, y, x: (dz, None), "{0}", False),
    "rows": Gate(lambda x: np.float64(len(x) if x.ndim else 1), lambda dz, z, x: (None,), "rows({0})", False),
    "squared_norm": Gate(lambda x: np.sum(x * x), lambda dz, z, x: (2.0 * dz * x,), "squared_norm({0})", False),
    "softmax": Gate(
        softmax, lambda dz, z, x: (z * (dz - (dz * z).sum(axis=-1, keepdims=True)),), "softmax({0})", False
    ),
    "hinge_margins": Gate(_margins, _margins_back, "hinge_margins({0})", False),
}
"""All gates, by their names. Where two inputs of maximum or minimum are equal, the gradient goes to the second one, so
that maximum(z, 0) has the derivative 0 at z = 0, as relu has."""
