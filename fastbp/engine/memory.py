"""This module holds the memory in which the operations on a part work, and the records that tell kernels about it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from ..kernels.panels import LINE, aligned, round_up
from ..kernels.row_losses import room
from ..kernels.simd.bits import WORD, mask_dtype
from ..kernels.structs import LAYER, STEP, ZEROS
from .parameters import Parameters

FEW, FEW_OF_ONE_PANEL = 0.4, 0.1
"""The largest share of numbers that are not 0 for which a product leaves zeros out, if its result has several panels,
or one. With 0.4, a step took 0.64 to 0.96 of the time that it took with all zeros; with 0.2 and one panel, 1.07."""


class Model(NamedTuple):
    """`Model` is a network in the form that the engine uses.

    Attributes
    ----------
    parameters : Parameters
        The weights and biases.
    """

    parameters: Parameters
    shift: np.ndarray
    """The number that is subtracted from each input, padded with zeros to whole cache lines."""
    scale: np.ndarray
    """The number that then multiplies each input, padded with zeros to whole cache lines."""
    activations: tuple[Any, ...]
    """The activation function of each layer, as objects of `fastbp.activations`."""
    dropout: tuple[float, ...]
    """The probability of dropout for each of a^0 .. a^{L-1} in training."""
    noise: float
    """The standard deviation of the Gaussian noise that training adds to the inputs."""
    max_norm: float | None
    """The bound for the norm of the weights that lead into one unit, or None."""
    threshold: float
    """The value from which on a single output means class 1."""
    targets: tuple[np.ndarray, np.ndarray] | None = None
    """The mean and the deviation by which targets are standardized, or None."""
    columns: tuple[str, ...] | None = None
    """The names of the columns of the inputs, or None."""

    def check_inputs(self, X: Any, name: str = "X", *, noisy: bool = True) -> None:
        """Raise ValueError if the inputs are a sparse matrix, and the network, or its noise, moves them away from 0."""
        if X.sparse and self.shift.any():
            raise ValueError(
                f"{name} must not be sparse for a network with a shift: no input would stay 0; use only a scale"
            )
        if X.sparse and self.noise and noisy:
            raise ValueError(f"{name} must not be sparse for a network with input_noise: no input would stay 0")


def address(array: np.ndarray) -> int:
    """Return the address of the first value of an array. `array.ctypes.data` takes three times as long."""
    return array.__array_interface__["data"][0]


@functools.cache
def _places(kind: np.dtype) -> dict[str, tuple[bool, int]]:
    """Return for each field of a record whether it is a real number, and its position in words of 8 bytes."""
    return {name: (field == np.float64, offset // 8) for name, (field, offset) in kind.fields.items()}


class Record:
    """`Record` is a record in memory that kernels can see (`fastbp.kernels.records`).

    Parameters
    ----------
    kind : dtype
        The dtype of the record.
    memory : array of one such record, or None, default None
        The memory of the record. With None, the record gets new memory.
    **fields : int, float or array
        The first values of fields, as for `set`. All other fields start at 0.

    Attributes
    ----------
    address : int
        The address of the record.
    """

    def __init__(self, kind: np.dtype, memory: np.ndarray | None = None, **fields: float | np.ndarray):
        self.memory = np.zeros(1, kind) if memory is None else memory
        self.address = address(self.memory)
        # An assignment to a field of a structured array takes six times as long, and takes reals for integers.
        words = memoryview(self.memory.view(np.uint8))
        views = words.cast("q"), words.cast("d")
        self._places = {name: (views[real], place) for name, (real, place) in _places(kind).items()}
        self._kept: dict[str, np.ndarray] = {}
        self.set(**fields)

    def set(self, **fields: float | np.ndarray) -> None:
        """Set fields. For an array, the field holds its address, and the record keeps the array alive."""
        for name, value in fields.items():
            view, place = self._places[name]
            if isinstance(value, np.ndarray):
                self._kept[name], value = value, address(value)
            view[place] = value

    def __getitem__(self, name: str) -> float:
        """Return the value of a field."""
        view, place = self._places[name]
        return view[place]


def pays(share: float, n_out: int, lanes: int) -> bool:
    """Return whether leaving zeros out is faster for a matrix with this share of numbers that are not 0.

    Parameters
    ----------
    share : float
        The share.
    n_out : int
        The number of columns of the matrix that it is multiplied with.
    lanes : int
        The number of columns of a panel.
    """
    return share <= (FEW if n_out > lanes else FEW_OF_ONE_PANEL)


def zeros_of(rows: int, panels: int, dtype: np.dtype) -> Record:
    """Return the ZEROS record, with its memory, of a matrix with so many rows and panels."""
    kind = mask_dtype(dtype)
    # Without the half line, the masks of a row would lie in few sets of the cache.
    stride = round_up(rows, WORD) + LINE // 2
    every = round_up(panels, WORD // (8 * kind().itemsize))
    words, masks = aligned(rows * every, kind), aligned(panels * stride, kind)
    return Record(ZEROS, words=words, word_stride=every, masks=masks, mask_stride=stride)


class Workspace:
    """`Workspace` is the memory for the rows of a part: activations, deltas and targets in panels, and LAYER records.

    Parameters
    ----------
    model : Model
        The network.
    rows : int
        The largest number of rows of a part.
    n_threads : int
        The largest number of threads that work on a part.
    targets : int, keyword-only
        The number of targets of a sample. With 0, there are none.
    backward : bool, keyword-only
        Whether there is a backward pass.

    Attributes
    ----------
    stride : int
        The number of values from one panel to the next. A panel has `rows` rows, and padding after them.
    row : int
        The number of values from one row of a^0 to the next, if it is row-major.
    a : list of L + 1 vectors
        The panels of a^0 .. a^L. `Roads` gets the memory of a^0, in panels or row-major.
    y : vector
        The panels of the targets.
    delta : list of L vectors
        The panels of delta^1 .. delta^L. Without a backward pass, all but the last are empty.
    slope : list of L vectors
        The panels of da/dz of each layer that keeps it. The others are empty.
    zeros, delta_zeros : lists of Records or None
        The ZEROS records of a^0 .. a^{L-1} and of delta^1 .. delta^L. With None, products use all numbers of the
        matrix. `Roads` gets the record of a^0.
    costs, hits : float64 arrays of shape (rows,)
        The loss of each row, and whether its prediction is right (1 or 0), both multiplied by its weight.
    """

    def __init__(self, model: Model, rows: int, n_threads: int, *, targets: int, backward: bool):
        layout, sizes = model.parameters.layout, model.parameters.layout.sizes
        self.dtype = layout.dtype
        # The number of lines is odd. With a power of two, a row of all panels would lie in the same sets of the cache.
        self.stride = (rows | 1) * layout.lanes
        self.dropout = *model.dropout[1:], 0.0  # the probabilities for a^1 .. a^L
        self.kept = [
            backward and (rate > 0 or sigma.of_z) for rate, sigma in zip(self.dropout, model.activations, strict=True)
        ]
        self.row = (layout.panels(sizes[0]) | 1) * layout.lanes
        widths = [layout.panels(n) * self.stride for n in sizes]
        widths[0] = 0
        self.a = self._panels([*widths, *(width * kept for width, kept in zip(widths[1:], self.kept, strict=True))])
        self.a, self.slope = self.a[: len(sizes)], self.a[len(sizes) :]
        hidden = [width * backward for width in widths[1:-1]]
        last, given = widths[-1] * (targets > 0), layout.panels(targets) * self.stride
        self.y, *self.delta = self._panels([given, *(width * (targets > 0) for width in hidden), last])
        self.costs, self.hits = (aligned(rows * (targets > 0), np.float64) for _ in range(2))
        size = room(layout.lanes, sizes[-1], targets)
        self.scratch = aligned(n_threads * size, self.dtype)
        self.step = Record(STEP, stride=self.stride, scratch=self.scratch, room=size)
        self.parameters = [np.array(sigma.parameters(), self.dtype) for sigma in model.activations]
        self.zeros, self.delta_zeros = [None] * layout.depth, [None] * layout.depth
        if backward:
            self.zeros, self.delta_zeros = self._places_of_zeros(model, rows)
        self.layers = aligned(layout.depth, LAYER)
        self.layer = [
            Record(
                LAYER, self.layers[l : l + 1], number=l + 1, n_in=sizes[l], n_out=sizes[l + 1], W=layout.W[l],
                T=layout.T[l], transposed=l > 0, biased=layout.biased[l], a_in=self.a[l], a_row=layout.lanes,
                a_panel=self.stride, a_out=self.a[l + 1], delta=self.delta[l], slope=self.slope[l],
                parameters=self.parameters[l], dropout=self.dropout[l],
            )
            for l in range(layout.depth)
        ]  # fmt: skip
        for l, (layer, inputs, delta) in enumerate(zip(self.layer, self.zeros, self.delta_zeros, strict=True)):
            if inputs:
                layer.set(done=True, zeros_in=inputs.address)
                self.layer[l - 1].set(zeros_out=inputs.address)
            if delta:
                layer.set(zeros_delta=delta.address)

    def _places_of_zeros(self, model: Model, rows: int) -> tuple[list[Record | None], list[Record | None]]:
        """Return the ZEROS records of a^0 .. a^{L-1} and of delta^1 .. delta^L that are worth it.

        Half of the pre-activations are expected to be below 0, and delta to be 0 where a is. The inputs are looked at
        later, when they are there.
        """
        layout, sizes = model.parameters.layout, model.parameters.layout.sizes
        layers = zip(model.activations, self.dropout, strict=True)
        shares = [(1.0 - sigma.zeros) * (1.0 - rate) for sigma, rate in layers]

        def zeros(l: int, n_out: int) -> Record | None:
            """Return the record for a matrix with as many zeros as a^l, which a matrix with n_out columns follows."""
            few = pays(shares[l - 1], n_out, layout.lanes)
            return zeros_of(rows, layout.panels(sizes[l]), layout.dtype) if few else None

        hidden = range(1, layout.depth)
        of_delta = [zeros(l, sizes[l - 1]) if l > 1 else None for l in hidden]
        return [None, *(zeros(l, sizes[l + 1]) for l in hidden)], [*of_delta, None]

    def _panels(self, sizes: list[int]) -> list[np.ndarray]:
        """Return vectors of these sizes, which lie one after another in one piece of memory."""
        memory, ends = aligned(sum(sizes), self.dtype), np.cumsum(sizes)
        return [memory[end - size : end] for size, end in zip(sizes, ends, strict=True)]
