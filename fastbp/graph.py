"""This module makes graphs of gates: to learn backpropagation with (001, 003), and to write formulas of your own.

Make variables with `variable`, and combine them with operators and with the functions of this module. Each of these
makes a `Node`, whose method `forward` computes values, and whose method `backward` computes gradients:

>>> import fastbp as fb
>>> x, y, z, w = fb.graph.variables("x y z w")
>>> f = 2 * (x * y + fb.graph.maximum(z, w))
>>> f.forward(x=3, y=-4, z=2, w=-1)
-20.0
>>> f.backward()
{'x': -8.0, 'y': 6.0, 'z': 2.0, 'w': 0.0}

``x[:, 0]`` takes some of the numbers of a node. The methods `Node.table`, `Node.paths` and `Node.jacobian` explain what
`backward` does, and `MLP.graph` writes a small network as such a graph. `gate` makes a node of a gate of your own, and
`check` says whether its `backward` is right.

`fastbp.activations.Formula` and `fastbp.losses.Formula` turn functions that use the same operators and functions into
compiled kernels. The classes at the end are blocks with parameters, which `chain` puts one after another, with
functions such as `sigmoid`, `tanh`, `relu`, `softmax`, `absolute` and `softplus` between them. They have the names of
layers of Caffe, which 001 shows.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .activations import relu, sigmoid, softmax, softplus, tanh
from .base import checks, hints
from .base.docstrings import documented
from .base.value_objects import Value, field
from .formulas.blocks import Bias, Dropout, Eltwise, Exp, InnerProduct, Log, Power, chain
from .formulas.gate_checks import check
from .formulas.gates import right_places
from .formulas.nodes import Node, apply, constant, nodes_among, variable
from .formulas.user_gates import gate
from .losses import CrossEntropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Accuracy", "ArgMax", "Bias", "Dropout", "Eltwise", "EuclideanLoss", "Exp", "HingeLoss", "InnerProduct", "Log",
    "Node", "Power", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss", "absolute", "chain", "check", "concat", "constant",
    "cos", "exp", "gate", "hinge_margins", "log", "maximum", "mean", "minimum", "reciprocal", "relu", "scale", "shift",
    "sigmoid", "sin", "softmax", "softplus", "sqrt", "squared_norm", "sum", "tanh", "variable", "variables", "where",
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
        return apply(name, *nodes_among(operands, name))

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


def variables(names: str | Sequence[str]) -> tuple[Node, ...]:
    """Make several variables.

    Parameters
    ----------
    names : str or sequence of str
        The names, as one text with spaces or commas between them, or one by one.

    Returns
    -------
    tuple of Node
        A variable for each name.

    Raises
    ------
    ValueError
        If there is no name, or if a name comes twice.
    TypeError
        If the names are not strings.

    Examples
    --------
    >>> import fastbp as fb
    >>> w0, x0, w1, x1, w2 = fb.graph.variables("w0 x0 w1 x1 w2")
    >>> (w0 * x0 + w1 * x1 + w2).forward(w0=2, x0=-1, w1=-3, x1=-2, w2=-3)
    1.0
    """
    each = names.replace(",", " ").split() if isinstance(names, str) else checks.sequence(names, "names", " of strings")
    if not each or len({*each}) != len(each):
        raise ValueError(f"names must be different names, and at least one, got {names!r}")
    return tuple(map(variable, each))


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
        return apply("sum", x, axis=_axis(axis))
    if axis is not None or not isinstance(x, list | tuple) or not all(isinstance(node, Node) for node in x):
        raise TypeError(f"x must be a node, or a list of nodes without an axis, got {x!r}")
    if not x:
        raise ValueError("x must have at least one node, got none")
    total: Node = functools.reduce(operator.add, x)
    return total


def mean(x: Node, axis: int | None = None) -> Node:
    """Return a node that computes the mean of x.

    Parameters
    ----------
    x : Node
        The numbers.
    axis : int or None, default None
        The axis along which the means are taken. With None, it is the mean of all numbers.

    Raises
    ------
    TypeError
        If x is not a node, or if the axis is not an integer.

    Examples
    --------
    >>> import fastbp as fb
    >>> x = fb.graph.variable("x", [[1.0, 2.0], [3.0, 6.0]])
    >>> fb.graph.mean(x).forward(), fb.graph.mean(x, axis=0).forward()
    (3.0, array([2., 4.]))
    """
    return apply("mean", *nodes_among([x], "mean"), axis=_axis(axis))


def concat(x: Sequence[Node], axis: int = -1) -> Node:
    """Return a node with the numbers of several nodes, one after another.

    Parameters
    ----------
    x : sequence of Node
        The nodes, and arrays between them. A single number counts as an array of shape (1,).
    axis : int, default -1
        The axis along which they stand. Along all others, their lengths must be equal.

    Raises
    ------
    TypeError
        If x is not a sequence with a node, or if the axis is not an integer.

    Examples
    --------
    >>> import fastbp as fb
    >>> x, y = fb.graph.variable("x", [1.0, 2.0]), fb.graph.variable("y", 3.0)
    >>> fb.graph.concat([x, y]).forward()
    array([1., 2., 3.])
    """
    nodes = nodes_among(checks.sequence(x, "x", " of nodes"), "concat")
    return apply("concat", *nodes, axis=checks.integer(axis, "axis", -32))


def _axis(axis: int | None) -> int | None:
    """Return an axis, which may be negative, or None."""
    return None if axis is None else checks.integer(axis, "axis", -32)


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


# --- blocks that are losses or scores ---------------------------------------------------------------------------------


class EuclideanLoss:
    """`EuclideanLoss` is the loss sum (a - y)^2 / (2 n) of n rows. Caffe has this name for it (001).

    The targets y must have the shape of a.
    """

    def __call__(self, a: Node, y: Node | ArrayLike) -> Node:
        return squared_norm(a - apply("like", y, a)) * 0.5 / _rows(a)


class HingeLoss(Value):
    """`HingeLoss` is the mean over the rows of sum_i max(0, 1 - t_i s_i)^norm. Caffe has this name for it (001).

    In the formula, t_i is 1 for the right class, and -1 for the others.
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
    the shape of x. Caffe has this name for it (001).
    """

    def __call__(self, x: Node, y: Node | ArrayLike) -> Node:
        return sum(softplus(x) - x * apply("like", y, x)) / _rows(x)


class SoftmaxWithLoss:
    """`SoftmaxWithLoss` is the mean over the rows of -ln p_k, with p = softmax(x) and k the right class.

    It is a single gate, and stays exact for large ``|x|``. Caffe has this name for it (001).

    Examples
    --------
    >>> import fastbp as fb
    >>> x = fb.graph.variable("x", [[1.0, 1.0], [0.0, 1000.0]])
    >>> loss = fb.graph.SoftmaxWithLoss()(x, [0, 0])
    >>> loss.forward(), loss.backward()["x"].tolist()
    (500.34657359027995, [[-0.25, 0.25], [-0.5, 0.5]])
    """

    def __call__(self, x: Node, labels: ArrayLike) -> Node:
        loss: Node = CrossEntropy(from_logits=True)(x, constant(_classes(labels)))
        return loss


class Accuracy(Value):
    """`Accuracy` is the share of the rows whose right class is among the largest scores. Caffe has this name (001).

    Of equal scores, the first one counts as the largest. No gradient goes through it.

    Examples
    --------
    >>> import fastbp as fb
    >>> scores = fb.graph.variable("scores", [[0.1, 0.9], [0.8, 0.2]])
    >>> fb.graph.Accuracy()(scores, [1, 1]).forward()
    0.5
    """

    top_k: int = field("The number of largest scores.", checks.Integer(1), default=1)

    def __call__(self, scores: Node, labels: ArrayLike) -> Node:
        return apply("accuracy", *nodes_among([scores], "Accuracy"), labels=_classes(labels), top_k=int(self.top_k))


class ArgMax:
    """`ArgMax` is the number of the first largest number of each row. Caffe has this name for it (001).

    No gradient goes through it.
    """

    def __call__(self, x: Node) -> Node:
        return apply("argmax", *nodes_among([x], "ArgMax"))


def _rows(x: Node) -> Node:
    """Return a node that computes the number of rows of x. No gradient goes through it."""
    return apply("rows", x)
