"""This module holds `Model`, a network in the form that the engine uses, and the memory for the rows of a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..kernels.panels import aligned, lanes_of, round_up
from ..kernels.structs import MATRIX, STEP
from . import compiled
from .blocks import Parameters
from .buffers import Buffer, pays, zeros_of
from .layers.base import Layer
from .records import Field, Record


class Model(NamedTuple):
    """`Model` is a network in the form that the engine uses.

    What was prepared for a model stays right as long as the model exists. A change of the values of its parameters
    keeps the model; every other change of the network makes a new model.
    """

    parameters: Parameters
    layers: tuple[Layer, ...]
    """The layers 1 .. L."""
    sizes: tuple[int, ...]
    """The numbers of columns of a^0 .. a^L."""
    shift: np.ndarray
    scale: np.ndarray
    """The numbers that transform the inputs: x' = (x - shift) * scale. They are padded with zeros to whole lines."""
    dropout: float = 0.0
    """The probability of dropout for the inputs in training."""
    noise: float = 0.0
    """The standard deviation of the Gaussian noise that training adds to the inputs."""
    max_norm: float | None = None
    """The bound for the norm of the weights that lead into one unit, or None."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters and of the arithmetic."""
        return self.scale.dtype

    @property
    def random(self) -> bool:
        """Whether training has dropout or noise."""
        return bool(self.noise or self.dropout or any(layer.dropout for layer in self.layers))

    def without_randomness(self) -> Model:
        """Return the model without dropout and noise."""
        if not self.random:
            return self
        layers = tuple(layer.without_dropout() for layer in self.layers)
        return self._replace(layers=layers, dropout=0.0, noise=0.0)


class Memory:
    """`Memory` is the memory for the rows of a part.

    There are at most `rows` rows and `n_threads` threads. A sample has `targets` targets, or none with 0.

    Attributes
    ----------
    stride : int
        The number of values from one panel to the next. A panel has `rows` rows, and padding after them.
    a, delta : lists of Buffer
        a^l and delta^l, at position l from 1 to L. At position 0 they are empty: `InputPaths` has the memory of the
        inputs. Without a backward pass, all deltas but the last are empty.
    slope : list of vectors
        The panels of da/dz of each layer that keeps it, at position l. The others are empty.
    y : vector
        The panels of the targets.
    costs, hits : float64 arrays of shape (rows,)
        The loss of each row, and whether its prediction is right (1 or 0), both multiplied by its weight.
    step : Record
        The STEP record.
    targets : Record
        The MATRIX record of the operation that copies the targets, which are rows, labels or a sparse matrix.
    unit : tuple of two vectors
        The shift 0 and the factor 1 of targets that need neither.
    """

    def __init__(self, model: Model, rows: int, n_threads: int, *, targets: int, backward: bool):
        self.rows, self.sizes, self.dtype, self.lanes = rows, model.sizes, model.dtype, lanes_of(model.dtype)
        # The number of lines is odd. With a power of two, a row of all panels would lie in the same sets of the cache.
        self.stride = (rows | 1) * self.lanes
        widths, depth = [self.panels(n) * self.stride for n in self.sizes[1:]], len(self.sizes)
        self._kept: dict[tuple[int, str], np.ndarray] = {}
        kept = [backward and layer.keeps_slope for layer in model.layers]
        found = self._memory(0, *widths, 0, *(width * keeps for width, keeps in zip(widths, kept, strict=True)))
        a, self.slope = found[:depth], found[depth:]
        hidden = [width * (backward and targets > 0) for width in widths[:-1]]
        last = [width * (targets > 0) for width in widths[-1:]]
        self.y, *delta = self._memory(self.panels(targets) * self.stride, 0, *hidden, *last)
        zeros = self._zeros(model) if backward else [(None, None)] * depth
        self.a, self.delta = (
            [self._buffer(panels, n, z[k]) for panels, n, z in zip(each, self.sizes, zeros, strict=True)]
            for k, each in enumerate((a, delta))
        )
        self.costs, self.hits = (aligned(rows * (targets > 0), np.float64) for _ in range(2))
        copies = (layer.row_copies * self.panels(layer.n_out) * self.lanes**2 + self.lanes for layer in model.layers)
        size = max(compiled.row_losses.room(self.lanes, self.sizes[-1], targets), *copies, 0)
        self.scratch = aligned(n_threads * size, self.dtype)
        self.step = Record(STEP, stride=self.stride, scratch=self.scratch, room=size)
        shift, scale = self.unit = tuple(aligned(round_up(targets, self.lanes), self.dtype) for _ in range(2))
        scale[:] = 1
        places: dict[str, Field] = {"panels": self.y, "row": self.lanes, "panel": self.stride}
        self.targets = Record(MATRIX, columns=targets, shift=shift, scale=scale, **places)

    def kept(self, layer: Layer, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return further memory of a layer, which is made when it is first needed."""
        if (layer.number, name) not in self._kept:
            self._kept[layer.number, name] = make()
        return self._kept[layer.number, name]

    def panels(self, columns: int) -> int:
        """Return the number of panels of a matrix with so many columns."""
        return -(-columns // self.lanes)

    def buffer(self, columns: int) -> Buffer:
        """Return a new matrix for the rows of a part."""
        return self._buffer(aligned(self.panels(columns) * self.stride, self.dtype), columns)

    def _buffer(self, panels: np.ndarray, columns: int, zeros: Record | None = None) -> Buffer:
        """Return a matrix in some memory."""
        return Buffer(panels, columns, self.lanes, self.stride, zeros, "dense" if zeros is None else "zeros")

    def _zeros(self, model: Model) -> list[tuple[Record | None, Record | None]]:
        """Return the ZEROS records of a^l and delta^l that are worth it, for l = 0 .. L.

        Half of the pre-activations are expected to be below 0, and delta to be 0 where a is. The inputs are looked at
        later, when they are there.
        """
        found: list[tuple[Record | None, Record | None]] = [(None, None)] * len(self.sizes)
        for l, (layer, following) in enumerate(zip(model.layers, model.layers[1:], strict=False), 1):
            share = (1.0 - layer.activation.zeros) * (1.0 - layer.dropout)
            # The product with a^l has as many columns as a^{l+1}, and the product with delta^l as many as a^{l-1}.
            few = [
                reads and pays(share, n, self.lanes)
                for reads, n in (
                    (following.reads_any_form, self.sizes[l + 1]),
                    (layer.reads_any_form and l > 1, self.sizes[l - 1]),
                )
            ]
            a, delta = (zeros_of(self.rows, self.panels(self.sizes[l]), self.dtype) if each else None for each in few)
            found[l] = a, delta
        return found

    def _memory(self, *sizes: int) -> list[np.ndarray]:
        """Return vectors of these sizes, which lie one after another in one piece of memory."""
        memory, ends = aligned(sum(sizes), self.dtype), np.cumsum(sizes)
        return [memory[end - size : end] for size, end in zip(sizes, ends, strict=True)]
