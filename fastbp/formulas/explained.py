"""This module holds `Explained`: what a node shows of its graph, and derivatives in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import checks, extras, hints
from . import differences, slopes, tables
from .paths import Paths

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, unused-ignore]
    from numpy.typing import ArrayLike


class Explained(hints.Hinted):
    """`Explained` is the base class of `Node`, with the methods that explain a graph."""

    def gradients(self: Any, values: Mapping[str, ArrayLike] | None = None, /, **named: ArrayLike) -> dict[str, Any]:
        """Compute the gradient of this node with respect to all variables: `forward`, and then `backward`.

        Parameters
        ----------
        values, **named
            The values of the variables, as for `forward`.

        Returns
        -------
        dict of str to float or array
            The gradient with respect to each variable, in its shape.

        Raises
        ------
        ValueError, TypeError
            As for `forward`, and if the value of the node is not a single number.

        Examples
        --------
        >>> import fastbp as fb
        >>> x, y, z = fb.graph.variables("x y z")
        >>> ((x + y) * z).gradients(x=-2, y=5, z=-4)
        {'x': -4.0, 'y': -4.0, 'z': 3.0}
        """
        self.forward(values, **named)
        gradients: dict[str, Any] = self.backward()
        return gradients

    def jacobian(self: Any, name: str) -> Any:
        """Compute the derivative of each number of this node with respect to each number of another one (001).

        Parameters
        ----------
        name : str
            The name of a variable, or of another node of the table.

        Returns
        -------
        float or array of the shape of this node and then of the other one
            The derivatives at the values of the last `forward`. The attributes `gradient` do not change.

        Raises
        ------
        RuntimeError
            If `forward` has not been called, or if values of this graph have changed since then.
        ValueError
            If this node does not depend on a node with this name.

        Examples
        --------
        The Jacobian of a function of each number by itself is diagonal. That of softmax is not:

        >>> import fastbp as fb
        >>> x = fb.graph.variable("x", [1.0, -1.0])
        >>> f, g = fb.graph.relu(x), fb.graph.softmax(x)
        >>> _ = f.forward()
        >>> f.jacobian("x").tolist()
        [[1.0, 0.0], [0.0, 0.0]]
        >>> _ = g.forward()
        >>> g.jacobian("x").round(3).tolist()
        [[0.105, -0.105], [-0.105, 0.105]]
        """
        nodes, x = self._nodes_of_a_pass("jacobian"), self._node(name)
        kept, rows = [node.gradient for node in nodes], []
        try:
            for k in range(np.size(self.value)):
                unit = np.zeros(np.shape(self.value))
                unit.flat[k] = 1.0
                self.backward(unit)
                rows.append(x.gradient)
        finally:
            for node, gradient in zip(nodes, kept, strict=True):
                node.gradient = gradient
        return tables.plain(np.array(rows).reshape(np.shape(self.value) + np.shape(x.value)))

    def paths(self: Any, name: str) -> Paths:
        """Follow all paths from a variable to this node: the chain rule, written out (002, 003).

        Parameters
        ----------
        name : str
            The name of the variable, or of another node of the table.

        Returns
        -------
        Paths
            Each path with its local derivatives and their product, at the values of the last `forward`. The object also
            has the number of paths, the number of gates on them, and the sum of the products. Printing it shows them.

        Raises
        ------
        RuntimeError
            If `forward` has not been called, or if values of this graph have changed since then.
        ValueError
            If this node does not depend on a node with this name.

        Examples
        --------
        >>> import fastbp as fb
        >>> s = fb.graph.variable("s")
        >>> x, y = (s**2).named("x"), (3 * s).named("y")
        >>> z = (x * y).named("z")
        >>> z.forward(s=1)
        3.0
        >>> print(z.paths("s"))
        2 paths from s to z, through 3 gates. The sum of the products is 9.
        z <- x <- s: 3 x 2 = 6
        z <- y <- s: 1 x 3 = 3

        The number of paths doubles with each gate, and backpropagation visits each gate once (001):

        >>> f = s
        >>> for _ in range(60):
        ...     f = f * f
        >>> _ = f.forward(s=1)
        >>> f.paths("s").count, f.paths("s").gates
        (1152921504606846976, 60)
        """
        return Paths(self, self._node(name))

    def _node(self: Any, name: str) -> Any:
        """Return the node of the table that has this name, or raise ValueError."""
        names = tables.names_of(self.nodes)
        found = [node for node in self.nodes if names[id(node)] == name and node.operation != tables.CONSTANT]
        if len(found) != 1:
            known = [names[id(node)] for node in self.nodes if node.operation != tables.CONSTANT]
            why = "the name of one node of the table" if len(found) < 2 else "a name that only one node has"
            raise ValueError(f"name must be {why}, got {name!r}{hints.meant(name, known)}")
        return found[0]

    def check(self: Any) -> dict[str, float]:
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
                node._value, node._pass = kept[name], None
            errors[name] = differences.relative_error(np.asarray(got[name]), wanted)
        self.forward()
        self.backward(np.ones(np.shape(self.value)))
        return errors

    # --- what is shown ------------------------------------------------------------------------------------------------

    def table(self: Any, *, local: bool = False) -> str:
        """Return the table of nodes as text, as printing the node shows it.

        Parameters
        ----------
        local : bool, keyword-only, default False
            With True, there is a line for each input of a gate. It says what the gate does in `backward` (001): it
            multiplies the gradient of its output by its local derivative, and hands the product to the input. Where one
            of them is not a single number, "Jacobian" and its shape stand for the derivative, unless the gate computes
            each number from the one at its place.

        Raises
        ------
        TypeError
            If `local` is neither True nor False.

        Examples
        --------
        >>> import fastbp as fb
        >>> x = fb.graph.variable("x")
        >>> f = 1 / (1 + fb.graph.exp(-x))
        >>> _ = f.gradients(x=1)
        >>> print(f.table(local=True))
        name  operation   inputs     value   gradient  local x gradient
        x     variable                   1   0.196612
        g1    negative    x             -1  -0.196612  -1 x -0.196612 = 0.196612
        g2    exp         g1      0.367879  -0.534447  e^-1 x -0.534447 = -0.196612
        g3    shift 1     g2       1.36788  -0.534447  1 x -0.534447 = -0.534447
        g4    reciprocal  g3      0.731059          1  (-1 / 1.36788^2) x 1 = -0.534447
        """
        nodes = self.nodes
        return tables.table(nodes, slopes.shown if checks.flag(local, "local") else None)

    def to_frame(self: Any) -> pandas.DataFrame:
        """Return the table of nodes as a pandas data frame. Its columns are operation, inputs, value and gradient.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        frames = extras.package("pandas", "to_frame")
        return frames.DataFrame(tables.rows(self.nodes), columns=tables.HEAD).set_index("name")

    def __str__(self) -> str:
        return self.table()

    def expression(self: Any) -> str:
        """Return what the node computes, as text. Parts that would be long have only the name of their operation."""
        return tables.expression(self.nodes)

    def __repr__(self) -> str:
        return f"Node({self.expression()})"
