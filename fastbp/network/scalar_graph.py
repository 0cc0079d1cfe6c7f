"""This module writes a small network as a graph of gates with single numbers, as the documents draw it (001, 002)."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from ..base import checks
from ..data.samples import SampleChecker
from ..formulas.nodes import Node, apply, variable
from ..losses import LOSSES
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
    target = checked.dense.reshape(-1)
    target = np.eye(form.n_out)[target[0]] if checked.labels else target
    output = _output(network, row[0].tolist())
    C: Node = found(output, variable("y", target[0] if form.n_out == target.size == 1 else target)).named("C")
    C.gradients()
    return C


def _output(network: Any, x: list[float]) -> Node:
    """Return the node of the outputs a^L: a single number, or an array of several."""
    scales = zip(x, network.shift.tolist(), network.scale.tolist(), strict=True)
    a = [_scaled(variable(f"x{j}", value), shift, scale) for j, (value, shift, scale) in enumerate(scales, 1)]
    layers = zip(network.weights, network.biases, network.architecture.activations, strict=True)
    for l, (W, b, sigma) in enumerate(layers, 1):
        z = [_sum(l, i, W, b, a) for i in range(W.shape[1])]
        if sigma.whole_rows:  # the output
            whole: Node = sigma(apply("concat", *z, axis=0))
            return whole.named(f"a^({l})")
        if sigma.name == "identity":
            a = z
        else:
            a = [sigma(each).named(f"a{i}^({l})") for i, each in enumerate(z, 1)]
    return a[0] if len(a) == 1 else apply("concat", *a, axis=0).named(f"a^({len(network)})")


def _scaled(x: Node, shift: float, scale: float) -> Node:
    """Return x' = (x - shift) * scale, without gates that change nothing."""
    x = x - shift if shift else x
    return x * scale if scale != 1 else x


def _sum(l: int, i: int, W: np.ndarray, b: Any, a: list[Node]) -> Node:
    """Return the node of z_i = sum_j w_ji a_j + b_i of layer l."""
    comma = "," if max(W.shape) > 9 else ""
    names = [f"w{j}{comma}{i + 1}^({l})" for j in range(1, len(a) + 1)]
    products = [variable(*each) * below for *each, below in zip(names, W[:, i].tolist(), a, strict=True)]
    terms = products if b is None else [*products, variable(f"b{i + 1}^({l})", float(b[i]))]
    return functools.reduce(operator.add, terms).named(f"z{i + 1}^({l})")
