"""This module holds `Dense`, a layer that computes z^l = W^l a^{l-1} + b^l   (000, 001, 004)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...kernels.panels import LINE
from ...kernels.structs import PRODUCT, USE, WEIGHTS
from .. import compiled
from ..blocks import Block, Parameters
from ..buffers import Buffer, Form
from ..kernel_cache import Operation
from ..records import Record, address
from ..rule import Rule, options_of
from .base import Follower, Layer, Place


class Reading(NamedTuple):
    """`Reading` has the kernels for one way of reading a matrix."""

    product: Callable[..., Any]
    groups: tuple[int, ...]
    learn: Callable[..., Any]
    line: Callable[..., Any] | None = None
    """The kernels of groups that `learn` calls, if it calls some."""


class Use(NamedTuple):
    """`Use` says that layers share a matrix of weights."""

    layer: int
    """The number of the other layer."""
    turned: bool
    """Whether the matrix of one layer is the transpose of that of the other."""


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
    of: Use | None = None
    """Whose matrix of weights the layer uses, or None if it has its own."""
    uses: tuple[Use, ...] = ()
    """The layers that use the matrix of this layer."""

    reads_any_form = True

    @property
    def multiplications(self) -> int:  # type: ignore[override]
        return self.n_in * self.n_out

    @property
    def reads_copy(self) -> bool:  # type: ignore[override]
        return self.of is not None and self.of.turned

    @property
    def shares(self) -> bool:  # type: ignore[override]
        return bool(self.uses)

    @property
    def weights(self) -> Block:
        """The block of the matrix of weights, which may belong to another layer."""
        l, shape = self.number, (self.n_in, self.n_out)
        if self.of is not None:
            return Block(f"W{self.of.layer}", shape[:: -1 if self.of.turned else 1], self.of.layer, "weight", True)
        return Block(f"W{l}", shape, l, "weight", transposed=not self.first or bool(self.uses))

    def blocks(self) -> tuple[Block, ...]:
        b = Block(f"b{self.number}", (self.n_out,), self.number, "bias", exists=self.biased)
        return (self.weights, b) if self.of is None else (b,)

    def _matrix(self, parameters: Parameters, *, turned: bool) -> dict[str, Any]:
        """Return the fields of a PRODUCT record for W^l or, if `turned`, for its transpose."""
        layout, W = parameters.layout, self.weights
        if turned == (self.of is not None and self.of.turned):
            return {"W": parameters.matrix(W), "next": layout.area(layout.matrix(W))}
        here = layout.T[W.name]
        below = max((place for place in layout.T.values() if place < here), default=0)
        return {"W": parameters.transposed[here:], "next": below - here}

    def forward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """z^l = W^l a^{l-1} + b^l."""
        parameters, *_, b = at.program.model.parameters, *self.blocks()
        layout = parameters.layout
        right = {"w_panel": layout.up(self.n_in) * layout.lanes, **self._matrix(parameters, turned=False)}
        right |= {"b": parameters.theta[layout.place(b)], "b_panel": layout.lanes}
        if at.program.checker:
            right["checker"], at.program.checker = at.program.checker, None
        return self._product(at, at.a, right, at.out, follower)

    def backward(self, at: Place, follower: Follower | None) -> list[Operation]:
        """dC/da^{l-1} = (W^l)^T delta^l."""
        parameters = at.program.model.parameters
        right = {"w_panel": parameters.layout.up(self.n_out) * parameters.layout.lanes, "b": parameters.transposed}
        right |= self._matrix(parameters, turned=True)
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

    def prepare(self, at: Place) -> list[Operation]:
        """Sum dC/dw_ij = delta_i a_j of this layer into memory, if kernels for its inputs cannot add other uses."""
        return self._sum_weights(at) if self.uses and not _in_lines(at.a) else []

    def _sum_weights(self, at: Place, **more: Any) -> list[Operation]:
        """Return the operation that sums the gradient of the weights into memory, with more fields of its record."""
        kernels = reading(at.a.form)
        lazy = (False,) if at.a.form == "entries" else ()
        made = self._weights(at, None, kernels, biased=False, **more)
        return [(at.program.kernel(kernels.learn, *options_of(None), *lazy), made)]

    def update(self, at: Place, rule: Rule | None) -> list[Operation]:
        """dC/dw_ij = delta_i a_j and dC/db_i = delta_i, summed over the minibatch, and the update of W^l and b^l."""
        if self.of is not None:
            return self._of_panels(at, rule, self.blocks()[-1], compiled.update.learn_biases)
        kernels = reading("dense" if self.uses else at.a.form)
        more = (True,) if self.uses else (rule is not None and rule.lazy,) if at.a.form == "entries" else ()
        return [(at.program.kernel(kernels.learn, *options_of(rule), *more), self._weights(at, rule, kernels))]

    def apply(self, at: Place, rule: Rule) -> list[Operation]:
        if self.of is not None:
            return self._of_panels(at, rule, self.blocks()[-1], compiled.update.apply_biases)
        return [(at.program.kernel(compiled.update.apply, *options_of(rule)), self._weights(at, rule))]

    def bound(self, at: Place) -> list[Operation]:
        if self.of is not None:
            return []
        return [(at.program.kernel(compiled.update.bound), self._weights(at, None))]

    @staticmethod
    def _of_panels(at: Place, rule: Rule | None, block: Block, factory: Callable[..., Any]) -> list[Operation]:
        """Return an operation on one block of numbers, such as the biases, if training can change it."""
        if not block.exists:
            return []
        fields = {"n_out": block.columns, "b": at.program.block(block, rule), "delta": at.delta.panels}
        made = at.program.record(WEIGHTS, update=at.program.update, **fields)
        return [(at.program.kernel(factory, *options_of(rule)), made)]

    def _weights(self, at: Place, rule: Rule | None, kernels: Reading | None = None, **more: Any) -> Record:
        """Return the WEIGHTS record. With `kernels`, it has what the gradient is summed from."""
        program, a, blocks = at.program, at.a, self.blocks()
        W, *_, b = (program.block(block, rule) for block in blocks)
        fields = {"n_in": self.n_in, "n_out": self.n_out, "W": W, "b": b, "biased": self.biased}
        layout = program.model.parameters.layout
        if blocks[0].transposed:
            fields |= {"transposed": True, "T": layout.T[blocks[0].name]}
        if kernels is not None:
            fields |= {"a": a.panels, "a_row": a.row, "a_panel": a.panel, "delta": at.delta.panels}
            if kernels.line is not None:
                fields |= program.groups(kernels.line, kernels.groups, *options_of(rule))
            fields |= {"zeros": a.zeros} if a.zeros else {}
            fields |= self._other_uses(at) if self.uses else {}
        fields |= {"update": program.update, **program.share(self, kernels is None), **more}
        return program.record(WEIGHTS, **fields)

    def _other_uses(self, at: Place) -> dict[str, Any]:
        """Return the fields of a WEIGHTS record that say what other layers add to the gradient."""
        made = np.zeros(len(self.uses), USE)
        for record, (layer, turned) in zip(made, self.uses, strict=True):
            place = at.program.places[layer - 1][1]
            a, delta = (place.delta, place.a) if turned else (place.a, place.delta)
            places = address(a.panels), a.panel, address(delta.panels), delta.panel
            record["a"], record["a_panel"], record["delta"], record["delta_panel"] = places
        resumes = not _in_lines(at.a)
        return {"uses": made, "use_count": len(made), "sums": len(made) + (not resumes), "resumes": resumes}

    def effort(self, at: Place) -> tuple[int, int]:
        if self.of is not None:
            return 0, 0
        memory = at.program.memory
        blocks = memory.panels(self.n_in) * memory.panels(self.n_out)
        update = compiled.update
        extra = update.EXTRA_TRANSPOSED if self.weights.transposed else update.EXTRA
        return blocks * (len(self.uses) + _in_lines(at.a) if self.uses else 1), blocks * extra


def _in_lines(a: Buffer) -> bool:
    """Return whether kernels that read all of a matrix can read this one, line by line."""
    return a.form != "entries" and a.row * a.panels.itemsize == LINE
