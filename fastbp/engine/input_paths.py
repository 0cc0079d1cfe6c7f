"""This module holds `InputPaths`: the ways in which the first layer reads its inputs."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..kernels.panels import aligned, round_up
from ..kernels.structs import AHEAD, INPUT_NOISE, LISTS, MATRIX, NONE, OWNED
from . import compiled
from .buffers import Buffer, pays, zeros_of
from .kernel_cache import Operation
from .layers.base import Writer
from .memory import Memory, Model
from .records import Field, Record, address

Path = Literal["direct", "dense", "zeros", "entries"]
"""The input paths: the first product reads the array of the user; all inputs are copied into panels; inputs of 0 are
left out; the inputs are a sparse matrix."""

LOOKED_AT, LEAST_INPUTS = 16, 1 << 14
"""The number of samples whose inputs are counted to find out how many are 0, and the number of inputs of all samples
from which on this is worth its time in each call."""

SELDOM = 1 << 18
"""The number of inputs after which calls with fewer inputs look at some of them too."""

MOST_ENTRIES = 2**31 - AHEAD
"""The largest number of entries of a part: the lists have int32 numbers."""


class InputPaths:
    """`InputPaths` chooses the input path for samples, and has the memory of the inputs.

    All paths lead to the same bits, so a work can take another path for other samples. `inputs` says about how many
    inputs of a row are multiplied on the path that was chosen last.
    """

    def __init__(self, model: Model, memory: Memory, *, backward: bool):
        self._model, self._memory, self._n_in = model, memory, model.sizes[0]
        self._dtype = model.dtype
        self._scaled = bool((model.scale[: self._n_in] != 1).any())
        self.inputs = self._n_in
        # Without a backward pass, the first product can read inputs directly that need no conversion. With one, it
        # cannot, because the gradient needs the inputs in panels.
        any_form = bool(model.layers) and model.layers[0].reads_any_form
        self._plain = any_form and not backward and not model.shift.any() and not self._scaled
        self._counted = self._n_in if any_form and not model.noise and not model.shift.any() else 0
        self._dense: Path = "dense"
        self._unseen = 0
        # The number of lines is odd, as that of the other panels.
        self._row = (memory.panels(self._n_in) | 1) * memory.lanes
        self._panels: np.ndarray | None = None
        self._zeros: Record | None = None
        self._lists: Record | None = None

    def choose(self, X: Any, order: np.ndarray | None, n: int, *, trains: bool) -> Path:
        """Return the input path for n samples, which are those of `order`, or all. They may train the network."""
        if X.sparse:
            self.inputs = -(-int(X.array.starts[-1] - X.array.starts[0]) // (X.array.starts.size - 1))
            return "entries"
        # Among many calls with few inputs, only some look at them: the inputs of a training or of an application are
        # mostly of one kind, and counting took 5 % of a `partial_fit`.
        count = n * self._counted
        self._unseen += count
        if count >= LEAST_INPUTS or self._unseen >= SELDOM:
            self._unseen, self._dense = 0, self._look(X.array, order, n, trains)
        direct = self._plain and order is None and X.array.dtype == self._dtype and self._dense == "dense"
        return "direct" if direct else self._dense

    def _look(self, X: np.ndarray, order: np.ndarray | None, n: int, trains: bool) -> Path:
        """Return the path for dense inputs, according to how many of them are 0."""
        filled = _filled(X, order, n)
        few = pays(filled, self._model.sizes[1], self._memory.lanes) and (trains or self._finite())
        # Some inputs of 0 are multiplied too, because they are in one tile with others.
        self.inputs = int(self._n_in * min(1.5 * filled if few else 1.0, 1.0)) + 1
        return "zeros" if few else "dense"

    def _finite(self) -> bool:
        """Return whether the weights of the first layer are finite: 0 times infinity is not 0.

        During a training they need no test: if one of them becomes infinite, the epoch ends in an error.
        """
        parameters = self._model.parameters
        with np.errstate(all="ignore"):
            return bool(np.isfinite(parameters.theta[parameters.layout.place(parameters.layout.blocks[0])].sum()))

    def buffer(self, path: Path) -> Buffer:
        """Return a^0, as kernels read it on a path."""
        memory, n_in = self._memory, self._n_in
        if path == "direct":
            return Buffer(np.empty(0, memory.dtype), n_in, n_in, memory.lanes, direct=True)
        if path == "entries":
            return Buffer(np.empty(0, memory.dtype), n_in, 0, 0, form="entries")
        if self._panels is None:
            self._panels = aligned((memory.rows | 1) * self._row, memory.dtype)
        if path == "dense":
            return Buffer(self._panels, n_in, memory.lanes, memory.stride)
        if self._zeros is None:
            self._zeros = zeros_of(memory.rows, memory.panels(n_in), memory.dtype)
        # The kernels that leave zeros out read single inputs, which they find sooner in a row-major matrix.
        return Buffer(self._panels, n_in, self._row, memory.lanes, self._zeros, "zeros")

    def operations(self, program: Writer) -> list[Operation]:
        """Return the operations that write x' = (x - shift) * scale to a^0, and add noise and dropout in training."""
        model, a = self._model, program.inputs
        if a.direct:
            return []
        fields: dict[str, Field] = {**_places(a), "shift": model.shift, "scale": model.scale, "scaled": self._scaled}
        if a.zeros:
            fields["zeros"] = a.zeros
        inputs = compiled.inputs
        factory = {"dense": inputs.gather, "zeros": inputs.gather_with_masks, "entries": compiled.csr.gather_entries}
        program.source = Record(MATRIX, **fields)
        operations = [(program.kernel(factory[a.form]), program.source)]
        if a.form == "entries":  # `gather_entries` has dropped entries already
            return operations
        return operations + self.drop(program, a, model.noise)

    def drop(self, program: Writer, a: Buffer, noise: float = 0.0) -> list[Operation]:
        """Return the operation that gives a matrix like a^0 the dropout of the inputs, and noise before it."""
        if not self._model.dropout and not noise:
            return []
        made = Record(INPUT_NOISE, **_places(a), deviation=noise, dropout=self._model.dropout)
        return [(program.kernel(compiled.inputs.noise), made)]

    def read(self, program: Writer, X: Any, order: np.ndarray | None) -> None:
        """Let a program read the samples of a call."""
        if program.direct is not None:
            program.direct.set(a=address(X.array))
            return
        assert program.source is not None
        if not X.sparse:
            program.source.set(source=address(X.array), kind=X.kind)
        else:
            self._hold(self._most_entries(X.array.starts, order))
            program.source.set(kind=X.kind, **X.array.places)

    def _most_entries(self, starts: np.ndarray, order: np.ndarray | None) -> int:
        """Return the largest number of entries that a part of a sparse matrix can have."""
        counts = np.diff(starts) if order is None else starts[order + 1] - starts[order]
        if counts.size > self._memory.rows:
            counts = np.partition(counts, counts.size - self._memory.rows)[-self._memory.rows :]
        most = int(counts.sum())
        if most > MOST_ENTRIES:
            rows = f"{counts.size} rows that are read together"
            raise ValueError(f"X must have at most {MOST_ENTRIES} entries in {rows} if it is sparse, got {most}")
        return most

    def _hold(self, most: int) -> None:
        """Get memory for the entries of a part: at most this number."""
        memory = self._memory
        if self._lists is None:
            first, heads = aligned(memory.rows + 1, np.int64), aligned(round_up(self._n_in, OWNED), np.int32)
            heads[:] = NONE
            lists = Record(LISTS, first=first, heads=heads, dropout=self._model.dropout)
            memory.step.set(lists=lists)
            self._lists, self._most = lists, -1
        if most > self._most:
            column, row, following = (aligned(most + AHEAD, np.int32) for _ in range(3))
            self._lists.set(value=aligned(most, memory.dtype), column=column, row=row, next=following)
            self._most = most


def _places(a: Buffer) -> dict[str, Field]:
    """Return the fields of a record that say where a matrix lies."""
    return {"panels": a.panels, "row": a.row, "panel": a.panel, "columns": a.columns}


def _filled(X: np.ndarray, order: np.ndarray | None, n: int) -> float:
    """Return the share of inputs that are not 0 among some samples."""
    places = np.arange(0, n, -(-n // LOOKED_AT))
    seen = X[places if order is None else order[places]]
    # As integers: NumPy counts reals ten times as slowly. -0.0 counts here, which does not matter.
    return np.count_nonzero(seen.view(f"u{seen.itemsize}")) / seen.size
