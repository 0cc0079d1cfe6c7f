"""This module holds how a network is shown: as the call that makes it, as a line, and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.names import LossName
from ..base.value_objects import call
from ..formulas.nodes import Node
from ..losses import Loss
from .network import Network

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FEW = 100
"""The largest number of weights of a layer whose `shared` numbers are shown."""


class Shown(Network):
    """`Shown` is a network with the texts that show it."""

    def __repr__(self) -> str:
        """Return the call that makes a network of this architecture."""
        made, shift, scale = self.architecture, self.shift, self.scale
        alike: dict[str, Sequence[Any]] = {"activation": made.activation or ("relu",), "bias": made.bias}
        alike |= {"shift": shift.tolist(), "scale": scale.tolist()}
        alike |= {"target_scale": self.target_scale.tolist(), "target_shift": self.target_shift.tolist()}
        shown: dict[str, Any] = {name: each[0] if len({*each}) == 1 else each for name, each in alike.items()}
        hidden = {*made.dropout[1:]} or {0.0}
        shown["dropout"] = hidden.pop() if not made.dropout[0] and len(hidden) == 1 else made.dropout
        options = {name: getattr(made, name) for name in ("output", "init", "input_noise", "max_norm", "tied")}
        options["shared"] = {l: g.array.tolist() if g.array.size <= FEW else g for l, g in made.shared} or None
        dtype = np.float32 if made.dtype == np.float32 else str(made.dtype)
        given = dict.fromkeys(("seed", "samples", "standardize", "standardize_targets"))  # the rest is shown
        return call(self, sizes=list(made.sizes), dtype=dtype, **given, **options, **shown)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a picture and a table of the layers."""
        from ..base import html

        return html.network(self)

    def __str__(self) -> str:
        activations, output = self.architecture.activation, self.architecture.output
        each = f"{activations[0]!r}" if len(set(activations)) == 1 else f"{list(activations)}"
        sizes = "-".join(map(str, self.sizes))
        shown = f"activation={each}, " if activations else ""
        return f"MLP({sizes}, {shown}output={output!r}, {self.n_parameters:,} parameters, {self.dtype})"

    def graph(self, x: ArrayLike, y: ArrayLike | None = None, loss: LossName | Loss | None = None) -> Node:
        """Write the network as a graph of gates with single numbers, for one sample (001, 002).

        Each weight is a variable: "w21^(1)" is the weight from input 2 to unit 1 of layer 1, that is ``W[1, 0]``. With
        10 units or more, a comma stands between the numbers. Biases are "b1^(1)", and inputs are "x1", "x2" and so on.
        Gates are named too: "z1^(1)" is a pre-activation, "a1^(1)" is an activation, and "C" is the loss. Weights that
        are tied or shared are one variable, with the name of the first of them.

        Parameters
        ----------
        x : array of shape (sizes[0],)
            The inputs of the sample.
        y : number or array of shape (sizes[-1],), or None, default None
            The target of the sample, as for `trace`. With None, the graph ends with the outputs.
        loss : str or object, or None, default None
            The loss, as for `Trainer`. It must be given if there is a target.

        Returns
        -------
        Node
            The loss or the outputs, after `Node.forward` and, with a loss, `Node.backward`. It computes in float64 and
            without dropout. Its `table`, `paths` and `jacobian` explain it, and ``forward({"w11^(1)": 0.3})`` computes
            it with another weight.

        Raises
        ------
        ValueError
            If an argument does not fit, if only one of `y` and `loss` is given, or if the network has more than 2,000
            parameters.
        TypeError
            If an argument has the wrong type.

        Examples
        --------
        A weight of the first layer of three reaches the loss by two paths (002):

        >>> import fastbp as fb
        >>> net = fb.MLP([2, 2, 2, 1], activation="sigmoid", output="sigmoid", bias=False, seed=0)
        >>> C = net.graph([1.0, 2.0], 1, "binary_cross_entropy")
        >>> for path in C.paths("w22^(1)"):
        ...     print(*path.names, sep=" <- ")
        C <- a1^(3) <- z1^(3) <- g7 <- a1^(2) <- z1^(2) <- g6 <- a2^(1) <- z2^(1) <- g5 <- w22^(1)
        C <- a1^(3) <- z1^(3) <- g10 <- a2^(2) <- z2^(2) <- g9 <- a2^(1) <- z2^(1) <- g5 <- w22^(1)
        """
        from .scalar_graph import scalar_graph  # only this method needs it

        return scalar_graph(self, x, y, loss)
