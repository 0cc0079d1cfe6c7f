"""This module makes the works of restricted Boltzmann machines, as `plan` makes those of networks.

In all of them, the model has one layer, which is a `Boltzmann`. With `normal`, the visible units have normal
distributions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels.panels import aligned, pack, unpack
from ..kernels.structs import MACHINE, OUTPUTS, ZEROS
from . import compiled, plan
from .buffers import Buffer, zeros_of
from .kernel_cache import Operation
from .layers.base import Follower, Place
from .layers.boltzmann import Boltzmann
from .memory import Model
from .program import Program
from .records import Record, address
from .rule import Rule, options_of
from .runner import Work

LAYER = 256
"""The number of the first layer for random numbers: networks have fewer layers."""

MOST_SWEEPS = 1 << 14
"""The largest number of sweeps of a step: each has two layers of random numbers, whose numbers have 16 bits."""


class Machine:
    """`Machine` makes the operations of a work on a restricted Boltzmann machine, and has their memory.

    `x` are the visible units of the samples as a program reads them, `v` those that are drawn, which begin `half` rows
    later, and `h` are the hidden units. The product for v writes to `z`, which is the memory of v if that is in panels.
    """

    def __init__(self, work: Work, normal: bool, half: int = 0):
        self.work, self.normal, self.half, self.flipping = work, normal, half, not normal
        memory = work.memory
        self.h, self.delta = memory.a[1], memory.buffer(self.layer.n_out)
        if half:  # most hidden units are 0 soon
            zeros = zeros_of(memory.rows, memory.panels(self.layer.n_out), memory.dtype)
            self.h = self.h._replace(zeros=zeros, form="zeros")
        self.energy, self.flipped, self.error = (memory.buffer(1) for _ in range(3))
        self.flips = aligned(memory.rows, np.int64)
        self._drawn: Buffer | None = None

    def read(self, x: Buffer) -> None:
        """Let the operations that are made next read the samples from here."""
        memory, self.x = self.work.memory, x
        self.v = self.z = later(x, self.half)
        if x.zeros is not None:
            self._drawn = self._drawn or memory.buffer(self.layer.n_in)
            self.z = self._drawn

    @property
    def layer(self) -> Boltzmann:
        """The units."""
        layer = self.work.model.layers[0]
        assert isinstance(layer, Boltzmann)
        return layer

    def record(self, number: int = 0, **fields: Any) -> Record:
        """Return the MACHINE record of an operation. Its random numbers belong to the layer `number`."""
        layout = (parameters := self.work.model.parameters).layout
        W, b, _ = (parameters.theta[layout.place(block)] for block in layout.blocks)
        return Record(
            MACHINE, number=LAYER + number, visible=self.layer.n_in, hidden=self.layer.n_out, half=self.half,
            x=self.x.panels, x_row=self.x.row, x_panel=self.x.panel, flips=self.flips,
            W=W, w_panel=layout.up(self.layer.n_in) * layout.lanes, b=b, energy=self.energy.panels,
            flipped=self.flipped.panels, error=self.error.panels,
            **{"delta": self.delta.panels, **fields},
        )  # fmt: skip

    def rate_inputs(self, program: Program) -> list[Operation]:
        """Return the operation that begins the scores."""
        kernel = program.kernel(compiled.rbm.rate_inputs, self.normal, self.flipping)
        return [(kernel, self.record())]

    def up(
        self, at: Place, v: Buffer, h: Buffer, number: int, *, sign: int = 0, draws: bool = True, rates: bool = False
    ) -> list[Operation]:
        """Return the operation that computes hidden units from visible ones."""
        zeros = {} if h.zeros is None else {"zeros": h.zeros}
        options = sign, draws, rates, rates and self.flipping, bool(zeros)
        kernel = at.program.kernel(compiled.rbm.hidden_units, *options)
        delta = later(self.delta, self.half if sign > 0 else 0)
        made = self.record(number, panels=h.panels, delta=delta.panels, **zeros)
        return self.layer.up(at, v, h, Follower(kernel, made))

    def down(self, at: Place, h: Buffer, number: int, *, draws: bool = True, rates: bool = False) -> list[Operation]:
        """Return the operation that computes visible units from hidden ones."""
        zeros = {} if self.v.zeros is None else {"zeros": self.v.zeros}
        kernel = at.program.kernel(compiled.rbm.visible_units, self.normal, draws, rates, bool(zeros))
        made = self.record(number, panels=self.z.panels, v=self.v.panels, **zeros)
        return self.layer.down(at, h, self.z, Follower(kernel, made))

    def rate(self, program: Program) -> list[Operation]:
        """Return the operation that ends the scores."""
        return [(program.kernel(compiled.rbm.rate, self.flipping), self.record())]


class Chains:
    """`Chains` are the hidden units of the chains of persistent contrastive divergence, one chain for each row."""

    def __init__(self, buffer: Buffer, rows: int, batch: int):
        self.buffer, self._rows, self._shape = buffer, rows, (batch, buffer.columns)

    def pack(self, units: np.ndarray) -> None:
        """Set the units, of shape (batch, n_hidden)."""
        pack(units.astype(self.buffer.panels.dtype), self.buffer.panels, self._rows)

    def unpack(self) -> np.ndarray:
        """Return the units, which are 0 or 1."""
        return unpack(self.buffer.panels, self._rows, self._shape).astype(np.uint8)


def later(buffer: Buffer, rows: int) -> Buffer:
    """Return the rows of a matrix from one on."""
    zeros = buffer.zeros
    if zeros is not None:
        words, masks = (zeros.kept(name) for name in ("words", "masks"))
        every, stride = int(zeros["word_stride"]), int(zeros["mask_stride"])
        zeros = Record(ZEROS, words=words[rows * every :], word_stride=every, masks=masks[rows:], mask_stride=stride)
    return buffer._replace(panels=buffer.panels[rows * buffer.row :], zeros=zeros)


def train(
    model: Model, batch: int, n_threads: int | None, seed: int, rule: Rule, normal: bool, sweeps: int, persistent: bool
) -> tuple[Work, Chains | None]:
    """Make the work of steps of contrastive divergence, with so many sweeps of Gibbs sampling.

    The scores are the sums of the free energy, of the error and of the pseudo-likelihood, in place of loss, right
    predictions and weights. With `persistent`, the sampling does not begin at the samples, but goes on where the last
    step ended: in `Chains`, which come with the work.
    """
    units: Any = model.layers[0]
    model = model._replace(layers=(replace(units, skips=True),))
    work = Work(model, batch, batch, n_threads, backward=True, seed=seed, pairs=True)
    work.step.set(seed=seed % 2**63)
    machine = Machine(work, normal, batch)
    chain = work.memory.buffer(machine.layer.n_out) if persistent else machine.h
    plan.set_update(work, rule, gradient=False)

    def write(program: Program, form: str | None) -> None:
        layer, at = machine.layer, program.places[0][1]
        machine.read(program.inputs)
        rows = [*program.paths.operations(program), *machine.rate_inputs(program)]
        rows += machine.up(at, machine.x, machine.h, 1, sign=-1, rates=True)
        if persistent:
            rows += machine.down(at, machine.h, 0, draws=False, rates=True)
        for k in range(sweeps):
            last = k + 1 == sweeps
            rows += machine.down(at, chain, 2 + 2 * k, rates=not persistent and k == 0)
            rows += machine.up(at, machine.v, chain, 3 + 2 * k, sign=int(last), draws=persistent or not last)
        program.phase(*rows, *machine.rate(program))
        program.phase((program.kernel(compiled.rbm.add_scores, machine.flipping), machine.record()), alone=True)
        bias = program.block(layer.blocks()[1], rule)
        learn = program.kernel(compiled.rbm.learn_visible, *options_of(rule))
        visible = (learn, machine.record(update=program.update, bias=bias))
        program.phase(*layer.update(at._replace(a=machine.x, delta=machine.delta), rule), visible)

    work.write = write
    return work, Chains(chain, work.memory.stride // work.memory.lanes, batch) if persistent else None


def scores(model: Model, batch: int, n_threads: int | None, normal: bool) -> tuple[Work, Record, Record]:
    """Make the work that computes scores of samples.

    With it come the OUTPUTS records of the free energies and of the pseudo-likelihoods.
    """
    work = Work(model, batch, plan.ROWS, n_threads)
    machine = Machine(work, normal)
    energies, likelihoods = (
        Record(OUTPUTS, panels=each.panels, columns=1) for each in (machine.energy, machine.flipped)
    )

    def write(program: Program, form: str | None) -> None:
        copy = program.kernel(compiled.product.scatter)
        machine.read(program.inputs)
        rows = [*program.paths.operations(program), *machine.rate_inputs(program)]
        rows += machine.up(program.places[0][1], machine.x, machine.h, 1, draws=False, rates=True)
        program.phase(*rows, *machine.rate(program), (copy, energies), (copy, likelihoods))

    work.write = write
    return work, energies, likelihoods


def sweep(model: Model, batch: int, n_threads: int | None, normal: bool) -> tuple[Work, Record]:
    """Make the work of one sweep of Gibbs sampling, which draws hidden units, and then visible ones.

    With it comes the OUTPUTS record of the visible units.
    """
    work = Work(model, batch, plan.ROWS, n_threads, backward=True)
    machine = Machine(work, normal)
    out = Record(OUTPUTS, columns=machine.layer.n_in)

    def write(program: Program, form: str | None) -> None:
        at = program.places[0][1]
        machine.read(program.inputs)
        out.set(panels=machine.v.panels)
        rows = [*program.paths.operations(program), *machine.up(at, machine.x, machine.h, 1)]
        rows += machine.down(at, machine.h, 2)
        program.phase(*rows, (program.kernel(compiled.product.scatter), out))

    work.write = write
    return work, out


def set_out(record: Record, array: np.ndarray) -> None:
    """Let an operation write to an array."""
    record.set(out=address(array))
