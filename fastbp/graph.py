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
compiled kernels. The classes at the end are blocks with parameters, which `chain` puts one after another, with
functions such as `sigmoid`, `tanh`, `relu`, `softmax`, `absolute` and `softplus` between them.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .activations import relu, sigmoid, softmax, softplus, tanh
from .base import checks, hints
from .base.docstrings import documented
from .base.value_objects import Value, field
from .formulas.gates import right_places
from .formulas.nodes import Node, apply, constant, variable
from .formulas.user_gates import gate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Dropout", "EuclideanLoss", "Exp", "HingeLoss", "InnerProduct", "Log", "Node", "Power", "SigmoidCrossEntropyLoss",
    "absolute", "chain", "constant", "cos", "exp", "gate", "hinge_margins", "log", "maximum", "mean", "minimum",
    "reciprocal", "relu", "scale", "shift", "sigmoid", "sin", "softmax", "softplus", "sqrt", "squared_norm", "sum",
    "tanh", "variable", "where",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker would believe that every name exists
    __getattr__, __dir__ = hints.of_module(__name__, __all__)


def _function(name: str, formula: str, example: str, *more: str) -> Callable[..., Node]:
    """Return the function that makes nodes of a gate.

    The formula says what the gate computes. The example is a call with x = 4, or x = 0 for the sine, and its value.
    Without `more` names of arguments, the only one is x.
    """
    names = more or ("x",)

    def function(*operands: Node | ArrayLike) -> Node:
        """Return a node that computes {formula}.

        Parameters
        ----------
        {names} : Node or array
            The inputs. At least one must be a node. An array or a number is a constant.

        Returns
        -------
        Node
            The node. Arrays of different shapes are broadcast as by NumPy.

        Raises
        ------
        TypeError
            If no input is a node, or if their number is wrong.

        Examples
        --------
        >>> import fastbp as fb
        >>> x = fb.graph.variable("x", {start})
        >>> fb.graph.{call}.forward()
        {value}
        """
        if len(operands) != len(names):
            raise TypeError(f"{name} must get {len(names)} inputs, got {len(operands)}")
        if not any(isinstance(each, Node) for each in operands):
            raise TypeError(f"{name} needs a node such as variable('x') among its inputs, got {operands!r}")
        return apply(name, *operands)

    function.__name__ = function.__qualname__ = name
    call, _, value = example.partition(" = ")
    start = "0.0" if name == "sin" else "4.0"
    texts = {"formula": formula, "names": ", ".join(names), "call": call, "value": value, "start": start}
    return documented(**texts)(function)


exp = _function("exp", "e^x", "exp(x - 4) = 1.0")
log = _function("log", "ln x. In a compiled formula, ln 0 is that of the smallest normal number", "log(x / 4) = 0.0")
sqrt = _function("sqrt", "the square root of x", "sqrt(x) = 2.0")
sin = _function("sin", "sin x", "sin(x) = 0.0")
cos = _function("cos", "cos x", "cos(x - 4) = 1.0")
absolute = _function("absolute", "the absolute value of x", "absolute(-x) = 4.0")
reciprocal = _function("reciprocal", "1 / x", "reciprocal(x) = 0.25")
maximum = _function("maximum", "the larger one of x and y", "maximum(x, 5.0) = 5.0", "x", "y")
minimum = _function("minimum", "the smaller one of x and y", "minimum(x, 5.0) = 4.0", "x", "y")
where = _function(
    "where", "x where a condition is true, and else y", "where(x > 3, x, 0.0) = 4.0", "condition", "x", "y"
)
squared_norm = _function("squared_norm", "the sum of the squares of all numbers of x", "squared_norm(x) = 16.0")
mean = _function("mean", "the mean of all numbers of x", "mean(x) = 4.0")


def scale(x: Node, by: float) -> Node:
    """Return a node that computes by * x, for a finite number `by`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.graph.scale(fb.graph.variable("x", 4.0), 0.5).forward()
    2.0
    """
    return apply("scale", x, by=checks.real(by, "by"))


def shift(x: Node, by: float) -> Node:
    """Return a node that computes x + by, for a finite number `by`.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.graph.shift(fb.graph.variable("x", 4.0), 0.5).forward()
    4.5
    """
    return apply("shift", x, by=checks.real(by, "by"))


def sum(x: Node | Sequence[Node], axis: int | None = None) -> Node:
    """Return a node that computes the sum of x.

    Parameters
    ----------
    x : Node or sequence of Node
        What is summed. The nodes of a sequence, such as the outputs of a formula with ``rows=True``, are added up.
    axis : int or None, default None
        The axis along which the numbers of one node are summed. With None, all are summed.

    Raises
    ------
    ValueError
        If the sequence is empty.
    TypeError
        If x is something else, or if the axis is not an integer.

    Examples
    --------
    >>> import fastbp as fb
    >>> x = fb.graph.variable("x")
    >>> f = fb.graph.sum(x * x)
    >>> f.forward(x=[1, 2, 3]), f.backward()["x"]
    (14.0, array([2., 4., 6.]))
    """
    if isinstance(x, Node):
        return apply("sum", x, axis=None if axis is None else checks.integer(axis, "axis", -32))
    if axis is not None or not isinstance(x, list | tuple) or not all(isinstance(node, Node) for node in x):
        raise TypeError(f"x must be a node, or a list of nodes without an axis, got {x!r}")
    if not x:
        raise ValueError("x must have at least one node, got none")
    total: Node = functools.reduce(operator.add, x)
    return total


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

    Raises
    ------
    TypeError, ValueError
        If a label is not an integer of at least 0. In `forward`, if the number of labels is not the number of rows, or
        if a label is not below the number of classes.

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
    return apply("hinge_margins", scores, labels=_classes(labels), delta=checks.real(delta, "delta"))


def _classes(labels: ArrayLike) -> tuple[int, ...]:
    """Return class labels, if they are integers that are at least 0."""
    return tuple(checks.integer(label, f"labels[{k}]", 0) for k, label in enumerate(np.asarray(labels).tolist()))


# --- blocks -----------------------------------------------------------------------------------------------------------


def chain(*blocks: Callable[[Any], Node]) -> Callable[[Any], Node]:
    """Return a block that applies several blocks, one after another.

    Parameters
    ----------
    *blocks : functions
        Functions that take a node and return a node, such as the blocks and the functions of this module. Blocks of
        `InnerProduct` without a name get the names "1", "2", ... in their order.

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
    layers = [block for block in blocks if isinstance(block, InnerProduct)]
    for k, layer in enumerate(layers, 1):
        if layer.W.name == "W":
            layer.W.name, layer.b.name = f"W{k}", f"b{k}"

    return lambda x: functools.reduce(lambda value, block: block(value), blocks, x)


class InnerProduct:
    """`InnerProduct` is the block x W + b, a layer of weights and biases.

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


class Power(Value):
    """`Power` is the block (shift + scale x)^power."""

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
    """`Exp` is the block base^(shift + scale x)."""

    base: float | None = field("The base, above 0 and not 1. None means e.", _base, default=None)
    scale: float = field("The factor.", checks.Real(), default=1.0)
    shift: float = field("The summand.", checks.Real(), default=0.0)

    @property
    def logarithm(self) -> float:
        """The natural logarithm of the base."""
        return 1.0 if self.base is None else math.log(self.base)

    def __call__(self, x: Node) -> Node:
        return exp((self.shift + self.scale * x) * self.logarithm)


class Log(Exp):
    """`Log` is the block log_base(shift + scale x). Its parameters are those of `Exp`."""

    def __call__(self, x: Node) -> Node:
        return log(self.shift + self.scale * x) * (1.0 / self.logarithm)


class Dropout:
    """`Dropout` sets each number to 0 with a probability, and divides the others by 1 - rate (Srivastava et al. 2014).

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


class EuclideanLoss:
    """`EuclideanLoss` is the loss sum (a - y)^2 / (2 n) of n rows. The targets y must have the shape of a."""

    def __call__(self, a: Node, y: Node | ArrayLike) -> Node:
        return squared_norm(a - apply("like", y, a)) * 0.5 / _rows(a)


class HingeLoss(Value):
    """`HingeLoss` is the mean over the rows of sum_i max(0, 1 - t_i s_i)^norm, with t_i = 1 for the right class, else
    -1.
    """

    norm: int = field("The exponent.", checks.Integer(1, 3), default=1)

    def __call__(self, scores: Node, labels: ArrayLike) -> Node:
        margins = gate(_Signed(_classes(labels)), scores)
        return sum(maximum(1.0 - margins, 0.0) ** int(self.norm)) / _rows(scores)


class _Signed:
    """`_Signed` is a gate that changes the sign of all scores but that of the right class."""

    def __init__(self, labels: tuple[int, ...]):
        self.labels = labels

    def forward(self, scores: np.ndarray) -> np.ndarray:
        rows = right_places(scores, self.labels)
        self.signs = np.full(scores.shape, -1.0)
        self.signs[rows, self.labels] = 1.0
        signed: np.ndarray = scores * self.signs
        return signed

    def backward(self, dz: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = dz * self.signs
        return gradient


class SigmoidCrossEntropyLoss:
    """`SigmoidCrossEntropyLoss` is the mean over the rows of -sum_i (y_i ln p_i + (1 - y_i) ln(1 - p_i)), p =
    sigmoid(x).

    It is computed as the sum of softplus(x_i) - x_i y_i, which stays exact for large ``|x|``. The targets y must have
    the shape of x.
    """

    def __call__(self, x: Node, y: Node | ArrayLike) -> Node:
        return sum(softplus(x) - x * apply("like", y, x)) / _rows(x)


def _rows(x: Node) -> Node:
    """Return a node that computes the number of rows of x. No gradient goes through it."""
    return apply("rows", x)
