"""Random expressions, twice: as nodes of `fastbp.graph`, and in NumPy with the derivative in one direction.

In NumPy, each step has the function of the values, and the derivative of the output when its inputs move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastbp import graph


class Gate(NamedTuple):
    """A gate of the graph, and the same in NumPy."""

    node: Callable
    value: Callable
    slope: Callable
    """From the inputs, the output and the directions of the inputs, the direction of the output."""


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


UNARY = {
    "negative": Gate(lambda x: -x, np.negative, lambda x, z, dx: -dx),
    "sin": Gate(graph.sin, np.sin, lambda x, z, dx: np.cos(x) * dx),
    "cos": Gate(graph.cos, np.cos, lambda x, z, dx: -np.sin(x) * dx),
    "tanh": Gate(graph.tanh, np.tanh, lambda x, z, dx: (1 - z * z) * dx),
    "sigmoid": Gate(graph.sigmoid, _sigmoid, lambda x, z, dx: z * (1 - z) * dx),
    "softplus": Gate(graph.softplus, lambda x: np.logaddexp(0, x), lambda x, z, dx: _sigmoid(x) * dx),
    "relu": Gate(graph.relu, lambda x: np.maximum(x, 0), lambda x, z, dx: (x > 0) * dx),
    "absolute": Gate(graph.absolute, np.abs, lambda x, z, dx: np.sign(x) * dx),
    "abs": Gate(abs, np.abs, lambda x, z, dx: np.sign(x) * dx),
    "exp of tanh": Gate(
        lambda x: graph.exp(graph.tanh(x)),
        lambda x: np.exp(np.tanh(x)),
        lambda x, z, dx: z * (1 - np.tanh(x) ** 2) * dx,
    ),
    "log": Gate(
        lambda x: graph.log(x * x + 0.5), lambda x: np.log(x * x + 0.5), lambda x, z, dx: 2 * x / (x * x + 0.5) * dx
    ),
    "sqrt": Gate(lambda x: graph.sqrt(x * x + 0.25), lambda x: np.sqrt(x * x + 0.25), lambda x, z, dx: x / z * dx),
    "reciprocal": Gate(
        lambda x: graph.reciprocal(2.0 + x * x), lambda x: 1 / (2 + x * x), lambda x, z, dx: -2 * x * z * z * dx
    ),
    "scale": Gate(lambda x: graph.scale(x, -0.5), lambda x: -0.5 * x, lambda x, z, dx: -0.5 * dx),
    "shift": Gate(lambda x: graph.shift(x, 0.75), lambda x: x + 0.75, lambda x, z, dx: dx),
    "square": Gate(
        lambda x: graph.tanh(x) ** 2, lambda x: np.tanh(x) ** 2, lambda x, z, dx: 2 * np.tanh(x) * (1 - z) * dx
    ),
}
BINARY = {
    "add": Gate(lambda x, y: x + y, np.add, lambda x, y, z, dx, dy: dx + dy),
    "subtract": Gate(lambda x, y: x - y, np.subtract, lambda x, y, z, dx, dy: dx - dy),
    "multiply": Gate(lambda x, y: x * y, np.multiply, lambda x, y, z, dx, dy: x * dy + y * dx),
    "divide": Gate(
        lambda x, y: x / (1.0 + y * y),
        lambda x, y: x / (1 + y * y),
        lambda x, y, z, dx, dy: (dx - z * 2 * y * dy) / (1 + y * y),
    ),
    "maximum": Gate(graph.maximum, np.maximum, lambda x, y, z, dx, dy: np.where(x >= y, dx, dy)),
    "minimum": Gate(graph.minimum, np.minimum, lambda x, y, z, dx, dy: np.where(x <= y, dx, dy)),
    "where": Gate(
        lambda x, y: graph.where(x < y, x * 2.0, y),
        lambda x, y: np.where(x < y, 2 * x, y),
        lambda x, y, z, dx, dy: np.where(x < y, 2 * dx, dy),
    ),
}
WHOLE = {
    "sum": Gate(graph.sum, np.sum, lambda x, z, dx: np.sum(dx)),
    "mean": Gate(graph.mean, np.mean, lambda x, z, dx: np.mean(dx)),
    "squared_norm": Gate(graph.squared_norm, lambda x: np.sum(x * x), lambda x, z, dx: np.sum(2 * x * dx)),
    "first axis": Gate(lambda x: graph.sum(x, 0), lambda x: np.sum(x, 0), lambda x, z, dx: np.sum(dx, 0)),
}


class Tape:
    """An expression of some variables. Each of its steps has the numbers of the steps before that it reads."""

    def __init__(self, rng: np.random.Generator, count: int, gates: int, whole: bool):
        self.count, self.steps = count, []
        for k in range(count, count + gates):
            kinds = [UNARY, BINARY, BINARY, *[WHOLE] * (whole and rng.random() < 0.3)]
            table = kinds[rng.integers(len(kinds))]
            gate = table[sorted(table)[rng.integers(len(table))]]
            # The last step before this one counts, so that the expression is deep.
            inputs = [k - 1, *(int(rng.integers(k)) for _ in range(table is BINARY))]
            self.steps.append((gate, inputs[:: rng.choice([-1, 1])]))

    def nodes(self, variables: list) -> list:
        """The nodes of all steps, for variables that are nodes."""
        found = [*variables]
        for gate, inputs in self.steps:
            found.append(gate.node(*(found[k] for k in inputs)))
        return found

    def values(self, variables: list[np.ndarray], directions: list[np.ndarray]) -> tuple[list, list]:
        """The values of all steps, and how they move if the variables move into these directions."""
        z, dz = [*variables], [*directions]
        for gate, inputs in self.steps:
            x, dx = [z[k] for k in inputs], [dz[k] for k in inputs]
            value = gate.value(*x)
            z.append(value)
            dz.append(gate.slope(*x, value, *dx))
        return z, dz
