"""This module holds `Trace`: everything that a network computes for some samples, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import checks, extras, hints
from ..data import frames
from ..data.samples import SampleChecker, SampleFormat
from ..engine.runner import Samples
from ..formulas.tables import short
from ..losses import LOSSES
from ..losses.of_arrays import costs

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, unused-ignore]


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no ==
class TraceLayer:
    """`TraceLayer` has the values of a layer l. `Trace.layer` makes it. What a layer does not have is None.

    Attributes
    ----------
    z, a : arrays of shape (n, n_l), or (n_l,) for one sample
        The pre-activations z^l and the activations a^l. For l = 0, z is None, and a is the input x.
    delta, da : arrays of the same shape
        delta^l = dC/dz^l and dC/da^l for the loss C of each sample (000, 001). For l = 0, delta is None, and da is
        dC/dx.
    W, b : arrays of shape (n_{l-1}, n_l) and (n_l,)
        The weights and biases that lead into the layer.
    dW, db : arrays of the same shapes
        The gradient of the mean loss.
    """

    z: Any
    a: np.ndarray
    delta: Any = None
    da: Any = None
    W: Any = None
    b: Any = None
    dW: Any = None  # noqa: N815
    db: Any = None

    def __repr__(self) -> str:
        shown = (f"{name}={short(value)}" for name, value in vars(self).items() if value is not None)
        return f"TraceLayer({', '.join(shown)})"


@dataclass(frozen=True, eq=False, repr=False)
class Trace(hints.Hinted):
    """`Trace` has the values of a forward pass and, if there were targets, of a backward pass. `MLP.trace` makes it.

    ``print(trace)`` shows the first sample as a table, and ``print(trace.table(r))`` shows sample r. For one sample of
    shape (n_in,), the arrays x, z, a and delta have no first axis.

    Attributes
    ----------
    x : array of shape (n, n_in)
        The inputs a^0 of the first layer: after `shift` and `scale`.
    z, a : lists of L arrays of shape (n, n_l)
        The pre-activations z^l and the activations a^l of each layer. ``z[0]`` is z^1, and ``layer(1)`` counts as the
        formulas do.
    delta : list of L arrays of shape (n, n_l)
        delta^l = dC/dz^l for the loss C of each sample, which is not divided by n. Without targets, the list is empty.
    loss : float
        The mean loss, or NaN without targets.
    dW, db : lists of arrays
        The gradient of the mean loss, as from `MLP.gradients`. Without targets, the lists are empty.
    W, b : lists of arrays
        The weights and biases of the network at the time of the trace.
    da : list of L arrays of shape (n, n_l)
        dC/da^l for the loss C of each sample (001). Without targets, the list is empty.
    """

    x: np.ndarray
    z: list[np.ndarray]
    a: list[np.ndarray]
    delta: list[np.ndarray]
    loss: float = math.nan
    dW: list[np.ndarray] = field(default_factory=list)  # noqa: N815
    db: list[Any] = field(default_factory=list)
    W: Sequence[np.ndarray] = ()
    b: Sequence[Any] = ()
    da: list[np.ndarray] = field(default_factory=list)

    def layer(self, l: int) -> TraceLayer:
        """Return the values of layer l, which counts as in the formulas: from 1 to L, and 0 for the inputs.

        Parameters
        ----------
        l : int
            The number of the layer.

        Raises
        ------
        ValueError
            If there is no such layer.
        TypeError
            If l is not an integer.

        Examples
        --------
        >>> import fastbp as fb
        >>> net = fb.MLP([2, 1], dtype="float64")
        >>> net.set_weights([[[2.0], [-1.0]]], [[0.5]])
        >>> t = net.trace([1.0, 3.0], 0.0, "squared_error")  # one sample
        >>> t.layer(1).z, t.layer(1).delta, t.layer(1).dW.tolist()
        (array([-0.5]), array([-0.5]), [[-0.5], [-1.5]])
        >>> t.layer(0).a, t.layer(0).da
        (array([1., 3.]), array([-1. ,  0.5]))
        """
        L = len(self.z)
        if not 0 <= (l := checks.integer(l, "l", -(2**63))) <= L:
            raise ValueError(f"l must be a layer from 0 to {L}, got {l}")
        if l == 0:
            return TraceLayer(None, self.x, da=_below(self.delta[0], self.W[0]) if self.delta else None)
        ends = (each[l - 1] if len(each) else None for each in (self.delta, self.da, self.W, self.b, self.dW, self.db))
        return TraceLayer(self.z[l - 1], self.a[l - 1], *ends)

    def to_dict(self, r: int = 0) -> dict[str, list[float]]:
        """Return the values of a sample as a dict of columns, which makes a data frame: ``polars.DataFrame(...)``.

        Parameters
        ----------
        r : int, default 0
            The number of the sample.

        Returns
        -------
        dict of str to list
            "layer" and "unit", which count from 0 and from 1, and the values "z" and "a" of each unit. With targets,
            there are also "da" and "delta". Inputs have NaN for what they do not have.

        Raises
        ------
        IndexError, ValueError, TypeError
            If there is no such sample, or if r is not an integer.
        """
        n = len(self.x) if self.x.ndim > 1 else 1
        if not -n <= checks.integer(r, "r", -n) < n:
            raise IndexError(f"r must be a sample from 0 to {n - 1}, got {r}")
        columns: dict[str, list[float]] = {"layer": [], "unit": []}
        for l, layer in enumerate(map(self.layer, range(len(self.z) + 1))):
            values = {name: getattr(layer, name) for name in ("z", "a", *(("da", "delta") if self.delta else ()))}
            width = layer.a.shape[-1]
            columns["layer"] += [l] * width
            columns["unit"] += range(1, width + 1)
            for name, array in values.items():
                row = [math.nan] * width if array is None else array.reshape(n, width)[r].tolist()
                columns.setdefault(name, []).extend(row)
        return columns

    def to_frame(self, r: int = 0) -> pandas.DataFrame:
        """Return the values of a sample as a pandas DataFrame, with a row for each unit and the index (layer, unit).

        Parameters
        ----------
        r : int, default 0
            The number of the sample.

        Raises
        ------
        ImportError
            If pandas is not installed: ``pip install "fastbp[pandas]"``.
        IndexError, ValueError, TypeError
            As for `to_dict`.
        """
        pandas = extras.package("pandas", "to_frame")
        return pandas.DataFrame(self.to_dict(r)).set_index(["layer", "unit"])

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
        columns = self.to_dict(r)
        numbers = zip(*columns.values(), strict=True)
        empty = {"z", "delta"} & columns.keys()
        rows = [
            tuple(
                "" if l == 0 and name in empty else f"{value:.6g}"
                for name, value in zip(columns, (l, *row), strict=True)
            )
            for l, *row in numbers
        ]
        return [tuple(columns), *rows]

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        sizes = "-".join(str(values.shape[-1]) for values in (self.x, *self.a))
        way = "forward and backward" if self.delta else "forward"
        samples = f"{len(self.x)} samples" if self.x.ndim > 1 else "one sample"
        return f"<Trace of {samples} through {sizes}, {way}; print(trace) shows the first one>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows of the table of the first sample."""
        from ..base import html

        head, *rows = self._rows(0)
        left = len(rows) - html.MOST_ROWS
        note = f"<p>There are {left} more rows: print(trace) shows all.</p>" if left > 0 else ""
        return f"<p>{escape(repr(self))}</p>{html.table(head, rows[: html.MOST_ROWS])}{note}"


def _below(delta: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return dC/da^(l-1) = (W^l)^T delta^l for each sample, with W of shape (n_in, n_out)   (000)."""
    with np.errstate(all="ignore"):
        product: np.ndarray = delta @ W.T
    return product


def one_sample(form: SampleFormat, X: Any, y: Any) -> tuple[Any, Any, bool]:
    """Return samples as rows, and whether they were one sample of shape (n_in,), whose target has no first axis."""
    row = form.one_row(X) if getattr(X, "ndim", 0) != 2 else None
    if row is None:
        return X, y, False
    return row, None if y is None else np.asarray(frames.plain(y, "y"))[None], True


def traced(network: Any, X: Any, y: Any, loss: Any) -> Trace:
    """Return the trace of samples through a network. The arguments are those of `MLP.trace`."""
    if (y is None) != (loss is None):
        raise ValueError("y and loss must be given together: a backward pass needs both")
    form, computer, of_loss = network._form, network._computer, ()
    X, y, one = one_sample(form, X, y)
    if loss is None:
        found, samples = None, Samples(form.inputs(X))
    else:
        found = checks.resolved(loss, "loss", LOSSES)
        samples = SampleChecker(form, found, "gradients").samples(X, y)
        made = computer.differentiate(samples, found)
        of_loss = made.loss, *network._by_layer(made.blocks)
    z, a, delta = computer.trace(samples, found)
    weights, biases = network._copies()
    da = list(map(_below, delta[1:], weights[1:])) if found else []
    da += [costs(found, a[-1], samples.y.seen)[1]] if found else []
    x = samples.X.transformed(network.shift, network.scale)
    if one:
        x, z, a, delta, da = x[0], *([each[0] for each in arrays] for arrays in (z, a, delta, da))
    return Trace(x, z, a, delta, *(of_loss or (math.nan, [], [])), weights, biases, da)
