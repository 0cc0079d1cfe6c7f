"""This module has the table of gates: what each gate computes, and which gradients it passes to its inputs (001).

The function `forward` takes the inputs x, y, ... and returns the output z. The function `backward` takes dz = dC/dz,
the output z and the inputs, and returns dC/dx, dC/dy, ...: each is dz times the derivative of z with respect to the
input. For an input through which no gradient goes, it returns None. Most functions are formulas of vectors, arrays and
nodes (`fastbp.kernels.simd.operands`). The gates that work on whole arrays are only for arrays.
"""

from __future__ import annotations

import math
import numbers
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
    slopes: tuple[str, ...] = ()
    """The derivative with respect to each input as text for single numbers, with the places of `text`. With none, the
    derivative is shown as a number."""


class Key(tuple[Any, ...]):
    """`Key` says which numbers of an array a gate takes, as between the brackets of ``x[0, 1:]``."""

    @classmethod
    def checked(cls, key: Any) -> Key:
        """Return a key. Raise TypeError unless it has only integers, slices of integers, `...` and None."""
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            ends = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
            if part is not Ellipsis and not all(map(_is_place, ends)):
                raise TypeError(f"a node takes integers, slices and ... between brackets, got {part!r}")
        return cls(parts)

    @property
    def name(self) -> str:
        """The key as text, as it stands between brackets."""
        return ", ".join(map(_place, self))


def _is_place(number: object) -> bool:
    """Return whether a number can stand between brackets, or is None."""
    return number is None or (isinstance(number, numbers.Integral) and not isinstance(number, bool))


def _place(part: Any) -> str:
    """Return a part of a key as text."""
    if not isinstance(part, slice):
        return "..." if part is Ellipsis else str(part)
    ends = ["" if number is None else str(number) for number in (part.start, part.stop, part.step)]
    return ":".join(ends if ends[2] else ends[:2])


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


def _slice(x: np.ndarray, key: Key) -> Any:
    try:
        return np.asarray(x)[key]
    except IndexError as error:
        raise ValueError(error) from None


def _slice_back(dz: np.ndarray, z: np.ndarray, x: np.ndarray, key: Key) -> tuple[np.ndarray]:
    g = np.zeros_like(x, dz.dtype)
    g[key] = dz
    return (g,)


def _concat(*inputs: np.ndarray, axis: int) -> np.ndarray:
    """Return arrays one after another along an axis. A single number counts as an array of shape (1,)."""
    joined: np.ndarray = np.concatenate([np.atleast_1d(x) for x in inputs], axis=axis)
    return joined


def _split(dz: np.ndarray, z: np.ndarray, *inputs: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """Return the parts of a gradient that belong to the inputs of concat."""
    ends = np.cumsum([np.atleast_1d(x).shape[axis] for x in inputs[:-1]], dtype=int)
    return tuple(part.reshape(np.shape(x)) for part, x in zip(np.split(dz, ends, axis), inputs, strict=True))


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


def _accuracy(scores: np.ndarray, labels: tuple[int, ...], top_k: int) -> np.float64:
    """Return the share of the rows whose right class is among the k first. Of equal scores, the first one counts."""
    right = scores[right_places(scores, labels), labels][:, None]
    ahead = (scores > right) | ((scores == right) & (np.arange(scores.shape[1]) < np.array(labels)[:, None]))
    return np.float64(np.mean((ahead.sum(axis=1) < top_k) & ~np.isnan(right[:, 0])))


def softmax(x: np.ndarray) -> np.ndarray:
    """Return e^x_i / sum_k e^x_k for each row of an array."""
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        shares: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return shares


GATES: dict[str, Gate] = {
    "add": Gate(lambda x, y: x + y, lambda dz, z, x, y: (dz, dz), "{0} + {1}", slopes=("1", "1")),
    "subtract": Gate(lambda x, y: x - y, lambda dz, z, x, y: (dz, -dz), "{0} - {1}", slopes=("1", "-1")),
    "multiply": Gate(
        lambda x, y: x * y, lambda dz, z, x, y: (dz * y, dz * x), "{0} * {1}", steep=True, slopes=("{1}", "{0}")
    ),
    "divide": Gate(
        lambda x, y: x / y,
        lambda dz, z, x, y: (dz / y, -dz * z / y),
        "{0} / {1}",
        steep=True,
        slopes=("1 / {1}", "-{0} / {1}^2"),
    ),
    "power": Gate(power, _power_back, "{0} ** {1}", steep=True, slopes=("{1} * {0}^({1} - 1)", "{0}^{1} * ln({0})")),
    "negative": Gate(lambda x: -x, lambda dz, z, x: (-dz,), "-{0}", slopes=("-1",)),
    "scale": Gate(lambda x, by: x * by, lambda dz, z, x, by: (dz * by,), "{by} * {0}", slopes=("{by}",)),
    "shift": Gate(lambda x, by: x + by, lambda dz, z, x, by: (dz,), "{0} + {by}", slopes=("1",)),
    "raise": Gate(
        lambda x, to: power(x, to),
        lambda dz, z, x, to: (dz * (to * power(x, to - 1.0)) if to else None,),
        "{0} ** {to}",
        steep=True,
        slopes=("{to} * {0}^({to} - 1)",),
    ),
    "reciprocal": Gate(
        lambda x: 1.0 / x, lambda dz, z, x: (-dz * z * z,), "1 / {0}", steep=True, slopes=("-1 / {0}^2",)
    ),
    "exp": Gate(exp, lambda dz, z, x: (dz * z,), "exp({0})", steep=True, slopes=("e^{0}",)),
    "expm1": Gate(expm1, lambda dz, z, x: (dz * (z + 1.0),), "expm1({0})", slopes=("e^{0}",)),
    "log": Gate(ln, lambda dz, z, x: (dz / x,), "log({0})", steep=True, slopes=("1 / {0}",)),
    "sqrt": Gate(sqrt, lambda dz, z, x: (0.5 * dz / z,), "sqrt({0})", steep=True, slopes=("1 / (2 * sqrt({0}))",)),
    "sin": Gate(sin, lambda dz, z, x: (dz * cos(x),), "sin({0})", slopes=("cos({0})",)),
    "cos": Gate(cos, lambda dz, z, x: (-dz * sin(x),), "cos({0})", slopes=("-sin({0})",)),
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
    "mean": Gate(
        lambda x, axis: np.mean(x, axis=axis),
        lambda dz, z, x, axis: _spread(dz / (x.size / max(1, z.size)), z, x, axis),
        "mean({0}, {axis})",
        False,
    ),
    "slice": Gate(_slice, _slice_back, "{0}[{key}]", False),
    "concat": Gate(_concat, _split, "concat({all})", False),
    "like": Gate(_like, lambda dz, z, y, x: (dz, None), "{0}", False),
    "rows": Gate(lambda x: np.float64(len(x) if x.ndim else 1), lambda dz, z, x: (None,), "rows({0})", False),
    "squared_norm": Gate(lambda x: np.sum(x * x), lambda dz, z, x: (2.0 * dz * x,), "squared_norm({0})", False),
    "softmax": Gate(
        softmax, lambda dz, z, x: (z * (dz - (dz * z).sum(axis=-1, keepdims=True)),), "softmax({0})", False
    ),
    "hinge_margins": Gate(_margins, _margins_back, "hinge_margins({0})", False),
    "loss": Gate(
        lambda a, y, loss: np.float64(loss(a, y)),
        lambda dz, z, a, y, loss: (dz * loss.gradient(a, y), None),
        "{loss}({0}, {1})",
        False,
    ),
    "accuracy": Gate(_accuracy, lambda dz, z, x, labels, top_k: (None,), "accuracy({0})", False),
    "argmax": Gate(lambda x: np.argmax(x, axis=-1).astype(x.dtype), lambda dz, z, x: (None,), "argmax({0})", False),
}
"""All gates, by their names. Where two inputs of maximum or minimum are equal, the gradient goes to the second one, so
that maximum(z, 0) has the derivative 0 at z = 0, as relu has."""
