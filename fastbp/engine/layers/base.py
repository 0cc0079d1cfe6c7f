"""This module holds `Layer`, what all layers have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from ...kernels.structs import ACTIVATION, FOLLOWER
from .. import compiled
from ..blocks import Block
from ..buffers import Buffer
from ..kernel_cache import Kernel, Operation
from ..records import Record, numbers
from ..rule import Rule


class Writer(Protocol):
    """`Writer` is what layers need of the `Program` that their operations belong to, which describes its methods.

    `model` and `memory` are a `Model` and a `Memory`, which this module cannot import, because they import it.
    """

    places: list[tuple[Layer, Place]]
    model: Any
    memory: Any
    inputs: Buffer
    update: Record | None
    direct: Record | None
    source: Record | None
    checker: Kernel | None

    def kernel(self, factory: Any, *options: object) -> Kernel: ...
    def record(self, kind: np.dtype, **fields: Any) -> Record: ...
    def groups(self, factory: Any, sizes: tuple[int, ...], *options: object) -> dict[str, Any]: ...
    def block(self, block: Block, rule: Rule | None) -> Record: ...
    def share(self, layer: Layer, everything: bool) -> dict[str, int]: ...


class Place(NamedTuple):
    """`Place` says where the operations of a layer find what they work on."""

    program: Writer
    """The program that the operations belong to."""
    a: Buffer
    """The inputs of the layer, a^{l-1}."""
    out: Buffer
    """Its outputs a^l. Before the activation function, the buffer holds z^l."""
    delta: Buffer
    """dC/dz^l. Before the derivative of the activation function, the buffer holds dC/da^l."""
    delta_in: Buffer
    """delta^{l-1}, which is empty for the first layer."""
    slope: np.ndarray
    """The panels of da/dz, which are empty if the layer keeps no da/dz."""


class Follower(NamedTuple):
    """`Follower` is a kernel that is applied to panels as soon as they are ready, and its record."""

    kernel: Kernel
    record: Record


@dataclass(frozen=True)
class Layer:
    """`Layer` is a layer of a network: z^l is a function of a^{l-1}, and a^l = sigma(z^l), with dropout in training.

    A subclass says which blocks of parameters it has, and lists its operations. `forward` computes z^l, `backward`
    computes dC/da^{l-1}, and `update` sums the gradient of the parameters and applies a rule to it. Each of the first
    two takes a follower, which it applies to its result. The layer has the number l, from 1 on, and n_in and n_out
    columns of a^{l-1} and a^l.
    """

    number: int
    n_in: int
    n_out: int
    activation: Any
    dropout: float = 0.0

    reads_any_form = False
    """Whether kernels of the layer read a^{l-1} and delta^l in each form of a `Buffer`."""
    row_copies = 0
    """How many copies of whole rows of z^l its kernels make in scratch memory."""
    reads_copy = False
    """Whether the forward pass reads the copy of the weights that is kept for the backward pass."""
    shares = False
    """Whether several weights of the network are one parameter of this layer."""
    stores = False
    """Whether the gradient of its parameters must go through memory."""
    multiplications = 0
    """How many numbers a row is multiplied with, which says how much work the layer is."""

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of parameters."""
        return ()

    def forward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """Return the operations that compute z^l."""
        raise NotImplementedError

    def backward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """Return the operations that compute dC/da^{l-1} from delta^l."""
        raise NotImplementedError

    def to_inputs(self, at: Place, T: np.ndarray) -> list[Operation]:
        """Return the operations of the first layer that compute dC/dx', with its transposed weights T."""
        raise NotImplementedError

    def prepare(self, at: Place) -> list[Operation]:
        """Return the operations that come in a phase before `update`, and leave what it needs in memory."""
        return []

    def update(self, at: Place, rule: Rule | None) -> list[Operation]:
        """Return the operations that sum the gradient, and apply a rule to it or, with None, write it to memory."""
        return []

    def apply(self, at: Place, rule: Rule) -> list[Operation]:
        """Return the operations that apply a rule to the gradient in memory."""
        return []

    def bound(self, at: Place) -> list[Operation]:
        """Return the operations that bound the norm of the weights into each unit."""
        return []

    def spread(self, at: Place) -> list[Operation]:
        """Return the operations that write parameters that have changed to where other kernels read them."""
        return []

    def effort(self, at: Place) -> tuple[int, int]:
        """Return what the update costs that is divided over the threads together with that of other layers.

        The two numbers are those of rows, and what comes on top for each step; see `fastbp.kernels.update`.
        """
        return 0, 0

    @property
    def keeps_slope(self) -> bool:
        """Whether the backward pass needs da/dz in memory, because it cannot compute it from a."""
        return self.dropout > 0 or self.activation.of_z

    def without_dropout(self) -> Self:
        """Return the layer without dropout."""
        return replace(self, dropout=0.0)

    def activate(self, at: Place) -> Follower | None:
        """Return the follower that computes a^l = sigma(z^l), or None if a^l = z^l."""
        sigma, dropped = self.activation, self.dropout > 0
        if sigma.name == "identity" and not dropped:
            return None
        if sigma.whole_rows:
            return self._follower(at, compiled.elementwise.softmax_activate)
        options = sigma, at.slope.size > 0, dropped, at.out.zeros is not None
        return self._follower(at, compiled.elementwise.activate, *options)

    def differentiate(self, at: Place) -> Follower | None:
        """Return the follower that multiplies dC/da^l by da/dz, or None if da/dz = 1."""
        sigma, masked = self.activation, at.delta.zeros is not None
        if sigma.name == "identity" and not self.dropout:
            return None
        if at.slope.size:
            return self._follower(at, compiled.elementwise.differentiate, None, masked)
        if sigma.whole_rows:
            return self._follower(at, compiled.elementwise.softmax_differentiate)
        return self._follower(at, compiled.elementwise.differentiate, sigma, masked)

    def _follower(self, at: Place, factory: Any, *options: object) -> Follower:
        """Return the follower of a kernel of `fastbp.kernels.elementwise`."""
        parameters = numbers(self.activation.parameters(), at.out.panels.dtype, self.activation)
        zeros = {name: each.zeros for name, each in (("zeros", at.out), ("delta_zeros", at.delta)) if each.zeros}
        made = Record(
            ACTIVATION, number=self.number, columns=self.n_out, a=at.out.panels, delta=at.delta.panels, slope=at.slope,
            parameters=parameters, dropout=self.dropout, **zeros,
        )  # fmt: skip
        return Follower(at.program.kernel(factory, *options), made)


def follow(program: Writer, follower: Follower | None, columns: int) -> list[Operation]:
    """Return the operation that applies a follower to all panels of a matrix, after other operations."""
    if follower is None:
        return []
    made = program.record(
        FOLLOWER, follower=follower.kernel, layer=follower.record, panels=program.memory.panels(columns)
    )
    return [(program.kernel(compiled.elementwise.follow), made)]
