"""This module writes a small network as a graph of gates with single numbers, as the documents draw it (001, 002)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base import checks
from ..data.samples import SampleChecker
from ..engine.layers.dense import Use
from ..formulas.nodes import Node, apply, variable
from ..losses import LOSSES
from . import sharing
from .trace import one_sample

MOST_PARAMETERS = 2000
"""The largest number of parameters of a network that is written as a graph."""


def scalar_graph(network: Any, x: Any, y: Any, loss: Any) -> Node:
    """Return the graph of a network for a sample. The arguments are those of `MLP.graph`."""
    if (y is None) != (loss is None):
        raise ValueError("y and loss must be given together: the graph of a loss needs both")
    if network.n_parameters > MOST_PARAMETERS:
        raise ValueError(
            f"graph makes a gate for each weight, so the network must have at most {MOST_PARAMETERS} parameters, got "
            f"{network.n_parameters}"
        )
    form = network._form
    X, targets, _ = one_sample(form, x, y)
    inputs = form.inputs(X, "x")
    row = inputs.array if isinstance(inputs.array, np.ndarray) else inputs.array.toarray()
    if len(row) != 1:
        raise ValueError(f"x must be one sample of shape ({form.n_in},), got {len(row)} samples")
    if loss is None:
        output = _output(network, row[0].tolist())
        output.forward()
        return output
    found = checks.resolved(loss, "loss", LOSSES)
    checked = SampleChecker(form, found, "gradients").targets(targets, 1, "y", "x")
    target = checked.seen.reshape(-1)
    target = np.eye(form.n_out)[target[0]] if checked.labels else target
    output = _output(network, row[0].tolist())
    C: Node = found(output, variable("y", target[0] if form.n_out == target.size == 1 else target)).named("C")
    C.gradients()
    return C


def _output(network: Any, x: list[float]) -> Node:
    """Return the node of the outputs a^L: a single number, or an array of several."""
    scales = zip(x, network.shift.tolist(), network.scale.tolist(), strict=True)
    a = [_scaled(variable(f"x{j}", value), shift, scale) for j, (value, shift, scale) in enumerate(scales, 1)]
    layers, weights = zip(network.biases, network.architecture.activations, strict=True), _weights(network)
    for l, ((b, sigma), W) in enumerate(zip(layers, weights, strict=True), 1):
        terms = [[each * below for each, below in zip(column, a, strict=True)] for column in W]
        if b is not None:
            biases = [variable(f"b{i}^({l})", bias) for i, bias in enumerate(b.tolist(), 1)]
            terms = [[*each, bias] for each, bias in zip(terms, biases, strict=True)]
        z = [functools.reduce(operator.add, each).named(f"z{i}^({l})") for i, each in enumerate(terms, 1)]
        if sigma.whole_rows:  # the output
            whole: Node = sigma(apply("concat", *z, axis=0))
            return whole.named(f"a^({l})")
        a = z if sigma.name == "identity" else [sigma(each).named(f"a{i}^({l})") for i, each in enumerate(z, 1)]
    return a[0] if len(a) == 1 else apply("concat", *a, axis=0).named(f"a^({len(network)})")


def _weights(network: Any) -> Iterator[list[list[Node | float]]]:
    """Yield for each layer the variables of its weights: a list for each unit. Equal weights are one variable.

    A shared weight that stays 0 is a number.
    """
    made, found = network.architecture, dict[str, Node]()
    uses, groups = sharing.uses(made.tied), dict(made.shared)
    for l, W in enumerate(network.weights, 1):
        use = uses.get(l, Use(l, False))
        comma, numbers = "," if max(W.shape) > 9 else "", groups[use.layer].array if use.layer in groups else None
        columns: list[list[Node | float]] = [[] for _ in range(W.shape[1])]
        for (j, i), value in np.ndenumerate(W):
            place = (i, j) if use.turned else (j, i)
            if numbers is not None:
                if numbers[place] < 0:
                    columns[i].append(0.0)
                    continue
                place = tuple(np.argwhere(numbers == numbers[place])[0].tolist())
            name = f"w{place[0] + 1}{comma}{place[1] + 1}^({use.layer})"
            if name not in found:
                found[name] = variable(name, float(value))
            columns[i].append(found[name])
        yield columns


def _scaled(x: Node, shift: float, scale: float) -> Node:
    """Return x' = (x - shift) * scale, without gates that change nothing."""
    x = x - shift if shift else x
    return x * scale if scale != 1 else x
