"""This module follows the paths from a variable to an output: the chain rule, written out (002, 003)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from . import slopes
from .tables import names_of, plain, short

MOST_PATHS = 20
"""The largest number of paths that are shown."""


class Path(NamedTuple):
    """`Path` is one way from an output back to a variable.

    Attributes
    ----------
    names : tuple of str
        The names of the nodes, from the output to the variable.
    factors : tuple of float or array
        The local derivative of each node with respect to the next one. Between arrays, it is a Jacobian.
    product : float or array
        The product of the factors: what this path adds to the derivative of the output with respect to the variable.
    """

    names: tuple[str, ...]
    factors: tuple[Any, ...]
    product: Any

    def __str__(self) -> str:
        product = " x ".join(map(short, self.factors)) or "1"
        return f"{' <- '.join(self.names)}: {product} = {short(self.product)}"


class Paths:
    """`Paths` has all paths from a variable to an output. `Node.paths` makes it.

    Iterate over it to get each `Path`, and print it to see the first 20. The derivative is the sum of the products of
    all paths. Their number grows exponentially with the depth of a graph. Backpropagation needs no path: it visits each
    gate once, and adds up what comes back to it (001, dynamic programming).

    Attributes
    ----------
    count : int
        The number of paths.
    gates : int
        The number of gates on these paths.
    total : float or array
        The sum of the products of all paths, of the shape of the output and then of the variable. It is computed gate
        by gate.
    """

    def __init__(self, output: Any, source: Any):
        nodes = output._nodes_of_a_pass("paths")
        self._names, self._output, self._source = names_of(nodes), output, source
        self._edges: dict[int, list[tuple[Any, np.ndarray]]] = {}
        counts, totals = {id(source): 1}, {id(source): np.eye(np.size(source.value))}
        for node in nodes:
            if id(node) == id(source) or not any(id(each) in counts for each in node.inputs):
                continue
            pairs = zip(node.inputs, slopes.jacobians(node), strict=True)
            edges = [(each, J) for each, J in pairs if id(each) in counts and J is not None]
            if edges:
                self._edges[id(node)] = edges
                counts[id(node)] = sum(counts[id(each)] for each, _ in edges)
                totals[id(node)] = np.sum([_times(J, totals[id(each)]) for each, J in edges], axis=0)
        self.count = counts.get(id(output), 0)
        self.gates = len(self._reached()) if self.count else 0
        nothing = np.zeros((np.size(output.value), np.size(source.value)))
        self.total = self._shaped(totals.get(id(output), nothing), output, source)

    def _reached(self) -> set[int]:
        """Return the gates on a path, by their ids."""
        found, waiting = set(), [self._output]
        while waiting:
            node = waiting.pop()
            if id(node) not in found and id(node) in self._edges:
                found.add(id(node))
                waiting += [each for each, _ in self._edges[id(node)]]
        return found

    @staticmethod
    def _shaped(J: np.ndarray, z: Any, x: Any) -> Any:
        """Return a matrix as a Jacobian of shape z.shape + x.shape, or as a float."""
        return plain(J.reshape(np.shape(z.value) + np.shape(x.value)))

    def __iter__(self) -> Iterator[Path]:
        start = np.eye(np.size(self._output.value))
        waiting: list[tuple[Any, tuple[str, ...], tuple[Any, ...], np.ndarray]]
        waiting = [(self._output, (self._names[id(self._output)],), (), start)]
        while waiting and self.count:
            node, names, factors, product = waiting.pop()
            if node is self._source:
                yield Path(names, factors, self._shaped(product, self._output, node))
            for each, J in reversed(self._edges.get(id(node), [])):
                factor = self._shaped(J, node, each)
                waiting.append((each, (*names, self._names[id(each)]), (*factors, factor), _times(product, J)))

    def _summary(self) -> str:
        source, output = self._names[id(self._source)], self._names[id(self._output)]
        paths, gates = (f"{n} {word}{'s' * (n != 1)}" for n, word in ((self.count, "path"), (self.gates, "gate")))
        return f"{paths} from {source} to {output}, through {gates}. The sum of the products is {short(self.total)}."

    def __str__(self) -> str:
        lines = [self._summary(), *map(str, islice(self, MOST_PATHS))]
        left = self.count - MOST_PATHS
        return "\n".join([*lines, f"There are {left} more paths."] if left > 0 else lines)

    def __repr__(self) -> str:
        return f"<Paths: {self._summary().partition('.')[0]}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from html import escape  # it takes a millisecond, and only notebooks need it

        first, *rest = str(self).split("\n")
        return f"<p>{escape(first)}</p><pre>{escape(chr(10).join(rest))}</pre>"


def _times(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return A @ B, where 0 times infinity is 0, as in `backward`: an infinite derivative that nothing reaches."""
    with np.errstate(all="ignore"):
        product: np.ndarray = A @ B
        if not np.isfinite(product).all():
            product = np.where(A[:, :, None] == 0, 0.0, A[:, :, None] * B).sum(axis=1)
    return product
