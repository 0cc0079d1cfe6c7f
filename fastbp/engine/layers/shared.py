"""This module holds `Shared`, a dense layer in which several weights are one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.panels import aligned, pack
from ...kernels.structs import BLOCK, SHARED, UPDATE
from .. import compiled
from ..blocks import Block, Groups
from ..kernel_cache import Operation
from ..records import Field, Record
from ..rule import Rule
from .base import Place
from .dense import Dense


@dataclass(frozen=True)
class Shared(Dense):
    """`Shared` computes z^l = W^l a^{l-1} + b^l, where equal numbers of `groups` say that weights are equal   (001).

    The parameters are the values of the numbers. Products read a matrix of all weights, which lies in the copy of the
    parameters. The gradient of all weights goes through memory, where it is summed for each number.
    """

    groups: Groups | None = None

    reads_copy = shares = stores = True

    @property
    def weights(self) -> Block:
        assert self.groups is not None
        shape = (self.groups.count,)
        return Block(f"W{self.number}", shape, self.number, "weight", not self.first, groups=self.groups)

    def prepare(self, at: Place) -> list[Operation]:
        """Sum dC/dw_ij = delta_i a_j of all weights into memory."""
        theta = at.program.model.parameters.theta
        update = Record(UPDATE, theta=theta, size=theta.size, gradient=self._sums(at))
        return self._sum_weights(at, transposed=False, W=Record(BLOCK), update=update)

    def update(self, at: Place, rule: Rule | None) -> list[Operation]:
        """dC/dw_g is the sum of dC/dw_ij over the places (i, j) with number g."""
        made = at.program.kernel(compiled.shared.collect), self._record(at)
        return [made, *self._of_panels(at, None, self.blocks()[1], compiled.update.learn_biases)]

    def apply(self, at: Place, rule: Rule) -> list[Operation]:
        return [
            made for block in self.blocks() for made in self._of_panels(at, rule, block, compiled.update.apply_biases)
        ]

    def bound(self, at: Place) -> list[Operation]:
        raise ValueError("max_norm must be None for a layer whose weights share numbers")

    def spread(self, at: Place) -> list[Operation]:
        """w_ij = w_g for each place (i, j) with number g."""
        return [(at.program.kernel(compiled.shared.spread), self._record(at))]

    def _sums(self, at: Place) -> np.ndarray:
        """Return the memory for the gradient of all weights."""
        layout, memory = at.program.model.parameters.layout, at.program.memory
        made: np.ndarray = memory.kept(
            self, "sums", lambda: aligned(layout.area(layout.matrix(self.weights)), memory.dtype)
        )
        return made

    def _record(self, at: Place) -> Record:
        """Return the SHARED record."""
        layout, W, groups = at.program.model.parameters.layout, self.weights, self.groups
        assert groups is not None
        assert at.program.update is not None
        numbers = np.where(groups.array < 0, groups.count, groups.array)
        # Panels of integers of this size lie as those of the dtype do. Their padding is number `count`, which stays 0.
        panels = aligned(layout.area(layout.matrix(W)) * (1 + W.transposed), np.dtype(f"i{layout.dtype.itemsize}"))
        first = panels[: layout.area(layout.matrix(W))]
        pack(numbers - groups.count, first, layout.up(self.n_in))
        if W.transposed:
            pack(numbers.T - groups.count, panels[first.size :], layout.up(self.n_out))
        indices = panels.astype(np.int64) + groups.count
        members = np.argsort(indices[: first.size], kind="stable")
        starts = np.searchsorted(indices[members], np.arange(groups.count + 1))
        fields: dict[str, Field] = {"starts": starts, "members": members, "indices": indices, "sums": self._sums(at)}
        return Record(
            SHARED, update=at.program.update, at=layout.at[W.name], count=groups.count, to=layout.W[W.name],
            size=indices.size, **fields,
        )  # fmt: skip
