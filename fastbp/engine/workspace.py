"""Workspace: the memory that the operations on a part work in, and the records that tell kernels where it is."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from ..kernels.columns import room
from ..kernels.panels import aligned
from ..kernels.records import LAYER, STEP
from .parameters import Parameters


class Model(NamedTuple):
    """A network as the engine knows it."""

    parameters: Parameters
    shift: np.ndarray
    """Of the inputs, padded to whole lines; so is `scale`."""
    scale: np.ndarray
    activations: tuple[Any, ...]
    """sigma of each layer: objects with formulas, see `fastbp.activations`."""
    dropout: tuple[float, ...]
    """The probability of dropout of a^0 to a^{L-1} in training."""
    noise: float
    """The standard deviation of the noise that training adds to the inputs."""
    max_norm: float | None
    """What training bounds the norm of the weights into each unit by."""
    threshold: float
    """From which output on an output by itself says yes."""


def address(array: np.ndarray) -> int:
    """Where an array's first number lies; `array.ctypes.data` takes three times as long."""
    return array.__array_interface__["data"][0]


@functools.cache
def _places(kind: np.dtype) -> dict[str, tuple[bool, int]]:
    """Of each field of a record, whether it is a real number, and where it lies, in words of 8 bytes."""
    return {name: (field == np.float64, offset // 8) for name, (field, offset) in kind.fields.items()}


class Record:
    """A record of a kind in memory that kernels see (`fastbp.kernels.records`).

    Parameters
    ----------
    kind : dtype of the record.
    memory : array of one such record; None for new memory.
    fields : values to begin with, as for `set`; the others are 0.
    """

    def __init__(self, kind: np.dtype, memory: np.ndarray | None = None, **fields: float | np.ndarray):
        self.memory = np.zeros(1, kind) if memory is None else memory
        self.address = address(self.memory)
        # An assignment to a field of a structured array takes three times as long as one to a vector.
        self._views, self._place = (self.memory.view(np.int64), self.memory.view(np.float64)), _places(kind)
        self._kept: dict[str, np.ndarray] = {}
        self.set(**fields)

    def set(self, **fields: float | np.ndarray) -> None:
        """Set fields. A vector stands for its address, and lives as long as the record refers to it."""
        for name, value in fields.items():
            real, place = self._place[name]
            if isinstance(value, np.ndarray):
                self._kept[name], value = value, address(value)
            self._views[real][place] = value

    def forget(self, *names: str) -> None:
        """Let vectors go that fields refer to: others may free their memory."""
        for name in names:
            self._kept.pop(name, None)
            self._views[0][self._place[name][1]] = 0

    def __getitem__(self, name: str) -> float:
        """The value of a field."""
        real, place = self._place[name]
        return self._views[real][place].item()


class Workspace:
    """Memory for the rows of a part: activations, deltas and targets in panels, and the LAYER records.

    Parameters
    ----------
    model : the network.
    rows : the most rows of a part.
    n_threads : the most threads that work on a part.
    targets : whether there are any.
    backward : whether deltas go back through the layers.

    Attributes
    ----------
    a, delta, slope : lists of vectors
        Panels of a^0 .. a^L; of delta^1 .. delta^L, of the last alone unless `backward`; and of da/dz of the layers
        that keep it, else empty. Panels of n columns have (rows, n) numbers, padded to `stride` numbers a panel.
    """

    def __init__(self, model: Model, rows: int, n_threads: int, *, targets: bool, backward: bool):
        layout, sizes = model.parameters.layout, model.parameters.layout.sizes
        self.model, self.rows, self.dtype = model, rows, layout.dtype
        # An odd number of lines: a power of two would put every panel into the same sets of the cache.
        self.stride = (rows | 1) * layout.lanes
        self.dropout = *model.dropout[1:], 0.0  # of a^1 .. a^L
        self.kept = [
            backward and (rate > 0 or sigma.of_z) for rate, sigma in zip(self.dropout, model.activations, strict=True)
        ]
        widths = [layout.panels(n) * self.stride for n in sizes]
        self.a = self._panels([*widths, *(width * kept for width, kept in zip(widths[1:], self.kept, strict=True))])
        self.a, self.slope = self.a[: len(sizes)], self.a[len(sizes) :]
        hidden = [width * backward for width in widths[1:-1]]
        self.y, *self.delta = self._panels([width * targets for width in (widths[-1], *hidden, widths[-1])])
        self.costs, self.hits = aligned(rows * targets, np.float64), aligned(rows * targets, np.float64)
        size = room(layout.lanes, sizes[-1])
        self.scratch = aligned(n_threads * size, self.dtype)
        self.step = Record(STEP, stride=self.stride, scratch=self.scratch, room=size)
        self.parameters = [np.array(sigma.parameters(), self.dtype) for sigma in model.activations]
        self.layers = aligned(layout.depth, LAYER)
        self.layer = [
            Record(
                LAYER, self.layers[l : l + 1], number=l + 1, n_in=sizes[l], n_out=sizes[l + 1], W=layout.W[l],
                T=layout.T[l], transposed=l > 0, a_in=self.a[l], a_out=self.a[l + 1], delta=self.delta[l],
                slope=self.slope[l], parameters=self.parameters[l], dropout=self.dropout[l],
            )
            for l in range(layout.depth)
        ]  # fmt: skip

    def _panels(self, sizes: list[int]) -> list[np.ndarray]:
        """Vectors of these sizes, one after another in one piece of memory."""
        memory, ends = aligned(sum(sizes), self.dtype), np.cumsum(sizes)
        return [memory[end - size : end] for size, end in zip(sizes, ends, strict=True)]
