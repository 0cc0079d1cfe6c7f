"""This module has `Node`: a variable or a gate of a graph, with its value and its gradient (001, 003)."""

from __future__ import annotations

import contextlib
import numbers
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..base import checks
from . import differences, tables
from .gates import GATES, backward
from .tables import CONSTANT, VARIABLE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

CONDITIONS = ("less", "less_equal")
"""The gates whose output is true or false."""

FUNCTIONS = (
    "absolute", "cos", "exp", "log", "maximum", "mean", "minimum", "reciprocal", "sin", "sqrt", "sum", "tanh", "where",
)  # fmt: skip
"""The functions of `fastbp.graph` that have the name of a function of NumPy."""

OF_NUMPY = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y, "power": lambda x, y: x**y, "matmul": lambda x, y: x @ y, "negative": lambda x: -x,
    "less": lambda x, y: x < y, "less_equal": lambda x, y: x <= y, "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
}  # fmt: skip
"""The operators that NumPy calls by these names if one of its arrays or numbers stands beside a node."""

EXPANDED = {
    "filled": lambda x, value: constant(value),
    "ln": lambda x: apply("log", x),
    "fma": lambda x, y, z: x * y + z,
    "log1p": lambda x: apply("log", x + 1.0),
    "with_sign": lambda x, y: apply("where", y < 0.0, -apply("absolute", x), apply("absolute", x)),
}
"""The functions of vectors that have no gate of their own."""


class Node:
    """`Node` is a variable or a gate of a graph. Operators and the functions of `fastbp.graph` make new nodes.

    `forward` computes the values of a node and of all nodes that it depends on. `backward` computes the gradients: each
    gate multiplies the gradient of its output by its own derivatives, and hands the products on to its inputs. Where a
    node is the input of several gates, the gradients from there add up.

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

    def __init__(self, operation: str, inputs: Iterable[Node] = (), options: Mapping[str, Any] = (), name: str = ""):
        self.operation, self.inputs, self.options, self.name = operation, tuple(inputs), dict(options), name
        self._value: Any = None
        self._pass: object = None
        self.gradient: Any = None

    @property
    def value(self) -> Any:
        """The output of the last `forward`, or None. You may assign the value of a variable."""
        return self._value

    @value.setter
    def value(self, value: ArrayLike) -> None:
        self._value, self._pass = numeric(value, "value"), None

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

    def __add__(self, other: Any) -> Node:
        return apply("shift", self, by=float(other)) if is_number(other) else apply("add", self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Node:
        return apply("shift", self, by=-float(other)) if is_number(other) else apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Node:
        return apply("negative", self) + other if is_number(other) else apply("subtract", other, self)

    def __mul__(self, other: Any) -> Node:
        return apply("scale", self, by=float(other)) if is_number(other) else apply("multiply", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Node:
        return apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return apply("reciprocal", self) if is_number(other) and other == 1 else apply("divide", other, self)

    def __pow__(self, other: Any) -> Node:
        return apply("raise", self, to=float(other)) if is_number(other) else apply("power", self, other)

    def __rpow__(self, other: Any) -> Node:
        return apply("power", other, self)

    def __matmul__(self, other: Any) -> Node:
        return apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Node:
        return apply("matmul", other, self)

    def __neg__(self) -> Node:
        return apply("negative", self)

    def __pos__(self) -> Node:
        return self

    def __abs__(self) -> Node:
        return apply("absolute", self)

    def __lt__(self, other: Any) -> Node:
        return apply("less", self, other)

    def __le__(self, other: Any) -> Node:
        return apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Node:
        return apply("less", other, self)

    def __ge__(self, other: Any) -> Node:
        return apply("less_equal", other, self)

    @property
    def T(self) -> Node:  # noqa: N802
        """The transpose."""
        return apply("transpose", self)

    # --- what a node cannot do ----------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a node has no == and no !=, which say nothing about its value: compare with <, <=, > or >=")

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a node is neither true nor false, because its value is not known yet: instead of if, and, or, min and "
            "max, write where(condition, x, y), minimum(x, y) or maximum(x, y) of fastbp.graph"
        )

    def __and__(self, other: Any) -> NoReturn:
        raise TypeError(
            "conditions cannot be combined: write one where inside another, such as where(a, where(b, x, y), y)"
        )

    __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __and__

    def __invert__(self) -> NoReturn:
        raise TypeError("a condition has no ~: exchange the second and the third input of where")

    def __float__(self) -> NoReturn:
        raise TypeError("a node is no number yet: instead of functions of math, write those of fastbp.graph")

    __int__ = __index__ = __complex__ = __float__
    __iter__ = None

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a node is no array yet: instead of functions of NumPy, write those of fastbp.graph")

    def __array_function__(self, function: Callable, *_: Any) -> NoReturn:
        self._refuse(function.__name__)

    def __array_ufunc__(self, function: np.ufunc, method: str, *operands: Any, **_: Any) -> Node:
        if method != "__call__" or function.__name__ not in OF_NUMPY:
            return self._refuse(function.__name__)
        numbers = [each if isinstance(each, Node) or np.ndim(each) else float(each) for each in operands]
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
            have the dtype that NumPy gives to them. A variable that gets no value here keeps its last one.

        Returns
        -------
        float or array
            The value.

        Raises
        ------
        ValueError
            If a variable has no value, if there is no variable with a given name, if shapes do not fit together, or if
            the graph has a cycle.
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
        if missing := [name for name, node in variables.items() if name not in read and node.value is None]:
            raise ValueError(f"forward needs a value for each variable, and has none for {', '.join(missing)}")
        for name, value in read.items():
            variables[name]._value = value
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
                return numeric(self.options["gate"].forward(*map(_locked, values)), f"the output of {self.operation}")
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
        nodes = self.nodes
        if any(node._pass is not self._pass or node._pass is None for node in nodes):
            raise RuntimeError("backward needs the values of one forward pass of this node: call forward first")
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
                for each, part in zip(node.inputs, node._hand_on(), strict=True):
                    if part is not None:
                        each.gradient = each.gradient + part.astype(each.gradient.dtype)
        return {name: tables.plain(node.gradient) for name, node in self.variables.items()}

    def _hand_on(self) -> tuple:
        """Return the gradients for the inputs of the gate, each in the shape of the input."""
        if not self.inputs:
            return ()
        values = [each.value for each in self.inputs]
        if "gate" not in self.options:
            parts = backward(self.operation, self.gradient, self.value, values, self.options)
            return tuple(
                None if part is None else _summed(part, np.shape(x)) for part, x in zip(parts, values, strict=True)
            )
        found = self.options["gate"].backward(_locked(self.gradient))
        parts = found if isinstance(found, tuple | list) else (found,)
        shapes = [np.shape(part) for part in parts]
        if shapes != [np.shape(x) for x in values]:
            wanted = ", ".join(str(np.shape(x)) for x in values)
            raise ValueError(f"backward of {self.operation} must return gradients of shape {wanted}, got {shapes}")
        return tuple(numeric(part, f"a gradient of {self.operation}") for part in parts)

    def check(self) -> dict[str, float]:
        """Compare the gradients of the variables with central differences (001), at the values of the last `forward`.

        If the output is not a single number, the sum of its numbers is compared.

        Returns
        -------
        dict of str to float
            The relative error for each variable: the largest difference between a derivative by backpropagation and one
            by differences, divided by the largest of these derivatives. It is about 1e-10 if the gradients are right.

        Raises
        ------
        RuntimeError
            If `forward` has not been called.

        Examples
        --------
        >>> import fastbp as fb
        >>> x = fb.graph.variable("x")
        >>> f = fb.graph.sum(fb.graph.exp(x) * x)
        >>> _ = f.forward(x=[0.5, -1.0])
        >>> f.check()["x"] < 1e-9
        True
        """
        variables, errors = self.variables, {}
        if self._pass is None:
            raise RuntimeError("check needs the values of a forward pass: call forward first")
        kept = {name: node.value for name, node in variables.items()}
        got = self.backward(np.ones(np.shape(self.value)))
        for name, node in variables.items():
            moving = np.array(kept[name], np.float64, order="C")
            node._value = moving
            try:
                wanted = differences.of_array(lambda: float(np.sum(self.forward())), moving)
            finally:
                node.value = kept[name]
            errors[name] = differences.relative_error(np.asarray(got[name]), wanted)
        self.forward()
        self.backward(np.ones(np.shape(self.value)))
        return errors

    # --- what is shown ------------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return the table of nodes as a pandas data frame. Its columns are operation, inputs, value and gradient.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(tables.rows(self.nodes), columns=tables.HEAD).set_index("name")

    def __str__(self) -> str:
        return tables.table(self.nodes)

    def expression(self) -> str:
        """Return what the node computes, as text. Parts that would be long have only the name of their operation."""
        return tables.expression(self.nodes)

    def __repr__(self) -> str:
        return f"Node({self.expression()})"


def is_number(x: object) -> bool:
    """Return whether x is a single number."""
    return isinstance(x, numbers.Real | np.bool_) and not isinstance(x, bool | np.bool_)


def numeric(value: object, name: str) -> np.ndarray:
    """Return a value as an array of float32 or float64, or raise TypeError."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name} must be a number or an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r}")
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)


def _locked(array: np.ndarray) -> np.ndarray:
    """Return an array that a gate of the user cannot change."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _summed(gradient: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over the axes along which an input of this shape was repeated."""
    gradient = np.asarray(gradient)
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(k for k, n in enumerate(shape) if n == 1 and gradient.shape[k] != 1)
    return np.broadcast_to(gradient.sum(axis=repeated, keepdims=True), shape)


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


_used: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""The gates of users that are in a graph, by their ids."""


def gate(own: Any, *inputs: Any) -> Node:
    """Make a node of a gate of your own.

    Parameters
    ----------
    own : object
        An object with the methods ``forward(self, *inputs)``, which takes the values of the inputs and returns the
        output, and ``backward(self, dz)``, which takes dC/dz and returns dC/dx for each input, as a tuple if there are
        several (001). `forward` may keep in `self` what `backward` needs, so each object can only be used once.
    *inputs : Node or array
        The inputs. An array is a constant.

    Returns
    -------
    Node
        The node of the output.

    Raises
    ------
    TypeError
        If a method is missing, or if there is no input.
    ValueError
        If the object is the gate of another node.

    Examples
    --------
    >>> import fastbp as fb
    >>> class Multiply:
    ...     def forward(self, x, y):
    ...         self.x, self.y = x, y
    ...         return x * y
    ...
    ...     def backward(self, dz):
    ...         return dz * self.y, dz * self.x
    >>> x, y = fb.graph.variable("x"), fb.graph.variable("y")
    >>> f = fb.graph.gate(Multiply(), x, y)
    >>> f.forward(x=3, y=-4), f.backward()
    (-12.0, {'x': -4.0, 'y': 3.0})
    """
    for method in ("forward", "backward"):
        if not callable(getattr(own, method, None)) or isinstance(own, type):
            raise TypeError(f"a gate must be an object with the methods forward and backward, got {own!r}")
    if not inputs:
        raise TypeError("a gate must have at least one input, got none")
    if _used.get(id(own)) is own:
        raise ValueError(
            "a gate must be an object that is in no graph yet, because it keeps its inputs: make a new one"
        )
    with contextlib.suppress(TypeError):  # an object that no weak reference can point to
        _used[id(own)] = own
    nodes = [each if isinstance(each, Node) else constant(each) for each in inputs]
    return Node(type(own).__name__, nodes, {"gate": own})
