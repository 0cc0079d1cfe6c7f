"""This module holds how a network is shown: as the call that makes it, as a line, and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.value_objects import call
from .network import Network

FEW = 100
"""The largest number of weights of a layer whose `shared` numbers are shown."""


class Shown(Network):
    """`Shown` is a network with the texts that show it."""

    def __repr__(self) -> str:
        """Return the call that makes a network of this architecture."""
        made, shift, scale = self.architecture, self.shift, self.scale
        alike: dict[str, Sequence[Any]] = {"activation": made.activation or ("relu",), "bias": made.bias}
        alike |= {"shift": shift.tolist(), "scale": scale.tolist()}
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
