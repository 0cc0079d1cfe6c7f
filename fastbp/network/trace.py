"""This module holds `Trace`: everything that a network computes for some samples, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from ..base import checks


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no ==
class Trace:
    """`Trace` has the values of a forward pass and, if there were targets, of a backward pass. `MLP.trace` makes it.

    ``print(trace)`` shows the first sample as a table, and ``print(trace.table(r))`` shows sample r.

    Attributes
    ----------
    x : array of shape (n, n_in)
        The inputs a^0 of the first layer: after `shift` and `scale`.
    z, a : lists of L arrays of shape (n, n_l)
        The pre-activations z^l and the activations a^l of each layer. ``z[0]`` is z^1.
    delta : list of L arrays of shape (n, n_l)
        delta^l = dC/dz^l for the loss C of each sample, which is not divided by n. Without targets, the list is empty.
    loss : float
        The mean loss, or NaN without targets.
    dW, db : lists of arrays
        The gradient of the mean loss, as from `MLP.gradients`. Without targets, the lists are empty.
    """

    x: np.ndarray
    z: list[np.ndarray]
    a: list[np.ndarray]
    delta: list[np.ndarray]
    loss: float = math.nan
    dW: list[np.ndarray] = field(default_factory=list)  # noqa: N815
    db: list[Any] = field(default_factory=list)

    def table(self, r: int = 0) -> str:
        """Return the table of a sample, with a line for each unit.

        Parameters
        ----------
        r : int, default 0
            The number of the sample.

        Raises
        ------
        IndexError, ValueError, TypeError
            If there is no such sample, or if r is not an integer.
        """
        rows = self._rows(r)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _rows(self, r: int) -> list[tuple[str, ...]]:
        """Return the rows of the table of a sample, as text."""
        if not -len(self.x) <= checks.integer(r, "r", -len(self.x)) < len(self.x):
            raise IndexError(f"r must be a sample from 0 to {len(self.x) - 1}, got {r}")
        rows = [("layer", "unit", "z", "a", *(["delta"] if self.delta else []))]
        rows += [("0", str(i), "", f"{x:.6g}", *([""] if self.delta else [])) for i, x in enumerate(self.x[r], 1)]
        for l, (z, a) in enumerate(zip(self.z, self.a, strict=True)):
            for i in range(z.shape[1]):
                numbers = [z[r, i], a[r, i], *([self.delta[l][r, i]] if self.delta else [])]
                rows.append((str(l + 1), str(i + 1), *(f"{number:.6g}" for number in numbers)))
        return rows

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        sizes = "-".join(str(values.shape[1]) for values in (self.x, *self.a))
        way = "forward and backward" if self.delta else "forward"
        return f"<Trace of {len(self.x)} samples through {sizes}, {way}; print(trace) shows the first one>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows of the table of the first sample."""
        from ..base import html

        head, *rows = self._rows(0)
        left = len(rows) - html.MOST_ROWS
        note = f"<p>There are {left} more rows: print(trace) shows all.</p>" if left > 0 else ""
        return f"<p>{escape(repr(self))}</p>{html.table(head, rows[: html.MOST_ROWS])}{note}"
