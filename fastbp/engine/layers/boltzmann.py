"""This module holds `Boltzmann`, the two layers of units of a restricted Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass

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

    skips: bool = False
    """Whether kernels leave out visible units that are 0."""

    @property
    def reads_any_form(self) -> bool:  # type: ignore[override]
        return self.skips

    @property
    def weights(self) -> Block:
        return Block("W", (self.n_in, self.n_out), 1, "weight", transposed=True)

    def blocks(self) -> tuple[Block, ...]:
        return self.weights, Block("b", (self.n_in,), 1, "bias"), Block("c", (self.n_out,), 1, "bias")

    def up(self, at: Place, v: Buffer, h: Buffer, follower: Follower | None) -> list[Operation]:
        """z = W' v + c."""
        return self.forward(at._replace(a=v, out=h), follower)

    def down(self, at: Place, h: Buffer, v: Buffer, follower: Follower | None) -> list[Operation]:
        """z = W h + b."""
        parameters, (_, b, _) = at.program.model.parameters, self.blocks()
        layout = parameters.layout
        right = {"w_panel": layout.up(self.n_out) * layout.lanes, **self._matrix(parameters, turned=True)}
        right |= {"b": parameters.theta[layout.place(b)], "b_panel": layout.lanes}
        return self._product(at, h, right, v, follower)
