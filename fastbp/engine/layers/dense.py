"""This module holds `Dense`, a layer that computes z^l = W^l a^{l-1} + b^l   (000, 001, 004)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...kernels.structs import PRODUCT, WEIGHTS
from .. import compiled
from ..blocks import Block
from ..buffers import Buffer, Form
from ..kernel_cache import Operation
from ..records import Record
from ..rule import Rule, options_of
from .base import Follower, Layer, Place


class Reading(NamedTuple):
    """`Reading` has the kernels for one way of reading a matrix."""

    product: Callable[..., Any]
    groups: tuple[int, ...]
    learn: Callable[..., Any]
    line: Callable[..., Any] | None = None
    """The kernels of groups that `learn` calls, if it calls some."""


@functools.cache
def reading(form: Form) -> Reading:
    """Return the kernels that read a matrix of a form. All forms give the same bits."""
    dense, zeros, csr = compiled.dense, compiled.zero_skipping, compiled.csr
    if form == "zeros":
        return Reading(zeros.without_zeros, zeros.GROUPS, zeros.learn_without_zeros, zeros.line_without_zeros)
    if form == "entries":
        return Reading(csr.of_entries, csr.GROUPS, csr.learn_entries)
    return Reading(dense.dense, dense.GROUPS, compiled.update.learn)


@dataclass(frozen=True)
class Dense(Layer):
    """`Dense` is a layer with a weight matrix W^l and biases b^l: z^l = W^l a^{l-1} + b^l.

    Without biases, there is room for them in theta anyway. If it is the `first` layer with parameters, the backward
    pass ends here.
    """

    biased: bool = True
    first: bool = False

    reads_any_form = True

    @property
    def multiplications(self) -> int:  # type: ignore[override]
        return self.n_in * self.n_out

    def blocks(self) -> tuple[Block, ...]:
        l = self.number
        return (
            Block(f"W{l}", (self.n_in, self.n_out), l, "weight", transposed=not self.first),
            Block(f"b{l}", (self.n_out,), l, "bias", exists=self.biased),
        )

    def forward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """z^l = W^l a^{l-1} + b^l."""
        parameters, (W, b, *_) = at.program.model.parameters, self.blocks()
        layout, theta = parameters.layout, parameters.theta
        right = {"W": theta[layout.place(W)], "w_panel": layout.up(self.n_in) * layout.lanes, "next": layout.area(W)}
        right |= {"b": theta[layout.place(b)], "b_panel": layout.lanes}
        if at.program.checker:
            right["checker"], at.program.checker = at.program.checker, None
        return self._product(at, at.a, right, at.out, follower)

    def backward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """dC/da^{l-1} = (W^l)^T delta^l."""
        parameters = at.program.model.parameters
        layout, T = parameters.layout, parameters.transposed
        here = layout.T[self.blocks()[0].name]
        below = max((place for place in layout.T.values() if place < here), default=0)
        right = {"W": T[here:], "w_panel": layout.up(self.n_out) * layout.lanes, "next": below - here, "b": T}
        return self._product(at, at.delta, right, at.delta_in, follower)

    def to_inputs(self, at: Place, T: np.ndarray) -> list[Operation]:
        """dC/dx' = (W^1)^T delta^1."""
        layout = at.program.model.parameters.layout
        right = {"W": T, "w_panel": layout.up(self.n_out) * layout.lanes, "b": at.program.model.parameters.transposed}
        return self._product(at, at.delta._replace(zeros=None, form="dense"), right, at.delta_in, None)

    @staticmethod
    def _product(
        at: Place, a: Buffer, right: dict[str, Any], out: Buffer, follower: Follower | None
    ) -> list[Operation]:
        """Return the operation out = a W + b."""
        program, kernels = at.program, reading(a.form)
        left = {"a": a.panels, "a_row": a.row, "a_panel": a.panel, "rows": a.columns}
        if a.zeros:
            left["zeros"] = a.zeros
        if follower:
            left |= {"follower": follower.kernel, "layer": follower.record}
        made = program.record(
            PRODUCT, **left, **right, out=out.panels, panels=program.memory.panels(out.columns),
            **program.groups(kernels.product, kernels.groups),
        )  # fmt: skip
        if a.direct:
            made.set(a_sample=a.columns)
            program.direct = made
        return [(program.kernel(compiled.product.product), made)]

    def update(self, at: Place, rule: Rule | None) -> list[Operation]:
        """dC/dw_ij = delta_i a_j and dC/db_i = delta_i, summed over the minibatch, and the update of W^l and b^l."""
        kernels = reading(at.a.form)
        lazy = (rule is not None and rule.lazy,) if at.a.form == "entries" else ()
        return [(at.program.kernel(kernels.learn, *options_of(rule), *lazy), self._weights(at, rule, kernels))]

    def apply(self, at: Place, rule: Rule) -> list[Operation]:
        return [(at.program.kernel(compiled.update.apply, *options_of(rule)), self._weights(at, rule))]

    def bound(self, at: Place) -> list[Operation]:
        return [(at.program.kernel(compiled.update.bound), self._weights(at, None))]

    def _weights(self, at: Place, rule: Rule | None, kernels: Reading | None = None) -> Record:
        """Return the WEIGHTS record. With `kernels`, it has what the gradient is summed from."""
        program, a, blocks = at.program, at.a, self.blocks()
        W, b = (program.block(block, rule) for block in blocks[:2])
        fields = {"n_in": self.n_in, "n_out": self.n_out, "W": W, "b": b, "biased": self.biased}
        layout = program.model.parameters.layout
        if blocks[0].transposed:
            fields |= {"transposed": True, "T": layout.T[blocks[0].name]}
        if kernels is not None:
            fields |= {"a": a.panels, "a_row": a.row, "a_panel": a.panel, "delta": at.delta.panels}
            if kernels.line is not None:
                fields |= program.groups(kernels.line, kernels.groups, *options_of(rule))
            fields |= {"zeros": a.zeros} if a.zeros else {}
        return program.record(WEIGHTS, update=program.update, **fields, **program.share(self, kernels is None))

    def effort(self, at: Place) -> tuple[int, int]:
        memory = at.program.memory
        blocks = memory.panels(self.n_in) * memory.panels(self.n_out)
        update = compiled.update
        return blocks, blocks * (update.EXTRA_TRANSPOSED if self.blocks()[0].transposed else update.EXTRA)
