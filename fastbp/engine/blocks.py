"""This module holds the parameters of a network: blocks in one vector theta, and a transposed copy of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..kernels.panels import aligned, lanes_of, pack, round_up, unpack
from ..kernels.simd.target import TILE_PANELS


class Block(NamedTuple):
    """`Block` is a matrix or a vector of parameters."""

    name: str
    """The name of its array in a file: "W1" and "b1" are the weights and the biases of layer 1."""
    shape: tuple[int, ...]
    """The shape of its array."""
    layer: int
    """The number l of its layer, from 1 on."""
    kind: str
    """What it is: "weight" or "bias", or the word that another layer has for its parameters."""
    transposed: bool = False
    """Whether the backward pass needs its transpose."""
    exists: bool = True
    """Whether training can change it. If not, there is room for it, and it stays 0."""
    start: float = 0.0
    """The value of its parameters in a new network."""

    @property
    def columns(self) -> int:
        """The number of columns: the number of outputs of its layer."""
        return self.shape[-1]


class Layout:
    """`Layout` says where the blocks of parameters lie in theta, and where the transposed ones lie in their copy.

    `at` and `T` have these positions, by the names of the blocks. `size` and `transposed_size` are the numbers of
    values in theta and in the copy, with padding.
    """

    def __init__(self, blocks: Iterable[Block], dtype: np.dtype):
        self.blocks, self.dtype, self.lanes = tuple(blocks), np.dtype(dtype), lanes_of(dtype)
        self.at: dict[str, int] = {}
        self.T: dict[str, int] = {}
        self.size, self.transposed_size = 0, TILE_PANELS * self.lanes  # the copy begins with lines of zeros
        for block in self.blocks:
            self.at[block.name] = self.size
            self.size += self.area(block)
            if block.transposed:
                self.T[block.name] = self.transposed_size
                self.transposed_size += self.area(block)

    def up(self, n: int) -> int:
        """Return n rounded up to whole cache lines."""
        return round_up(n, self.lanes)

    def panels(self, n: int) -> int:
        """Return the number of panels of a matrix with n columns."""
        return self.up(n) // self.lanes

    def area(self, block: Block) -> int:
        """Return the number of values of a block, with its padding."""
        rows = self.up(block.shape[0]) if len(block.shape) > 1 else 1
        return rows * self.up(block.columns)

    def place(self, block: Block) -> slice:
        """Return the place of a block in theta, with its padding."""
        return slice(self.at[block.name], self.at[block.name] + self.area(block))


class Parameters:
    """`Parameters` holds all parameters of a network, and a transposed copy of the weights for the backward pass.

    `theta` is a vector of all parameters, with padding, in which `layout` gives the places of the blocks. After a
    change from outside, the transposed copy must be refreshed.
    """

    def __init__(self, blocks: Iterable[Block], dtype: np.dtype):
        self.layout = Layout(blocks, dtype)
        self.theta = self.like_theta()
        for block in self.layout.blocks:
            if block.start:
                self.theta[self.layout.place(block)][: block.columns] = block.start
        self._transposed: np.ndarray | None = None
        self._stale = True

    @property
    def blocks(self) -> list[Block]:
        """The blocks that training can change."""
        return [block for block in self.layout.blocks if block.exists]

    @property
    def size(self) -> int:
        """The number of parameters, without padding."""
        return sum(math.prod(block.shape) for block in self.blocks)

    def like_theta(self, count: int = 1) -> np.ndarray:
        """Return a vector of zeros with room for `count` vectors like theta, one after another.

        If there is no memory for it, MemoryError is raised.
        """
        try:
            return aligned(count * self.layout.size, self.layout.dtype)
        except (MemoryError, ValueError, OverflowError) as error:  # the last two for sizes that no address can have
            sizes = tuple(n for block in self.layout.blocks if block.kind == "weight" for n in block.shape[:1])
            which = f"sizes {(*sizes, self.layout.blocks[-1].columns)}"
            which += f", or for {count} vectors of state" * (count > 1)
            raise MemoryError(f"there is no memory for {which}: {error}") from None

    def __call__(self) -> NoReturn:
        """Raise TypeError: in PyTorch, a network has a method of this name."""
        raise TypeError("parameters is not a function: net.weights, net.biases and net.theta are copies of them")

    def assign(self, theta: np.ndarray) -> None:
        """Set all parameters from a vector like theta."""
        self._stale = True  # before, because Ctrl-C may come in the middle, and after, because another thread may train
        self.theta[:] = theta
        self._stale = True

    def keep(self, inputs: np.ndarray | None = None, before: Kept | None = None) -> Kept:
        """Return a copy of the parameters; with numbers of inputs, W^1 only has the weights of these inputs.

        An earlier copy `before`, which nobody needs any more, may get the new values, because new memory takes longer.
        """
        if before is None or before.parameters is not self or before.inputs is not None or inputs is not None:
            return Kept(self, inputs)
        before.refresh()
        return before

    def set(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set some blocks from arrays of their shapes, by their names."""
        self._stale = True
        self.pack(arrays, self.theta)
        self._stale = True

    def pack(self, arrays: Mapping[str, np.ndarray], vector: np.ndarray) -> None:
        """Write arrays of blocks, by their names, into a vector like theta."""
        for block in self.blocks:
            if block.name in arrays:
                array, place = arrays[block.name].astype(vector.dtype, copy=False), vector[self.layout.place(block)]
                if array.ndim > 1:
                    pack(array, place, self.layout.up(block.shape[0]))
                else:
                    place[: array.size] = array

    def unpack(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return copies of the blocks of a vector like theta, by their names."""
        arrays = {}
        for block in self.blocks:
            place, (n, *columns) = vector[self.layout.place(block)], block.shape
            up = self.layout.up(n)
            arrays[block.name] = unpack(place, up, (n, columns[0])) if columns else place[:n].copy()
        return arrays

    def flat(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return arrays of all blocks as one vector without padding: W^1 row by row, b^1, W^2, b^2, ..."""
        return np.concatenate([arrays[block.name].ravel() for block in self.blocks])

    def from_flat(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return the blocks of a vector without padding, as views, by their names."""
        arrays, at = {}, 0
        for block in self.blocks:
            size = math.prod(block.shape)
            arrays[block.name], at = vector[at : at + size].reshape(block.shape), at + size
        return arrays

    def are(self, kind: str) -> np.ndarray:
        """Return a bool array that is True where theta holds a block of a kind, or its padding."""
        found = np.zeros(self.theta.size, bool)
        for block in self.layout.blocks:
            found[self.layout.place(block)] = block.kind == kind
        return found

    @property
    def transposed(self) -> np.ndarray:
        """The copy with the transposed blocks, see `refresh`.

        The copy is made when it is first needed. Its address never changes then.
        """
        if self._transposed is None:
            self._transposed, self._stale = aligned(self.layout.transposed_size, self.layout.dtype), True
        return self._transposed

    def transpose(self, block: Block, T: np.ndarray | None = None) -> np.ndarray:
        """Write the transpose of a block to the start of a vector, by default of a new one, and return the vector."""
        layout, L = self.layout, self.layout.lanes
        rows, columns = map(layout.up, block.shape)
        T = aligned(rows * columns, layout.dtype) if T is None else T
        W = self.theta[layout.place(block)].reshape(columns // L, rows // L, L, L)
        T[: rows * columns].reshape(rows // L, columns // L, L, L)[...] = W.transpose(1, 0, 3, 2)
        return T

    def refresh(self) -> None:
        """Bring the transposed copy up to date. The kernels that update theta keep it up to date afterwards."""
        if not self._stale:
            return
        for block in self.layout.blocks:
            if block.transposed:
                self.transpose(block, self.transposed[self.layout.T[block.name] :])
        self._stale = False

    def __getstate__(self) -> dict[str, Any]:
        return {"blocks": self.layout.blocks, "dtype": self.layout.dtype, "theta": np.array(self.theta)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["blocks"], state["dtype"])  # type: ignore[misc]
        self.assign(state["theta"])


class Kept:
    """`Kept` is a copy of parameters that are about to change: all, or of W^1 only the weights of some inputs."""

    def __init__(self, parameters: Parameters, inputs: np.ndarray | None):
        self.parameters, self.inputs = parameters, inputs
        self._copies = [array.copy() for array in self._changing]

    @property
    def _changing(self) -> list[np.ndarray]:
        """The parameters that can change. Those of some inputs come as a copy."""
        theta = self.parameters.theta
        if self.inputs is None:
            return [theta]
        W, others = self._split(theta)
        return [W[:, self.inputs], others]

    def _split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return W^1 in panels, as an array of shape (panels, inputs, lanes), and the rest of theta, both as views."""
        layout = self.parameters.layout
        first = layout.place(layout.blocks[0])
        return theta[first].reshape(-1, layout.up(layout.blocks[0].shape[0]), layout.lanes), theta[first.stop :]

    def refresh(self) -> None:
        """Copy the parameters again, into the same memory."""
        for copy, array in zip(self._copies, self._changing, strict=True):
            copy[...] = array

    def are_finite(self) -> bool:
        """Return whether the parameters that can have changed are finite now."""
        with np.errstate(all="ignore"):  # the sum of finite numbers may be infinite
            return all(np.isfinite(a.sum()) or np.isfinite((a.min(), a.max())).all() for a in self._changing)

    def restore(self) -> None:
        """Set the parameters to their values at the time of the copy."""
        if self.inputs is None:
            self.parameters.assign(self._copies[0])
            return
        theta = np.array(self.parameters.theta)
        W, others = self._split(theta)
        W[:, self.inputs], others[:] = self._copies
        self.parameters.assign(theta)
