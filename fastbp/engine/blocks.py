"""This module holds the parameters of a network: blocks in one vector theta, and a transposed copy of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from ..base.locked import locked
from ..kernels.panels import aligned, lanes_of, pack, round_up, unpack
from ..kernels.simd.target import TILE_PANELS


@dataclass(frozen=True)
class Groups:
    """`Groups` says which weights of a matrix are one number.

    Parameters
    ----------
    numbers : nested sequence of int, of shape (n_in, n_out)
        The number of each weight. Weights with the same number are equal, and a weight with -1 is 0. The numbers go
        from 0 to count - 1.

    Attributes
    ----------
    array : int64 array of shape (n_in, n_out)
        The numbers. It cannot be changed.
    count : int
        How many numbers there are.
    """

    numbers: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        given: Any = self.numbers
        array = np.array(given)
        if array.ndim != 2 or array.dtype.kind not in "iu" or not array.size:
            raise TypeError(f"the numbers of shared weights must be a matrix of integers, got {given!r}")
        array, count = array.astype(np.int64), int(array.max()) + 1
        if array.min() < -1 or not count or np.unique(array[array >= 0]).size != count:
            raise ValueError(
                f"the numbers of shared weights must be 0, 1, ... without a gap, and -1 for weights that stay 0; got "
                f"{np.unique(array).tolist()}"
            )
        array.flags.writeable = False
        for name, value in {"numbers": tuple(map(tuple, array.tolist())), "array": array, "count": count}.items():
            object.__setattr__(self, name, value)

    if TYPE_CHECKING:
        array: ClassVar[np.ndarray]  # attributes that are no fields
        count: ClassVar[int]

    def __repr__(self) -> str:
        return f"Groups(<{self.count} numbers>)"

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return the matrix of weights whose numbers have these values."""
        found: np.ndarray = np.append(values, values.dtype.type(0))[self.array]
        return found

    def first(self, W: np.ndarray) -> np.ndarray:
        """Return the weight at the first place of each number in a matrix."""
        found: np.ndarray = W.ravel()[np.unique(self.array, return_index=True)[1][-self.count :]]
        return found

    def values(self, W: np.ndarray) -> np.ndarray | None:
        """Return the values of the numbers in a matrix of weights, or None if equal numbers have different weights."""
        values = np.zeros(self.count, W.dtype)
        shared = self.array >= 0
        values[self.array[shared]] = W[shared]
        return values if np.array_equal(self.matrix(values), W) else None


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
    groups: Groups | None = None
    """How its numbers are spread over the matrix of weights that kernels read, or None if they are that matrix."""

    @property
    def columns(self) -> int:
        """The number of columns: the number of outputs of its layer."""
        return self.shape[-1]


class Layout:
    """`Layout` says where the blocks of parameters lie in theta, and where the transposed ones lie in their copy.

    `at` and `T` have these positions, by the names of the blocks, and `W` has the positions of the matrices of blocks
    with groups, which lie in the copy too. `size` and `transposed_size` are the numbers of values in theta and in the
    copy, with padding.
    """

    def __init__(self, blocks: Iterable[Block], dtype: np.dtype):
        self.blocks, self.dtype, self.lanes = tuple(blocks), np.dtype(dtype), lanes_of(dtype)
        self.at: dict[str, int] = {}
        self.T: dict[str, int] = {}
        self.W: dict[str, int] = {}
        self.size, self.transposed_size = 0, TILE_PANELS * self.lanes  # the copy begins with lines of zeros
        for block in self.blocks:
            self.at[block.name] = self.size
            self.size += self.area(block)
            matrix = self.matrix(block)
            if block.groups is not None:
                self.W[block.name] = self.transposed_size
                self.transposed_size += self.area(matrix)
            if block.transposed:
                self.T[block.name] = self.transposed_size
                self.transposed_size += self.area(matrix)

    def up(self, n: int) -> int:
        """Return n rounded up to whole cache lines."""
        return round_up(n, self.lanes)

    def panels(self, n: int) -> int:
        """Return the number of panels of a matrix with n columns."""
        return self.up(n) // self.lanes

    def area(self, block: Block) -> int:
        """Return the number of values of a block, with its padding. Of groups, at least one number is padding."""
        rows = self.up(block.shape[0]) if len(block.shape) > 1 else 1
        return rows * self.up(block.columns + (block.groups is not None))

    @staticmethod
    def matrix(block: Block) -> Block:
        """Return the block whose shape is that of the matrix of weights."""
        return block if block.groups is None else block._replace(shape=block.groups.array.shape, groups=None)

    def place(self, block: Block) -> slice:
        """Return the place of a block in theta, with its padding."""
        return slice(self.at[block.name], self.at[block.name] + self.area(block))


class Parameters:
    """`Parameters` holds all parameters of a network, and a transposed copy of the weights for the backward pass.

    `theta` is a vector of all parameters, with padding, in which `layout` gives the places of the blocks. It cannot be
    changed from outside: `assign` and `set` do that.
    """

    def __init__(self, blocks: Iterable[Block], dtype: np.dtype):
        self._layout = Layout(blocks, dtype)
        self._memory = self.like_theta()
        for block in self.layout.blocks:
            if block.start:
                self._memory[self.layout.place(block)][: block.columns] = block.start
        self._theta = locked(self._memory)
        self._transposed: np.ndarray | None = None
        self._stale = True

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def theta(self) -> np.ndarray:
        return self._theta

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
            sizes = tuple(
                n for block in self.layout.blocks if block.kind == "weight" for n in self.layout.matrix(block).shape[:1]
            )
            which = f"sizes {(*sizes, self.layout.blocks[-1].columns)}"
            which += f", or for {count} vectors of state" * (count > 1)
            raise MemoryError(f"there is no memory for {which}: {error}") from None

    def __call__(self) -> NoReturn:
        """Raise TypeError: in PyTorch, a network has a method of this name."""
        raise TypeError("parameters is not a function: net.weights, net.biases and net.theta are copies of them")

    def fitting(self, vector: np.ndarray, name: str, count: int = 1) -> np.ndarray:
        """Return a vector, or raise ValueError if it is not `count` vectors like theta: kernels would leave it."""
        size, dtype = count * self.layout.size, self.layout.dtype
        if vector.shape != (size,) or vector.dtype != dtype or not vector.flags.c_contiguous:
            raise ValueError(
                f"{name} must be {size} numbers of {dtype}, one after another, for this network and optimizer; got "
                f"shape {vector.shape} and {vector.dtype}"
            )
        return vector

    def assign(self, theta: np.ndarray) -> None:
        """Set all parameters from a vector like theta."""
        self._stale = True  # before, because Ctrl-C may come in the middle, and after, because another thread may train
        self._memory[:] = theta
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
        self.pack(arrays, self._memory)
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
        """The copy with the transposed blocks and the matrices of groups, see `refresh`.

        The copy is made when it is first needed. Its address never changes then.
        """
        if self._transposed is None:
            self._transposed, self._stale = aligned(self.layout.transposed_size, self.layout.dtype), True
        return self._transposed

    def matrix(self, block: Block) -> np.ndarray:
        """Return the panels of a matrix of weights, as kernels read them, without its transpose."""
        layout = self.layout
        if block.groups is None:
            return self.theta[layout.place(block)]
        here = layout.W[block.name]
        return self.transposed[here : here + layout.area(layout.matrix(block))]

    def transpose(self, block: Block, T: np.ndarray | None = None) -> np.ndarray:
        """Write the transpose of a block to the start of a vector, by default of a new one, and return the vector."""
        layout, L = self.layout, self.layout.lanes
        rows, columns = map(layout.up, layout.matrix(block).shape)
        T = aligned(rows * columns, layout.dtype) if T is None else T
        W = self.matrix(block).reshape(columns // L, rows // L, L, L)
        T[: rows * columns].reshape(rows // L, columns // L, L, L)[...] = W.transpose(1, 0, 3, 2)
        return T

    def refresh(self) -> None:
        """Bring the transposed copy up to date. The kernels that update theta keep it up to date afterwards."""
        if not self._stale:
            return
        for block in self.layout.blocks:
            if block.groups is not None:
                values, matrix = self.theta[self.layout.place(block)][: block.columns], self.matrix(block)
                pack(block.groups.matrix(values), matrix, self.layout.up(len(block.groups.array)))
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
