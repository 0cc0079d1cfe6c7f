"""This module holds `Roads`: the three ways in which the first layer reads its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.csr import AHEAD, NONE, OWNED
from ..kernels.panel_groups import cut_of
from ..kernels.panels import aligned, round_up
from ..kernels.structs import LISTS, MATRIX, PRODUCT
from . import kernel_cache
from .memory import Model, Record, Workspace, address, pays, zeros_of

DENSE, MASKED, LISTED = range(3)
"""The roads: all inputs are read; inputs of 0 are left out; the inputs are a sparse matrix."""

LOOKED_AT, LEAST_INPUTS = 16, 1 << 14
"""The number of samples whose inputs are counted to find out how many are 0, and the number of inputs of all samples
from which on this is worth its time in each call."""

SELDOM = 1 << 18
"""The number of inputs after which calls with fewer inputs look at some of them too."""

MOST_ENTRIES = 2**31 - AHEAD
"""The largest number of entries of a part: the lists have int32 numbers."""

Operation = tuple[int, Record]
"""The type of an operation: the address of a compiled kernel, and the record that it gets."""


class Roads:
    """`Roads` are the operations of the first layer, each with a kernel for each road, and their memory.

    All roads lead to the same bits, so a work can take another road for other samples.

    Parameters
    ----------
    model : Model
        The network.
    memory : Workspace
        The memory for the rows of a part.
    part : int
        The largest number of rows of a part.
    backward : bool, keyword-only
        Whether there is a backward pass.

    Attributes
    ----------
    rows : Record
        The record of the operation that copies X into a^0.
    product : Record
        The record of the first product, which reads a^0, or X itself.
    noise : Record or None
        The record of the operation that adds noise and dropout to a^0.
    cut : str
        The groups of panels of all products that may leave zeros out.
    road : int or None
        The road that the operations take now.
    inputs : int
        About how many inputs of a row the operations multiply.
    """

    def __init__(self, model: Model, memory: Workspace, part: int, *, backward: bool):
        layout = model.parameters.layout
        self.model, self.memory, self.layout, self.part = model, memory, layout, part
        scaled = bool((model.scale[: layout.sizes[0]] != 1).any())
        self.rows = Record(MATRIX, columns=layout.sizes[0], shift=model.shift, scale=model.scale, scaled=scaled)
        self.product, self.noise = Record(PRODUCT), None
        # The products with a^0, a^1, ... have n^1, n^2, ... columns, and those with delta^2, ... have n^1, ...
        others = [*memory.zeros, *memory.delta_zeros[1:]], [*layout.sizes[1:], *layout.sizes[1:-1]]
        columns = [n for l, (zeros, n) in enumerate(zip(*others, strict=True)) if zeros or l == 0]
        self.cut = "".join(sorted({*"".join(cut_of(layout.panels(n)) for n in columns)}))
        self.road: int | None = None
        self.inputs = layout.sizes[0]
        self.direct: bool | None = False
        self._unseen = 0
        self._choices: list[tuple[tuple, tuple, tuple]] = []
        # Without a backward pass, the first product can read inputs directly that need no conversion. With one, it
        # cannot, because the gradient needs the inputs in panels.
        self._plain = not backward and not model.shift.any() and not scaled
        self._counted = 0 if model.noise or model.shift.any() else layout.sizes[0]

    def choice(self, dense: tuple, masked: tuple, listed: tuple, made: Record) -> Operation:
        """Return an operation that has another kernel for each road. A kernel is compiled when it is first needed.

        Parameters
        ----------
        dense, masked, listed : tuple
            The factory of the kernel of each road, and its further arguments.
        made : Record
            The record of the operation.
        """
        self._choices.append((dense, masked, listed))
        return -len(self._choices), made

    def close(self, operations: list[Operation], records: np.ndarray) -> None:
        """Take over the complete list of operations, and the records in which the kernels find it."""
        self._operations, self._records = operations, records

    def read(self, X: Any, order: np.ndarray | None, n: int, *, trains: bool) -> None:
        """Prepare the operations for samples.

        Parameters
        ----------
        X : Inputs
            The inputs.
        order : int array or None
            The numbers of the samples to use. With None, all are used.
        n : int
            The number of samples to use.
        trains : bool
            Whether these samples train the network.

        Raises
        ------
        ValueError
            If the inputs are a sparse matrix, and the network moves them away from 0.
        """
        if X.sparse:
            self._list(X, order)
            return
        # Among many calls with few inputs, only some look at them: the inputs of a training or of an application are
        # mostly of one kind, and counting took 5 % of a `partial_fit`.
        count, road = n * self._counted, self.road if self.road in (DENSE, MASKED) else DENSE
        self._unseen += count
        if count >= LEAST_INPUTS or self._unseen >= SELDOM:
            self._unseen, road = 0, self._look(X.array, order, n, trains)
        if road != self.road:
            self.take(road)
            self._read_directly(False)
        direct = self._plain and order is None and X.array.dtype == self.layout.dtype and road == DENSE
        if direct != self.direct:
            self._read_directly(direct)
        if direct:
            self.product.set(a=address(X.array))
        else:
            self.rows.set(source=address(X.array), kind=X.kind)

    def _read_directly(self, direct: bool) -> None:
        """Let the first product read X itself, or a^0."""
        n_in, self.direct = self.layout.sizes[0], None  # Ctrl-C in the middle must not leave some of these fields
        if direct:
            self.product.set(a_row=n_in, a_panel=self.layout.lanes, a_sample=n_in)
        else:
            self.product.set(a=self.memory.a[0], a_row=self.rows["row"], a_panel=self.rows["panel"], a_sample=0)
        self.direct = direct

    def _look(self, X: np.ndarray, order: np.ndarray | None, n: int, trains: bool) -> int:
        """Return the road for these inputs, according to how many of them are 0."""
        filled = _filled(X, order, n)
        few = pays(filled, self.layout.sizes[1], self.layout.lanes)
        road = MASKED if few and (trains or self._finite()) else DENSE
        # Some inputs of 0 are multiplied too, because they are in one tile with others.
        self.inputs = int(self.layout.sizes[0] * min(1.5 * filled if road == MASKED else 1.0, 1.0)) + 1
        return road

    def _finite(self) -> bool:
        """Return whether the weights of the first layer are finite: 0 times infinity is not 0.

        During a training they need no test: if one of them becomes infinite, the epoch ends in an error.
        """
        with np.errstate(all="ignore"):
            return bool(np.isfinite(self.model.parameters.theta[self.layout.matrix(0)].sum()))

    def take(self, road: int) -> None:
        """Use the kernels of a road, with its memory."""
        self.road = None  # Ctrl-C in the middle must not leave some kernels of one road and some of another
        memory, lanes = self.memory, self.layout.lanes
        if road != LISTED:
            self._hold_inputs()
        if road == MASKED and memory.zeros[0] is None:
            memory.zeros[0] = zeros_of(self.part, self.layout.panels(self.layout.sizes[0]), self.layout.dtype)
        zeros = memory.zeros[0].address if road == MASKED else 0
        # The masked kernels read single inputs, which they find sooner in a row-major matrix.
        row, panel = (memory.row, lanes) if road == MASKED else (lanes, memory.stride)
        for made in (self.rows, self.noise):
            if made is not None:
                made.set(row=row, panel=panel)
        self.rows.set(zeros=zeros)
        self.product.set(zeros=zeros)
        memory.layer[0].set(a_row=row, a_panel=panel, zeros_in=zeros, done=road != DENSE)
        for i, (number, _) in enumerate(self._operations):
            if number < 0:
                self._records[i, 0] = self._kernel(*self._choices[-number - 1][road])
        self.road = road

    def _kernel(self, factory: Callable, *options: object) -> int:
        """Return the address of the kernel of an operation. A method of the work would make a cycle of references."""
        return kernel_cache.kernel(factory, self.layout.dtype, *options)

    def _hold_inputs(self) -> None:
        """Get memory for a^0, which a work that reads only sparse matrices never needs."""
        memory = self.memory
        if not memory.a[0].size:
            panels = aligned((self.part | 1) * memory.row, self.layout.dtype)
            memory.layer[0].set(a_in=panels)
            for made in (self.rows, self.noise):
                if made is not None:
                    made.set(panels=panels)
            memory.a[0] = panels  # last, because Ctrl-C may come between these lines, and then all must be done again

    def _list(self, X: Any, order: np.ndarray | None) -> None:
        """Read a sparse matrix."""
        self.model.check_inputs(X)
        starts = X.array.starts
        counts = np.diff(starts) if order is None else starts[order + 1] - starts[order]
        if counts.size > self.part:
            counts = np.partition(counts, counts.size - self.part)[-self.part :]
        if (most := int(counts.sum())) > MOST_ENTRIES:
            rows = f"{counts.size} rows that are read together"
            raise ValueError(f"X must have at most {MOST_ENTRIES} entries in {rows} if it is sparse, got {most}")
        self._hold_lists(most)
        self.inputs = -(-int(starts[-1] - starts[0]) // (starts.size - 1))
        self.rows.set(kind=X.kind, **X.array.places)
        if self.road != LISTED:
            self.take(LISTED)
        self.direct = False

    def _hold_lists(self, most: int) -> None:
        """Get memory for the entries of a part: at most this number."""
        step, n_in = self.memory.step, self.layout.up(self.layout.sizes[0])
        if not step["lists"]:
            self.lists = Record(LISTS, first=aligned(self.part + 1, np.int64), dropout=self.model.dropout[0])
            heads = aligned(round_up(n_in, OWNED), np.int32)
            heads[:] = NONE
            self.lists.set(heads=heads)
            self._most = -1
            step.set(lists=self.lists.address)
        if most > self._most:
            column, row, following = (aligned(most + AHEAD, np.int32) for _ in range(3))
            self.lists.set(value=aligned(most, self.layout.dtype), column=column, row=row, next=following)
            self._most = most


def _filled(X: np.ndarray, order: np.ndarray | None, n: int) -> float:
    """Return the share of inputs that are not 0 among some samples."""
    places = np.arange(0, n, -(-n // LOOKED_AT))
    seen = X[places if order is None else order[places]]
    # As integers: NumPy counts reals ten times as slowly. -0.0 counts here, which does not matter.
    return np.count_nonzero(seen.view(f"u{seen.itemsize}")) / seen.size
