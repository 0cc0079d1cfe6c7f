"""This module has `Node`: a variable or a gate of a graph, with its value and its gradient (001, 003)."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..base import checks
from ..base.locked import locked
from . import tables
from .explained import Explained
from .gates import GATES, Key, backward
from .tables import CONSTANT, VARIABLE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LARGEST = float(np.finfo(np.float64).max)

CONDITIONS = ("less", "less_equal")
"""The gates whose output is true or false."""

FUNCTIONS = (
    "absolute", "cos", "exp", "log", "maximum", "mean", "minimum", "reciprocal", "sin", "sqrt", "sum", "tanh", "where",
)  # fmt: skip
"""The functions of `fastbp.graph` that have the name of a function of NumPy."""

OF_NUMPY: dict[str, Callable[..., Node]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "power": operator.pow, "matmul": operator.matmul, "negative": operator.neg, "less": operator.lt,
    "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
}  # fmt: skip
"""The operators that NumPy calls by these names if one of its arrays or numbers stands beside a node."""

EXPANDED: dict[str, Callable[..., Node]] = {
    "filled": lambda x, value: constant(value),
    "ln": lambda x: apply("log", x),
    "fma": lambda x, y, z: x * y + z,
    "log1p": lambda x: apply("log", x + 1.0),
    "with_sign": lambda x, y: apply("where", y < 0.0, -apply("absolute", x), apply("absolute", x)),
}
"""The functions of vectors that have no gate of their own."""


def _operator(
    name: str, of_number: Callable[[Node, float], Node] | None = None, swapped: bool = False
) -> Callable[[Node, Any], Node]:
    """Return the method of an operator, which makes a node of a gate.

    The function `of_number` makes the node if the other operand is a number. Without it, the number becomes a constant.
    With `swapped`, the node with the method is the second input of the gate.
    """

    def method(self: Node, other: Any) -> Node:
        if of_number is not None and is_number(other):
            return of_number(self, as_float(other))
        return apply(name, other, self) if swapped else apply(name, self, other)

    return method


def _refusing(message: str) -> Callable[..., NoReturn]:
    """Return a method that raises TypeError with a message."""

    def method(self: Node, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(message)

    return method


class Node(Explained):
    """`Node` is a variable or a gate of a graph. Operators and the functions of `fastbp.graph` make new nodes.

    `forward` computes the values of a node and of all nodes that it depends on. `backward` computes the gradients: each
    gate multiplies the gradient of its output by its own derivatives, and passes the products to its inputs. If a node
    is the input of several gates, the gradients that it gets are added.

    Attributes
    ----------
    operation : str
        What the node does: "variable", "constant", or the name of its gate.
    inputs : tuple of Node
        The inputs of the gate.
    name : str
        The name of a variable. Other nodes have the name that `named` has given, or "".
    value : float or array, or None
        The output of the last `forward`. Before, it is None.
    gradient : float or array, or None
        The derivative of the output of the last `backward` with respect to this node, in the shape of `value`.
    nodes : list of Node
        All nodes that this node depends on and then itself, in topological order: each one comes after its inputs.

    Notes
    -----
    Sources: 001 (gates, forward and backward), 003 (the chain rule).

    Examples
    --------
    >>> import fastbp as fb
    >>> x, y, z = map(fb.graph.variable, "xyz")
    >>> f = (x + y) * z
    >>> f.forward(x=-2, y=5, z=-4)
    -12.0
    >>> f.backward()
    {'x': -4.0, 'y': -4.0, 'z': 3.0}
    >>> print(f)
    name  operation  inputs  value  gradient
    x     variable              -2        -4
    y     variable               5        -4
    g1    add        x, y        3        -4
    z     variable              -4         3
    g2    multiply   g1, z     -12         1
    """

    def __init__(
        self, operation: str, inputs: Iterable[Node] = (), options: Mapping[str, Any] | None = None, name: str = ""
    ):
        self.operation, self.inputs, self.options, self.name = operation, tuple(inputs), dict(options or {}), name
        self._value: Any = None
        self._pass: object = None
        self._passing = False
        """Whether the value is one that `forward` got, and not one that was assigned."""
        self.gradient: Any = None

    @property
    def value(self) -> Any:
        """The output of the last `forward`, or None. You may assign the value of a variable."""
        return self._value

    @value.setter
    def value(self, value: ArrayLike) -> None:
        self._value, self._pass, self._passing = numeric(value, "value"), None, False

    def named(self, name: str) -> Node:
        """Give the node a name for tables, and return it.

        Parameters
        ----------
        name : str
            The name.
        """
        if self.operation == VARIABLE:
            raise ValueError(f"named must not rename a variable, got {name!r} for {self.name!r}")
        self.name = checks.text(name, "name")
        return self

    # --- operators ----------------------------------------------------------------------------------------------------

    __add__ = __radd__ = _operator("add", lambda x, number: apply("shift", x, by=number))
    __sub__ = _operator("subtract", lambda x, number: apply("shift", x, by=-number))
    __rsub__ = _operator("subtract", lambda x, number: apply("negative", x) + number, swapped=True)
    __mul__ = __rmul__ = _operator("multiply", lambda x, number: apply("scale", x, by=number))
    __truediv__ = _operator("divide")
    __rtruediv__ = _operator(
        "divide", lambda x, one: apply("reciprocal", x) if one == 1 else apply("divide", one, x), swapped=True
    )
    __pow__ = _operator("power", lambda x, number: apply("raise", x, to=number))
    __rpow__ = _operator("power", swapped=True)
    __matmul__ = _operator("matmul")
    __rmatmul__ = _operator("matmul", swapped=True)
    __lt__ = _operator("less")
    __le__ = _operator("less_equal")
    __gt__ = _operator("less", swapped=True)
    __ge__ = _operator("less_equal", swapped=True)

    def __neg__(self) -> Node:
        return apply("negative", self)

    def __pos__(self) -> Node:
        return self

    def __abs__(self) -> Node:
        return apply("absolute", self)

    @property
    def T(self) -> Node:  # noqa: N802
        """The transpose."""
        return apply("transpose", self)

    def __getitem__(self, key: Any) -> Node:
        """Return a node with some of the numbers, as ``x[0]``, ``x[:, 1:]`` and ``x[..., -1]`` of an array.

        The key has integers, slices, `...` and None.
        """
        return apply("slice", self, key=Key.checked(key))

    # --- what a node cannot do ----------------------------------------------------------------------------------------

    __eq__ = _refusing("nodes cannot be compared with == and !=: compare their values with <, <=, > or >=")
    __hash__ = object.__hash__
    __bool__ = _refusing(
        "a node is neither true nor false, because its value is not known yet: instead of if, and, or, min and max, "
        "write where(condition, x, y), minimum(x, y) or maximum(x, y) of fastbp.graph"
    )
    __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = _refusing(
        "conditions cannot be combined: write one where inside another, such as where(a, where(b, x, y), y)"
    )
    __invert__ = _refusing("~ cannot negate a condition: exchange the second and the third input of where")
    __float__ = __int__ = __index__ = __complex__ = _refusing(
        "a node is not a number yet: instead of functions of math, write those of fastbp.graph"
    )
    __array__ = _refusing("a node is not an array yet: instead of functions of NumPy, write those of fastbp.graph")
    __iter__ = None

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> NoReturn:
        self._refuse(function.__name__)

    def __array_ufunc__(self, function: np.ufunc, method: str, *operands: Any, **_: Any) -> Node:
        if method != "__call__" or function.__name__ not in OF_NUMPY:
            return self._refuse(function.__name__)
        numbers = [each if isinstance(each, Node) or np.ndim(each) else as_float(each) for each in operands]
        first, *others = [each if isinstance(each, Node | float) else constant(each) for each in numbers]
        return OF_NUMPY[function.__name__](first, *others)

    @staticmethod
    def _refuse(name: str) -> NoReturn:
        write = f"fastbp.graph.{name}" if name in FUNCTIONS else "operators and functions of fastbp.graph"
        raise TypeError(f"a node cannot be given to np.{name}: write {write}")

    def record(self, name: str, *operands: Any) -> Node:
        """Return the node of a function of formulas, by its name."""
        return EXPANDED[name](*operands) if name in EXPANDED else apply(name, *operands)

    # --- the graph ----------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[Node]:
        """All nodes that this node depends on, and then itself. Each node comes after its inputs.

        Raises
        ------
        ValueError
            If the graph has a cycle.
        """
        order, open_, done = [], set(), set()
        waiting = [(self, iter(self.inputs))]
        open_.add(id(self))
        while waiting:
            node, left = waiting[-1]
            following = next((each for each in left if id(each) not in done), None)
            if following is None:
                waiting.pop()
                open_.discard(id(node))
                done.add(id(node))
                order.append(node)
            elif id(following) in open_:
                raise ValueError(f"the graph must have no cycle, and {tables.label(following)} depends on itself")
            else:
                open_.add(id(following))
                waiting.append((following, iter(following.inputs)))
        return order

    @property
    def variables(self) -> dict[str, Node]:
        """The variables that this node depends on, by their names.

        Raises
        ------
        ValueError
            If two of them have the same name.
        """
        found: dict[str, Node] = {}
        for node in self.nodes:
            if node.operation == VARIABLE and found.setdefault(node.name, node) is not node:
                raise ValueError(f"variables of a graph must have different names, got two with the name {node.name!r}")
        return found

    def forward(self, values: Mapping[str, ArrayLike] | None = None, /, **named: ArrayLike) -> Any:
        """Compute the value of this node, and of all nodes that it depends on.

        Parameters
        ----------
        values : mapping of str to array, or None, default None
            The values of variables by their names.
        **named : array
            More values, as keyword arguments. Arrays of float32 stay float32; all others become float64. The results
            have the dtype that NumPy gives to them. A variable keeps the value that was assigned to it. All others must
            get one, unless there is no value at all: then all of them keep that of the last call.

        Returns
        -------
        float or array
            The value.

        Raises
        ------
        ValueError
            If a variable has no value, if there is no variable with a given name, if shapes do not fit together, if
            numbers are masked, or if the graph has a cycle.
        TypeError
            If a value is not numeric.
        """
        if values is not None and not isinstance(values, Mapping):
            raise TypeError(f"forward takes values by their names, as in forward(x=3); got {values!r}")
        given, variables, nodes = {**(values or {}), **named}, self.variables, self.nodes
        for name in given:
            if name not in variables:
                raise ValueError(f"forward got a value for {name!r}; the variables are {', '.join(variables)}")
        read = {name: numeric(value, name) for name, value in given.items()}
        left = {name: node for name, node in variables.items() if name not in read}
        if missing := [name for name, node in left.items() if node.value is None]:
            raise ValueError(f"forward needs a value for each variable, and got no value for {', '.join(missing)}")
        if given and (old := [name for name, node in left.items() if node._passing]):
            raise ValueError(
                f"forward got values for {', '.join(given)}, and none for {', '.join(old)}: give all of them, or "
                "assign those that stay, as in variable('x', 3.0)"
            )
        for name, value in read.items():
            variables[name]._value, variables[name]._passing = value, True
        this_pass = object()  # `backward` needs all values from one pass
        for node in nodes:
            node.gradient = node._pass = None
        with np.errstate(all="ignore"):
            for node in nodes:
                if node.inputs:
                    node._value = node._compute()
        for node in nodes:
            node._pass = this_pass
        return tables.plain(self.value)

    def _compute(self) -> np.ndarray:
        """Return the output of the gate for the values of its inputs."""
        values = [each.value for each in self.inputs]
        try:
            if "gate" in self.options:
                return numeric(self.options["gate"].forward(*map(locked, values)), f"the output of {self.operation}")
            # Numbers of Python leave float32 as it is.
            numbers = [each.value.ndim == 0 and each.operation == CONSTANT for each in self.inputs]
            inputs = [value.item() if number else value for value, number in zip(values, numbers, strict=True)]
            return np.asarray(GATES[self.operation].forward(*inputs, **self.options))
        except ValueError as error:
            shapes = " and ".join(str(np.shape(value)) for value in values)
            raise ValueError(f"{self.operation} cannot take inputs of shape {shapes}: {error}") from None

    def backward(self, gradient: ArrayLike | None = None) -> dict[str, Any]:
        """Compute the gradient of this node with respect to all nodes that it depends on, by backpropagation.

        Parameters
        ----------
        gradient : array or None, default None
            The gradient dC/df of something that depends on this node, in the shape of its value. With None, it is 1,
            which is only possible if the value is a single number.

        Returns
        -------
        dict of str to float or array
            The gradient with respect to each variable, in its shape. Every node has its own in `gradient`.

        Raises
        ------
        RuntimeError
            If `forward` has not been called, or if values of this graph have changed since then.
        ValueError
            If the gradient has another shape than the value, or is missing for a value that is not a single number, or
            if a gate of your own returns gradients that do not fit its inputs.
        """
        nodes = self._nodes_of_a_pass("backward")
        shape = np.shape(self.value)
        if gradient is None:
            if np.size(self.value) != 1:
                raise ValueError(f"gradient must be given, because the output has shape {shape}, not one number")
            gradient = np.ones(shape)
        gradient = numeric(gradient, "gradient")
        if gradient.shape != shape:
            raise ValueError(f"gradient must have the shape {shape} of the output, got {gradient.shape}")
        for node in nodes:
            node.gradient = np.zeros_like(node.value, np.result_type(node.value, np.float32))
        self.gradient = gradient.astype(self.gradient.dtype)
        with np.errstate(all="ignore"):
            for node in reversed(nodes):
                for each, part in zip(node.inputs, node._hand_on(node.gradient), strict=True):
                    if part is not None:
                        each.gradient = each.gradient + part.astype(each.gradient.dtype)
        return {name: tables.plain(node.gradient) for name, node in self.variables.items()}

    def _nodes_of_a_pass(self, what: str) -> list[Node]:
        """Return `nodes`. Raise RuntimeError if their values are not those of one forward pass of this node."""
        nodes = self.nodes
        if any(node._pass is not self._pass or node._pass is None for node in nodes):
            raise RuntimeError(f"{what} needs the values of one forward pass of this node: call forward first")
        return nodes

    def _hand_on(self, dz: np.ndarray) -> tuple[Any, ...]:
        """Return the gradients for the inputs of the gate, each in the shape of the input, or None for no gradient.

        They belong to the gradient dz of the output.
        """
        if not self.inputs:
            return ()
        values = [each.value for each in self.inputs]
        if "gate" not in self.options:
            parts = backward(self.operation, dz, self.value, values, self.options)
            return tuple(
                None if part is None else _summed(part, np.shape(x)) for part, x in zip(parts, values, strict=True)
            )
        found = self.options["gate"].backward(locked(dz))
        parts = tuple(found) if isinstance(found, tuple | list) else (found,)
        shapes = [np.shape(part) for part in parts]
        if shapes != [np.shape(x) for x in values]:
            wanted = ", ".join(str(np.shape(x)) for x in values)
            raise ValueError(f"backward of {self.operation} must return gradients of shape {wanted}, got {shapes}")
        return tuple(numeric(part, f"a gradient of {self.operation}") for part in parts)


def is_number(x: object) -> bool:
    """Return whether x is a single number."""
    return isinstance(x, numbers.Real | np.bool_) and not isinstance(x, bool | np.bool_)


def as_float(x: Any) -> float:
    """Return a number as a float, or raise ValueError if it is beyond all of them."""
    try:
        return float(x)
    except OverflowError:
        raise ValueError(f"a number in a formula must be at most {LARGEST:.3g} in size, and one is not") from None


def numeric(value: object, name: str) -> np.ndarray:
    """Return a value as an array of float32 or float64, or raise TypeError, or ValueError for masked numbers."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must have no masked numbers: fill them, for example with their method filled")
    if is_number(value):
        value = value if isinstance(value, np.generic) else as_float(value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name} must be a number or an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r}")
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)


def _summed(gradient: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over the axes along which an input of this shape was repeated."""
    whole: np.ndarray = np.asarray(gradient)
    if whole.shape == shape:
        return whole
    total = whole.sum(axis=tuple(range(whole.ndim - len(shape))))
    repeated = tuple(k for k, n in enumerate(shape) if n == 1 and total.shape[k] != 1)
    return np.broadcast_to(total.sum(axis=repeated, keepdims=True), shape)


def variable(name: str, value: ArrayLike | None = None) -> Node:
    """Make a variable: a node whose value you give.

    Parameters
    ----------
    name : str
        The name of the variable. All variables of a graph must have different names.
    value : array or None, default None
        The value, until `forward` gets another one. With None, `forward` must get one.

    Returns
    -------
    Node
        The variable.

    Raises
    ------
    TypeError
        If the name is not a string, or the value is not numeric.
    ValueError
        If the name is empty.

    Examples
    --------
    >>> import fastbp as fb
    >>> s = fb.graph.variable("s")
    >>> z = s**2 * (3 * s)
    >>> z.forward(s=1), z.backward()
    (3.0, {'s': 9.0})
    """
    node = Node(VARIABLE, name=checks.text(name, "name"))
    if value is not None:
        node.value = value
    return node


def constant(value: ArrayLike) -> Node:
    """Return a node with a value that never changes."""
    node = Node(CONSTANT)
    node._value = numeric(value, "a constant")
    return node


def _is_condition(node: Node) -> bool:
    """Return whether the output of a node is true or false."""
    return node.operation in CONDITIONS or (node.operation == CONSTANT and node.value.dtype == bool)


def _operand(x: Any) -> Node:
    """Return a node, or the constant of an array or a number. An array of bool is a condition."""
    if isinstance(x, Node):
        return x
    node = constant(x)
    if isinstance(x, np.ndarray | np.bool_ | bool) and np.asarray(x).dtype == bool:
        node._value = np.asarray(x)
    return node


def nodes_among(x: Sequence[Any], name: str) -> Sequence[Any]:
    """Return the inputs of a gate. Raise TypeError if none of them is a node."""
    if not any(isinstance(each, Node) for each in x):
        raise TypeError(f"{name} needs a node such as variable('x') among its inputs, got {x!r}")
    return x


def apply(name: str, *operands: Any, **options: Any) -> Node:
    """Return the node of a gate from the table, by its name. Operands that are not nodes become constants.

    Raises
    ------
    TypeError
        If an operand is a condition where the gate needs numbers.
    """
    nodes = [_operand(each) for each in operands]
    for k, node in enumerate(nodes):
        if _is_condition(node) != (name == "where" and k == 0):
            raise TypeError(
                f"{name} cannot take {node.expression()} as input {k + 1}: a condition such as x < y is the first "
                "input of where(condition, x, y), and nothing else"
            )
    return Node(name, nodes, options)
