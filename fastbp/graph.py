"""This module makes graphs of gates: to learn backpropagation with (001, 003), and to write formulas of your own.

Make variables with `variable`, and combine them with operators and with the functions of this module. Each of these
makes a `Node`, whose method `forward` computes values, and whose method `backward` computes gradients:

>>> import fastbp as fb
>>> x, y, z, w = map(fb.graph.variable, "xyzw")
>>> f = 2 * (x * y + fb.graph.maximum(z, w))
>>> f.forward(x=3, y=-4, z=2, w=-1)
-20.0
>>> f.backward()
{'x': -8.0, 'y': 6.0, 'z': 2.0, 'w': 0.0}

`fastbp.activations.Formula` and `fastbp.losses.Formula` turn functions that use the same operators and functions into
compiled kernels. The classes at the end are blocks with parameters, which `chain` puts one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import checks
from .activations import relu, sigmoid, softmax, softplus, tanh
from .formulas.nodes import Node, apply, constant, gate, variable

__all__ = [
    "BNLL", "AbsVal", "Dropout", "EuclideanLoss", "Exp", "HingeLoss", "InnerProduct", "Log", "Node", "Power", "ReLU",
    "Sigmoid", "SigmoidCrossEntropyLoss", "Softmax", "Tanh", "absolute", "chain", "constant", "cos", "exp", "gate",
    "hinge_margins", "log", "maximum", "mean", "minimum", "reciprocal", "relu", "scale", "shift", "sigmoid", "sin",
    "softmax", "softplus", "sqrt", "squared_norm", "sum", "tanh", "variable", "where",
]  # fmt: skip


def _function(name: str, formula: str) -> Callable[..., Node]:
    """Return the function that makes nodes of a gate."""

    def function(*operands: Node | ArrayLike) -> Node:
        if not any(isinstance(each, Node) for each in operands):
            raise TypeError(f"{name} needs a node such as variable('x') among its inputs, got {operands!r}")
        return apply(name, *operands)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return a node that computes {formula}."
    return function


exp = _function("exp", "e^x")
log = _function("log", "ln x")
sqrt = _function("sqrt", "the square root of x")
sin = _function("sin", "sin x")
cos = _function("cos", "cos x")
absolute = _function("absolute", "|x|")
reciprocal = _function("reciprocal", "1 / x")
maximum = _function("maximum", "the larger one of x and y")
minimum = _function("minimum", "the smaller one of x and y")
where = _function("where", "x where a condition such as z > 0 is true, and y elsewhere")
squared_norm = _function("squared_norm", "the sum of the squares of all numbers of x")


def scale(x: Node, by: float) -> Node:
    """Return a node that computes by * x, for a number `by`."""
    return apply("scale", x, by=checks.real(by, "by"))


def shift(x: Node, by: float) -> Node:
    """Return a node that computes x + by, for a number `by`."""
    return apply("shift", x, by=checks.real(by, "by"))


def sum(x: Node | Sequence[Node], axis: int | None = None) -> Node:
    """Return a node that computes the sum of x.

    Parameters
    ----------
    x : Node or sequence of Node
        What is summed. The nodes of a sequence, such as the outputs of a formula with ``rows=True``, are added up.
    axis : int or None, default None
        The axis along which the numbers of one node are summed. With None, all are summed.

    Examples
    --------
    >>> import fastbp as fb
    >>> x = fb.graph.variable("x")
    >>> f = fb.graph.sum(x * x)
    >>> f.forward(x=[1, 2, 3]), f.backward()["x"]
    (14.0, array([2., 4., 6.]))
    """
    if isinstance(x, Node):
        return apply("sum", x, axis=axis)
    nodes = list(x)
    if not nodes:
        raise ValueError("x must have at least one node, got none")
    total = nodes[0]
    for node in nodes[1:]:
        total = total + node
    return total


def mean(x: Node) -> Node:
    """Return a node that computes the mean of all numbers of x."""
    return apply("mean", x)


def hinge_margins(scores: Node, labels: ArrayLike, delta: float = 1.0) -> Node:
    """Return a node that computes the margins of a multiclass support vector machine (001).

    Parameters
    ----------
    scores : Node
        The scores s, of shape (n, classes).
    labels : int array of shape (n,)
        The right class k of each row.
    delta : float, default 1.0
        The margin.

    Returns
    -------
    Node
        max(0, s_i - s_k + delta) for each class i of each row, and 0 for i = k. The loss is their sum.

    Examples
    --------
    The loss of two samples, with a penalty of 0.1 for the squares of the weights:

    >>> import fastbp as fb
    >>> W, X = fb.graph.variable("W"), [[0.2, 0.4], [1.0, -1.0]]
    >>> loss = fb.graph.sum(fb.graph.hinge_margins(X @ W.T, [0, 1])) / 2 + 0.1 * fb.graph.squared_norm(W)
    >>> round(loss.forward(W=[[0.1, 0.5], [-0.3, 0.8], [0.2, -0.1]]), 4)
    3.064
    >>> loss.backward()["W"].round(2).tolist()
    [[0.32, -0.8], [-0.96, 1.36], [0.64, -0.32]]
    """
    classes = tuple(checks.integer(label, f"labels[{k}]", 0) for k, label in enumerate(np.asarray(labels).tolist()))
    return apply("hinge_margins", scores, labels=classes, delta=checks.real(delta, "delta"))


# --- blocks -----------------------------------------------------------------------------------------------------------


def chain(*blocks: Callable[[Any], Node]) -> Callable[[Any], Node]:
    """Return a block that applies several blocks, one after another.

    Parameters
    ----------
    *blocks : functions
        Functions that take a node and return a node, such as the blocks and activation functions of this module.

    Examples
    --------
    >>> import fastbp as fb
    >>> net = fb.graph.chain(fb.graph.InnerProduct(2, 8, seed=0), fb.graph.tanh, fb.graph.InnerProduct(8, 1, seed=1))
    >>> x, y = fb.graph.variable("x"), fb.graph.variable("y")
    >>> loss = fb.graph.EuclideanLoss()(net(x), y)
    >>> X, wanted = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> for step in range(500):  # gradient descent by hand
    ...     _ = loss.forward(x=X, y=wanted), loss.backward()
    ...     for name, node in loss.variables.items():
    ...         if name not in "xy":
    ...             node.value = node.value - 0.5 * node.gradient
    >>> loss.forward(x=X, y=wanted) < 0.01
    True
    """
    if not blocks or not all(callable(block) for block in blocks):
        raise TypeError(f"blocks must be functions of nodes, got {blocks!r}")

    def chained(x: Any) -> Node:
        for block in blocks:
            x = block(x)
        return x

    return chained


class InnerProduct:
    """`InnerProduct` is the block x W + b, a layer of weights and biases.

    Parameters
    ----------
    n_in, n_out : int
        The number of inputs and of outputs.
    seed : int or None, keyword-only, default None
        The seed of the first weights. With None, each block has others.
    name : str or None, keyword-only, default None
        The end of the names of the variables. With None, blocks are numbered: "W1" and "b1", "W2" and "b2", ...

    Attributes
    ----------
    W, b : Node
        The variables with the weights, of shape (n_in, n_out), and the biases, of shape (n_out,).
    """

    count = 0

    def __init__(self, n_in: int, n_out: int, *, seed: int | None = None, name: str | None = None):
        shape = checks.integer(n_in, "n_in", 1), checks.integer(n_out, "n_out", 1)
        if name is None:
            InnerProduct.count += 1
            name = str(InnerProduct.count)
        drawn = checks.generator(seed).uniform(-1.0, 1.0, shape) * np.sqrt(3.0 / n_in)
        self.W, self.b = variable(f"W{name}", drawn), variable(f"b{name}", np.zeros(n_out))

    def __call__(self, x: Node | ArrayLike) -> Node:
        return x @ self.W + self.b


class Sigmoid:
    """`Sigmoid` is the block 1 / (1 + e^-x)."""

    def __call__(self, x: Node) -> Node:
        return sigmoid(x)


class Tanh:
    """`Tanh` is the block tanh x."""

    def __call__(self, x: Node) -> Node:
        return tanh(x)


@dataclass(frozen=True)
class ReLU:
    """`ReLU` is the block x if x > 0, else negative_slope x.

    Parameters
    ----------
    negative_slope : float, default 0.0
        The slope for x below 0.
    """

    negative_slope: float = 0.0

    def __call__(self, x: Node) -> Node:
        return where(x > 0.0, x, self.negative_slope * x) if self.negative_slope else relu(x)


class AbsVal:
    """`AbsVal` is the block |x|."""

    def __call__(self, x: Node) -> Node:
        return absolute(x)


class BNLL:
    """`BNLL` is the block ln(1 + e^x), the binomial normal log likelihood, also called softplus."""

    def __call__(self, x: Node) -> Node:
        return softplus(x)


@dataclass(frozen=True)
class Power:
    """`Power` is the block (shift + scale x)^power.

    Parameters
    ----------
    power, scale : float, default 1.0
        The exponent and the factor.
    shift : float, default 0.0
        The summand.
    """

    power: float = 1.0
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: Node) -> Node:
        return (self.shift + self.scale * x) ** self.power


@dataclass(frozen=True)
class Exp:
    """`Exp` is the block base^(shift + scale x).

    Parameters
    ----------
    base : float or None, default None
        The base, above 0. None means e.
    scale : float, default 1.0
        The factor.
    shift : float, default 0.0
        The summand.
    """

    base: float | None = None
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: Node) -> Node:
        exponent = self.shift + self.scale * x
        return exp(exponent if self.base is None else exponent * float(np.log(self.base)))


@dataclass(frozen=True)
class Log:
    """`Log` is the block log_base(shift + scale x).

    Parameters
    ----------
    base : float or None, default None
        The base, above 0. None means e.
    scale : float, default 1.0
        The factor.
    shift : float, default 0.0
        The summand.
    """

    base: float | None = None
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: Node) -> Node:
        out = log(self.shift + self.scale * x)
        return out if self.base is None else out * (1.0 / float(np.log(self.base)))


class Softmax:
    """`Softmax` is the block e^x_i / sum_k e^x_k over the last axis (003)."""

    def __call__(self, x: Node) -> Node:
        return softmax(x)


class Dropout:
    """`Dropout` sets each number to 0 with a probability, and divides the others by 1 - rate (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float, default 0.5
        The probability, at least 0 and below 1.
    seed : int or None, keyword-only, default None
        The seed of the choices. Each forward pass makes other ones. With None, they cannot be repeated.
    """

    def __init__(self, rate: float = 0.5, *, seed: int | None = None):
        self.rate, self._rng = checks.real(rate, "rate", 0, 1), checks.generator(seed)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the numbers that stay, divided by 1 - rate."""
        self._mask = (self._rng.random(x.shape) >= self.rate) / (1.0 - self.rate)
        return x * self._mask

    def backward(self, dz: np.ndarray) -> np.ndarray:
        """Return dC/dx."""
        return dz * self._mask

    def __call__(self, x: Node) -> Node:
        return gate(self, x)


class EuclideanLoss:
    """`EuclideanLoss` is the loss sum (a - y)^2 / (2 n) of n rows."""

    def __call__(self, a: Node, y: Node | ArrayLike) -> Node:
        return squared_norm(a - y) * 0.5 / _rows(a)


@dataclass(frozen=True)
class HingeLoss:
    """`HingeLoss` is the mean over the rows of sum_i max(0, 1 - t_i s_i)^norm, with t_i = 1 for the right class, else
    -1.

    Parameters
    ----------
    norm : {1, 2}, default 1
        The exponent.
    """

    norm: int = 1

    def __post_init__(self):
        checks.integer(self.norm, "norm", 1, 3)

    def __call__(self, scores: Node, labels: ArrayLike) -> Node:
        margins = gate(_Signed(np.asarray(labels)), scores)
        return sum(maximum(1.0 - margins, 0.0) ** self.norm) / _rows(scores)


class _Signed:
    """`_Signed` is a gate that changes the sign of all scores but that of the right class."""

    def __init__(self, labels: np.ndarray):
        self.labels = labels

    def forward(self, scores: np.ndarray) -> np.ndarray:
        self.signs = np.full(scores.shape, -1.0)
        self.signs[np.arange(len(self.labels)), self.labels] = 1.0
        return scores * self.signs

    def backward(self, dz: np.ndarray) -> np.ndarray:
        return dz * self.signs


class SigmoidCrossEntropyLoss:
    """`SigmoidCrossEntropyLoss` is the mean over the rows of -sum_i (y_i ln p_i + (1 - y_i) ln(1 - p_i)), p =
    sigmoid(x).

    It is computed as the sum of softplus(x_i) - x_i y_i, which stays exact for large |x|.
    """

    def __call__(self, x: Node, y: Node | ArrayLike) -> Node:
        return sum(softplus(x) - x * y) / _rows(x)


def _rows(x: Node) -> Node:
    """Return a node that computes the number of rows of x. No gradient goes through it."""
    return apply("rows", x)
