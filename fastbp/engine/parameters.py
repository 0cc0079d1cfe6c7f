"""Parameters: theta, all weights and biases of a network in one vector, and the transposed copy of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..kernels.panels import aligned, lanes_of, pack, round_up, unpack
from ..kernels.simd.target import TILE_PANELS


class Layout:
    """Where the weights and biases of each layer lie in theta, and the transposed weights in their copy.

    Parameters
    ----------
    sizes : units of the input, of each hidden layer and of the output.
    dtype : float32 or float64.
    """

    def __init__(self, sizes: Sequence[int], dtype: np.dtype):
        self.sizes, self.dtype, self.lanes = tuple(sizes), np.dtype(dtype), lanes_of(dtype)
        self.W, self.T = [], [0]
        self.size, self.transposed_size = 0, TILE_PANELS * self.lanes  # which begins with lines of zeros
        for l, (n_in, n_out) in enumerate(pairwise(sizes)):
            area = self.up(n_in) * self.up(n_out)
            self.W.append(self.size)
            self.size += area + self.up(n_out)
            if l:  # nothing goes back through the first layer
                self.T.append(self.transposed_size)
                self.transposed_size += area

    def up(self, n: int) -> int:
        """n, rounded up to whole lines."""
        return round_up(n, self.lanes)

    def panels(self, n: int) -> int:
        """The panels of n columns."""
        return self.up(n) // self.lanes

    def matrix(self, l: int) -> slice:
        """W^l in theta, with its padding."""
        return slice(self.W[l], self.W[l] + self.up(self.sizes[l]) * self.up(self.sizes[l + 1]))

    def bias(self, l: int) -> slice:
        """b^l in theta, without its padding."""
        start = self.matrix(l).stop
        return slice(start, start + self.sizes[l + 1])

    @property
    def depth(self) -> int:
        """The number of layers with weights."""
        return len(self.W)

    @property
    def weight_count(self) -> int:
        """The number of weights that the kernels multiply, padding included."""
        return sum(self.up(n) * m for n, m in pairwise(self.sizes))


class Parameters:
    """All parameters of a network, and a transposed copy of the weights that knows when it is stale.

    Parameters
    ----------
    sizes : units of the input, of each hidden layer and of the output.
    dtype : float32 or float64.
    """

    def __init__(self, sizes: Sequence[int], dtype: np.dtype):
        self.layout = Layout(sizes, dtype)
        self.theta = aligned(self.layout.size, self.layout.dtype)
        self._transposed, self._stale = None, True

    def like_theta(self, count: int = 1) -> np.ndarray:
        """`count` vectors of zeros like theta, one after another."""
        return aligned(count * self.layout.size, self.layout.dtype)

    def assign(self, theta: np.ndarray) -> None:
        """Set all parameters from a vector like theta."""
        self.theta[:] = theta
        self._stale = True

    def set_layer(self, l: int, W: np.ndarray | None = None, b: np.ndarray | None = None) -> None:
        """Set the weights, or the biases, or both of layer l = 0, 1, ..."""
        layout = self.layout
        if W is not None:
            pack(W.astype(layout.dtype, copy=False), self.theta[layout.matrix(l)], layout.up(layout.sizes[l]))
        if b is not None:
            self.theta[layout.bias(l)] = b
        self._stale = True

    def unpack(self, vector: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The weight matrices (n_in, n_out) and biases (n_out,) of a vector like theta, as copies."""
        layout, shapes = self.layout, list(pairwise(self.layout.sizes))
        weights = [unpack(vector[layout.matrix(l)], layout.up(shape[0]), shape) for l, shape in enumerate(shapes)]
        return weights, [vector[layout.bias(l)].copy() for l in range(layout.depth)]

    def are_weights(self) -> np.ndarray:
        """Which numbers of theta are weights, as booleans."""
        found = np.zeros(self.theta.size, bool)
        for l in range(self.layout.depth):
            found[self.layout.matrix(l)] = True
        return found

    @property
    def transposed(self) -> np.ndarray:
        """The transposed weights of all layers but the first, in memory that stays; see `refresh`."""
        if self._transposed is None:
            self._transposed, self._stale = aligned(self.layout.transposed_size, self.layout.dtype), True
        return self._transposed

    def refresh(self) -> None:
        """Bring the transposed weights up to date, which the kernels that update theta then keep so."""
        if not self._stale:
            return
        layout, L = self.layout, self.layout.lanes
        for l in range(1, layout.depth):
            rows, columns = layout.up(layout.sizes[l]), layout.up(layout.sizes[l + 1])
            W = self.theta[layout.matrix(l)].reshape(columns // L, rows // L, L, L)
            T = self.transposed[layout.T[l] : layout.T[l] + rows * columns].reshape(rows // L, columns // L, L, L)
            T[...] = W.transpose(1, 0, 3, 2)
        self._stale = False

    def __getstate__(self) -> dict:
        return {"sizes": self.layout.sizes, "dtype": self.layout.dtype, "theta": np.array(self.theta)}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["sizes"], state["dtype"])
        self.assign(state["theta"])
