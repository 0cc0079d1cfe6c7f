"""This module makes nodes of gates that the user has written."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

from .nodes import Node, constant

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
    checked(own)
    if not inputs:
        raise TypeError("a gate must have at least one input, got none")
    if _used.get(id(own)) is own:
        raise ValueError(
            "each gate can be used only once, because it keeps its inputs: make a new object for each node"
        )
    with contextlib.suppress(TypeError):  # an object that no weak reference can point to
        _used[id(own)] = own
    nodes = [each if isinstance(each, Node) else constant(each) for each in inputs]
    return Node(type(own).__name__, nodes, {"gate": own})


def checked(own: Any) -> Any:
    """Return a gate. Raise TypeError unless it is an object with both methods."""
    for method in ("forward", "backward"):
        if not callable(getattr(own, method, None)) or isinstance(own, type):
            raise TypeError(f"a gate must be an object with the methods forward and backward, got {own!r}")
    return own
