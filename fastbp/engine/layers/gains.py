"""This module holds layers with a gain for each unit: layer normalization, and a scale of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.panels import aligned
from ...kernels.structs import GAINS
from .. import compiled
from ..blocks import Block
from ..kernel_cache import Operation
from ..records import Field, Record
from ..rule import Rule, options_of
from .base import Follower, Layer, Place, follow


@dataclass(frozen=True)
class Gains(Layer):
    """`Gains` is what layers with a gain for each unit have in common: z_i = gain_i x_i, with an offset or without.

    The parameters are those of `Layer`, with n_in = n_out.
    """

    def update(self, at: Place, rule: Rule | None) -> list[Operation]:
        return [(at.program.kernel(compiled.gains.learn_gains, *options_of(rule)), self._record(at, rule))]

    def apply(self, at: Place, rule: Rule) -> list[Operation]:
        return [(at.program.kernel(compiled.gains.apply_gains, *options_of(rule)), self._record(at, rule))]

    def _record(self, at: Place, rule: Rule | None, **fields: Any) -> Record:
        """Return the GAINS record."""
        gain, *offset = (at.program.block(block, rule) for block in self.blocks())
        panels = {"x": self._x(at), "out": at.out.panels, "delta": at.delta.panels, "delta_in": at.delta_in.panels}
        found: dict[str, Field] = {"offset": offset[0], "offsets": True} if offset else {"offset": gain}
        found |= {"update": at.program.update} if at.program.update else {}
        theta = at.program.model.parameters.theta
        return Record(GAINS, theta=theta, columns=self.n_out, gain=gain, a=at.a.panels, **panels, **found, **fields)

    def _x(self, at: Place) -> np.ndarray:
        """Return the panels of x."""
        return at.a.panels


@dataclass(frozen=True)
class InputScale(Gains):
    """`InputScale` multiplies each input by a number that is trained: z_j = s_j x_j. It is the first layer."""

    def blocks(self) -> tuple[Block, ...]:
        return (Block("s0", (self.n_out,), self.number, "scale", start=1.0),)

    def forward(self, at: Place, follower: Follower | None) -> list[Operation]:
        if at.a.form == "entries":
            raise ValueError("X must not be sparse for a network with a trainable scale of inputs")
        made = (at.program.kernel(compiled.gains.scale), self._record(at, None))
        return [made, *follow(at.program, follower, self.n_out)]


@dataclass(frozen=True)
class LayerNorm(Gains):
    """`LayerNorm` gives each row the mean 0 and the deviation 1, before gains and offsets (Ba et al. 2016).

    The parameters are those of `Layer`, and `epsilon`, which is added to the variance.
    """

    epsilon: float = 1e-5

    row_copies = 2

    def blocks(self) -> tuple[Block, ...]:
        l, shape = self.number, (self.n_out,)
        return Block(f"g{l}", shape, l, "gain", start=1.0), Block(f"o{l}", shape, l, "offset")

    def forward(self, at: Place, follower: Follower | None) -> list[Operation]:
        made = (at.program.kernel(compiled.layer_norm.normalize), self._kept(at))
        return [made, *follow(at.program, follower, self.n_out)]

    def backward(self, at: Place, follower: Follower | None) -> list[Operation]:
        made = (at.program.kernel(compiled.layer_norm.denormalize), self._kept(at))
        return [made, *follow(at.program, follower, self.n_in)]

    def _kept(self, at: Place) -> Record:
        """Return the GAINS record, with the memory for 1 / s of each row."""
        memory = at.program.memory
        inverse = memory.kept(self, "inverse", lambda: aligned(memory.stride, memory.dtype))
        return self._record(at, None, inverse=inverse, epsilon=self.epsilon)

    def _x(self, at: Place) -> np.ndarray:
        memory = at.program.memory
        panels: np.ndarray = memory.kept(self, "x", lambda: memory.buffer(self.n_out).panels)
        return panels
