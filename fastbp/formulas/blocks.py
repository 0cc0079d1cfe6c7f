"""This module has blocks: functions of nodes with parameters, such as the layers of Caffe (001)."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import checks
from ..base.value_objects import Value, field
from .nodes import Node, apply, nodes_among, variable
from .user_gates import gate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def chain(*blocks: Callable[[Any], Node]) -> Callable[[Any], Node]:
    """Return a block that applies several blocks, one after another.

    Parameters
    ----------
    *blocks : functions
        Functions that take a node and return a node, such as the blocks and the functions of this module. Blocks of
        `InnerProduct` and `Bias` without a name get the names "1", "2", ... in their order.

    Raises
    ------
    TypeError
        If a block is not a function, or if there is none.

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
    layers = [block for block in blocks if isinstance(block, InnerProduct | Bias)]
    for k, layer in enumerate(layers, 1):
        for node in vars(layer).values():
            if node.name in ("W", "b"):
                node.name += str(k)

    return lambda x: functools.reduce(lambda value, block: block(value), blocks, x)


class InnerProduct:
    """`InnerProduct` is the block x W + b, a layer of weights and biases. Caffe has this name for it (001).

    Parameters
    ----------
    n_in, n_out : int
        The number of inputs and of outputs.
    seed : int or None, keyword-only, default None
        The seed of the first weights. With None, each block has others.
    name : str, keyword-only, default ""
        The end of the names of the variables, "W" and "b". `chain` numbers the layers that have no name.

    Attributes
    ----------
    W, b : Node
        The variables with the weights, of shape (n_in, n_out), and the biases, of shape (n_out,).

    Raises
    ------
    TypeError, ValueError
        If a number of units is not an integer that is at least 1.
    """

    def __init__(self, n_in: int, n_out: int, *, seed: int | None = None, name: str = ""):
        shape = checks.integer(n_in, "n_in", 1), checks.integer(n_out, "n_out", 1)
        drawn = checks.generator(seed).uniform(-1.0, 1.0, shape) * np.sqrt(3.0 / n_in)
        self.W, self.b = variable(f"W{name}", drawn), variable(f"b{name}", np.zeros(n_out))

    def __call__(self, x: Node | ArrayLike) -> Node:
        return x @ self.W + self.b


class Bias:
    """`Bias` is the block x + b, biases without weights. Caffe has this name for it (001).

    Parameters
    ----------
    n : int
        The number of biases, one for each column of x. They start at 0.
    name : str, keyword-only, default ""
        The end of the name of the variable "b", as for `InnerProduct`.

    Attributes
    ----------
    b : Node
        The variable with the biases, of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If n is not an integer that is at least 1.
    """

    def __init__(self, n: int, *, name: str = ""):
        self.b = variable(f"b{name}", np.zeros(checks.integer(n, "n", 1)))

    def __call__(self, x: Node | ArrayLike) -> Node:
        return x + self.b


COMBINING: dict[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add, "prod": operator.mul, "max": functools.partial(apply, "maximum"),
}  # fmt: skip
"""The functions of `Eltwise` by the names that Caffe gives them."""


class Eltwise(Value):
    """`Eltwise` combines several nodes number by number: their sum, product or maximum. Caffe has this name (001).

    Examples
    --------
    >>> import fastbp as fb
    >>> x, y = fb.graph.variables("x y")
    >>> fb.graph.Eltwise("sum", coeff=(1, -2))(x, y).gradients(x=3, y=4)
    {'x': 1.0, 'y': -2.0}
    """

    operation: str = field("What the block computes.", checks.Choice(COMBINING), default="sum")
    coeff: tuple[float, ...] | None = field(
        "The factor of each node of a sum. With None, all are 1.",
        lambda value, name: None if value is None else tuple(checks.real(each, name) for each in value),
        default=None,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.coeff is not None and self.operation != "sum":
            raise ValueError(f"coeff must be None for {self.operation!r}, got {self.coeff!r}")

    def __call__(self, *x: Node) -> Node:
        nodes = nodes_among(x, "Eltwise")
        if self.coeff is not None:
            if len(self.coeff) != len(nodes):
                raise ValueError(f"coeff must be a number for each of the {len(nodes)} nodes, got {self.coeff!r}")
            nodes = [node * by for node, by in zip(nodes, self.coeff, strict=True)]
        combined: Node = functools.reduce(COMBINING[self.operation], nodes)
        return combined


class Power(Value):
    """`Power` is the block (shift + scale x)^power. Caffe has this name for it (001)."""

    power: float = field("The exponent.", checks.Real(), default=1.0)
    scale: float = field("The factor.", checks.Real(), default=1.0)
    shift: float = field("The summand.", checks.Real(), default=0.0)

    def __call__(self, x: Node) -> Node:
        return (self.shift + self.scale * x) ** self.power


def _base(value: float | None, name: str) -> float | None:
    """Return the base of a power or of a logarithm. None means e."""
    if value is not None and checks.real(value, name, 0, open_low=True) == 1:
        raise ValueError(f"{name} must not be 1")
    return value


class Exp(Value):
    """`Exp` is the block base^(shift + scale x). Caffe has this name for it (001)."""

    base: float | None = field("The base, above 0 and not 1. None means e.", _base, default=None)
    scale: float = field("The factor.", checks.Real(), default=1.0)
    shift: float = field("The summand.", checks.Real(), default=0.0)

    @property
    def logarithm(self) -> float:
        """The natural logarithm of the base."""
        return 1.0 if self.base is None else math.log(self.base)

    def __call__(self, x: Node) -> Node:
        return apply("exp", (self.shift + self.scale * x) * self.logarithm)


class Log(Exp):
    """`Log` is the block log_base(shift + scale x). Its parameters are those of `Exp`. Caffe has this name (001)."""

    def __call__(self, x: Node) -> Node:
        return apply("log", self.shift + self.scale * x) * (1.0 / self.logarithm)


class Dropout:
    """`Dropout` sets each number to 0 with a probability, and divides the others by 1 - rate (Srivastava et al. 2014).

    Caffe has this name for it (001).

    Parameters
    ----------
    rate : float, default 0.5
        The probability, at least 0 and below 1.
    seed : int or None, keyword-only, default None
        The seed of the choices. Each forward pass makes other ones, so `Node.check` cannot compare its derivatives.
        With None, the choices cannot be repeated.

    Raises
    ------
    TypeError, ValueError
        If the rate is not a number in this range.
    """

    def __init__(self, rate: float = 0.5, *, seed: int | None = None):
        self.rate, self._rng = checks.real(rate, "rate", 0, 1), checks.generator(seed)

    def __call__(self, x: Node) -> Node:
        return gate(_Dropped(self.rate, self._rng), x)


class _Dropped:
    """`_Dropped` is the gate of one use of `Dropout`."""

    def __init__(self, rate: float, rng: np.random.Generator):
        self.rate, self.rng = rate, rng

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.mask = (self.rng.random(x.shape) >= self.rate) / (1.0 - self.rate)
        dropped: np.ndarray = x * self.mask
        return dropped

    def backward(self, dz: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = dz * self.mask
        return gradient
