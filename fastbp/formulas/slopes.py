"""This module computes local derivatives: those of the output of a gate with respect to its inputs (001, 003)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gates import GATES
from .tables import short

AS_THEY_ARE = ("{0}", "{1}", "{by}", "e^{0}")
"""The texts of derivatives in which a negative number needs no brackets."""


def jacobians(node: Any) -> list[np.ndarray | None]:
    """Return dz/dx for each input x of a gate with the output z, as a matrix of shape (z.size, x.size).

    An input through which no gradient goes has None. The gate must have its values.
    """
    z = np.asarray(node.value)
    rows = [_units(node, k) for k in range(z.size)] or [[None] * len(node.inputs)]
    return [
        None if parts[0] is None else np.stack([np.ravel(part) for part in parts])
        for parts in ([row[i] for row in rows] for i in range(len(node.inputs)))
    ]


def _units(node: Any, k: int) -> list[Any]:
    """Return the gradients for the inputs of a gate if that of its output is 1 for number k, and 0 for all others."""
    dz = np.zeros_like(node.value, np.result_type(node.value, np.float32))
    dz.flat[k] = 1.0
    with np.errstate(all="ignore"):
        return list(node._hand_on(dz))


def shown(node: Any) -> list[str]:
    """Return for each input of a gate "local derivative x gradient = what the input gets", as text.

    After `forward` alone, the text is the local derivative. Before, it is "".
    """
    if node.value is None:
        return [""] * len(node.inputs)
    z, with_gradient = np.asarray(node.value), node.gradient is not None
    with np.errstate(all="ignore"):
        handed = node._hand_on(node.gradient) if with_gradient else ()
        each = node._hand_on(np.ones_like(z, np.result_type(z, np.float32)))
    found = []
    for i, (x, part) in enumerate(zip(node.inputs, each, strict=True)):
        text = "no gradient" if part is None else _local(node, i, np.shape(x.value), part)
        if with_gradient and part is not None:
            text += f" x {short(node.gradient)} = {short(handed[i])}"
        found.append(text)
    return found


def _local(node: Any, i: int, shape: tuple[int, ...], part: np.ndarray) -> str:
    """Return the derivative with respect to input i, which has a shape, as text.

    `part` is what the input gets if the gradient of the output is 1 everywhere.
    """
    z, own = np.asarray(node.value), "gate" in node.options
    if z.size == 1 and part.size == 1:
        patterns = () if own else GATES[node.operation].slopes
        return _filled(patterns[i], node) if patterns else short(part.reshape(()))
    if not own and GATES[node.operation].elementwise and shape == z.shape:
        return short(part)
    return f"Jacobian {z.shape + shape}"


def _filled(pattern: str, node: Any) -> str:
    """Return the text of a derivative with the numbers of a gate in its places."""
    numbers = [short(np.reshape(each.value, ())) for each in node.inputs]
    options = {name: short(value) for name, value in node.options.items()}
    if pattern not in AS_THEY_ARE:
        numbers = [f"({text})" if text.startswith("-") else text for text in numbers]
    text = pattern.format(*numbers, **options)
    return f"({text})" if " " in text else text
