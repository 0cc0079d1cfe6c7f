"""This module holds `Boltzmann`, the two layers of units of a restricted Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..blocks import Block
from ..buffers import Buffer
from ..kernel_cache import Operation
from .base import Follower, Place
from .dense import Dense


@dataclass(frozen=True)
class Boltzmann(Dense):
    """`Boltzmann` connects n_in visible units with n_out hidden ones, by weights W that both directions use.

    Upwards, it is a dense layer with the weights W and the biases c. Downwards, it computes W h + b.
    """

    reads_any_form = False  # the drawn visible units lie beside the samples, and are dense

    def blocks(self) -> tuple[Block, ...]:
        n, m = self.n_in, self.n_out
        weights = Block("W", (n, m), 1, "weight", transposed=True)
        return weights, Block("c", (m,), 1, "bias"), Block("b", (n,), 1, "bias")

    def up(self, at: Place, v: Buffer, h: Buffer, follower: Follower | None) -> list[Operation]:
        """z = W' v + c."""
        return self.forward(at._replace(a=v, out=h), follower)

    def down(self, at: Place, h: Buffer, v: Buffer, follower: Follower | None) -> list[Operation]:
        """z = W h + b."""
        parameters, (W, _, b) = at.program.model.parameters, self.blocks()
        layout, T = parameters.layout, parameters.transposed[parameters.layout.T["W"] :]
        right: dict[str, Any] = {"W": T, "w_panel": layout.up(self.n_out) * layout.lanes, "next": layout.area(W)}
        right |= {"b": parameters.theta[layout.place(b)], "b_panel": layout.lanes}
        return self._product(at, h, right, v, follower)
