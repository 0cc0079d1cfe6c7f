"""This module holds the parameters of a network: one vector theta, and a transposed copy of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import numpy as np

from ..kernels.panels import aligned, lanes_of, pack, round_up, unpack
from ..kernels.simd.target import TILE_PANELS


class Layout:
    """`Layout` says where the weights and biases of each layer lie in theta, and where the transposed weights lie.

    Parameters
    ----------
    sizes : sequence of int
        The number of units of the input, of each hidden layer, and of the output.
    dtype : dtype
        float32 or float64.
    bias : tuple of bool or None, default None
        Whether each layer has biases. None means that all have. In theta there is room for biases anyway; those that do
        not exist are 0.

    Attributes
    ----------
    size : int
        The number of values in theta, with padding.
    transposed_size : int
        The number of values in the copy with the transposed weights, with padding.
    W, T : lists of int
        The positions of the weights of layer l = 0, 1, ... in theta and in the copy.
    """

    def __init__(self, sizes: Sequence[int], dtype: np.dtype, bias: tuple[bool, ...] | None = None):
        self.sizes, self.dtype, self.lanes = tuple(sizes), np.dtype(dtype), lanes_of(dtype)
        self.biased = bias or (True,) * (len(self.sizes) - 1)
        self.W, self.T = [], [0]
        self.size, self.transposed_size = 0, TILE_PANELS * self.lanes  # the copy begins with lines of zeros
        for l, (n_in, n_out) in enumerate(pairwise(sizes)):
            area = self.up(n_in) * self.up(n_out)
            self.W.append(self.size)
            self.size += area + self.up(n_out)
            if l:  # the backward pass does not use the weights of the first layer
                self.T.append(self.transposed_size)
                self.transposed_size += area

    def up(self, n: int) -> int:
        """Return n rounded up to whole cache lines."""
        return round_up(n, self.lanes)

    def panels(self, n: int) -> int:
        """Return the number of panels of a matrix with n columns."""
        return self.up(n) // self.lanes

    def matrix(self, l: int) -> slice:
        """Return the place of W^l in theta, with its padding."""
        return slice(self.W[l], self.W[l] + self.up(self.sizes[l]) * self.up(self.sizes[l + 1]))

    def bias(self, l: int) -> slice:
        """Return the place of b^l in theta, without its padding."""
        start = self.matrix(l).stop
        return slice(start, start + self.sizes[l + 1])

    @property
    def depth(self) -> int:
        """The number of layers that have weights."""
        return len(self.W)

    @property
    def weight_count(self) -> int:
        """The number of weights that the kernels multiply, with the padding of rows."""
        return sum(self.up(n) * m for n, m in pairwise(self.sizes))


class Parameters:
    """`Parameters` holds all parameters of a network, and a transposed copy of the weights for the backward pass.

    Parameters
    ----------
    sizes : sequence of int
        The number of units of the input, of each hidden layer, and of the output.
    dtype : dtype
        float32 or float64.
    bias : tuple of bool or None, default None
        Whether each layer has biases. None means that all have.

    Attributes
    ----------
    theta : float array of shape (layout.size,)
        All weights and biases, with padding. After a change from outside, the transposed copy must be refreshed.
    layout : Layout
        The places of the layers in theta.
    """

    def __init__(self, sizes: Sequence[int], dtype: np.dtype, bias: tuple[bool, ...] | None = None):
        self.layout = Layout(sizes, dtype, bias)
        self.theta = self.like_theta()
        self._transposed, self._stale = None, True

    def like_theta(self, count: int = 1) -> np.ndarray:
        """Return a vector of zeros with room for `count` vectors like theta, one after another.

        Raises
        ------
        MemoryError
            If there is no memory for it.
        """
        try:
            return aligned(count * self.layout.size, self.layout.dtype)
        except (MemoryError, ValueError, OverflowError) as error:  # the last two for sizes that no address can have
            which = f"sizes {self.layout.sizes}" + f", or for {count} vectors of state" * (count > 1)
            raise MemoryError(f"there is no memory for {which}: {error}") from None

    def __call__(self) -> NoReturn:
        """Raise TypeError: in PyTorch, a network has a method of this name."""
        raise TypeError("parameters is no function: net.weights, net.biases and net.theta are copies of the parameters")

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

    def set_layer(self, l: int, W: np.ndarray | None = None, b: np.ndarray | None = None) -> None:
        """Set the weights, or the biases, or both, of layer l = 0, 1, ...

        Parameters
        ----------
        l : int
            The number of the layer.
        W : array of shape (n_in, n_out) or None, default None
            The weights. With None they stay as they are.
        b : array of shape (n_out,) or None, default None
            The biases. With None they stay as they are.
        """
        layout, self._stale = self.layout, True
        if W is not None:
            pack(W.astype(layout.dtype, copy=False), self.theta[layout.matrix(l)], layout.up(layout.sizes[l]))
        if b is not None:
            self.theta[layout.bias(l)] = b
        self._stale = True

    def unpack(self, vector: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
        """Return copies of the weights (n_in, n_out) and biases (n_out,) of all layers, from a vector like theta.

        For a layer without biases, there is None.
        """
        layout, shapes = self.layout, list(pairwise(self.layout.sizes))
        weights = [unpack(vector[layout.matrix(l)], layout.up(shape[0]), shape) for l, shape in enumerate(shapes)]
        return weights, [vector[layout.bias(l)].copy() if biased else None for l, biased in enumerate(layout.biased)]

    def pack(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None], vector: np.ndarray) -> None:
        """Write arrays of all layers into a vector like theta."""
        layout = self.layout
        for l, (W, b) in enumerate(zip(weights, biases, strict=True)):
            pack(W, vector[layout.matrix(l)], layout.up(layout.sizes[l]))
            if b is not None:
                vector[layout.bias(l)] = b

    def flat(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray | None]) -> np.ndarray:
        """Return arrays of all layers as one vector without padding: W^1 row by row, b^1, W^2, b^2, ..."""
        pairs = zip(weights, biases, strict=True)
        return np.concatenate([array.ravel() for pair in pairs for array in pair if array is not None])

    def from_flat(self, vector: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
        """Return the weights and biases of all layers from a vector without padding, as views."""
        weights, biases, at = [], [], 0
        for (n_in, n_out), biased in zip(pairwise(self.layout.sizes), self.layout.biased, strict=True):
            weights.append(vector[at : at + n_in * n_out].reshape(n_in, n_out))
            at += n_in * n_out
            biases.append(vector[at : at + n_out] if biased else None)
            at += n_out * biased
        return weights, biases

    def are_weights(self) -> np.ndarray:
        """Return a bool array that is True where theta holds a weight or the padding of a weight matrix."""
        found = np.zeros(self.theta.size, bool)
        for l in range(self.layout.depth):
            found[self.layout.matrix(l)] = True
        return found

    @property
    def transposed(self) -> np.ndarray:
        """The copy with the transposed weights of all layers except the first one, see `refresh`.

        The copy is made when it is first needed. Its address never changes then.
        """
        if self._transposed is None:
            self._transposed, self._stale = aligned(self.layout.transposed_size, self.layout.dtype), True
        return self._transposed

    def transpose_first(self, T: np.ndarray | None = None) -> np.ndarray:
        """Return the transposed weights of the first layer, in the memory T or in new memory.

        Only gradients with respect to inputs need them.
        """
        T = aligned(self.theta[self.layout.matrix(0)].size, self.layout.dtype) if T is None else T
        self._transpose(0, T)
        return T

    def _transpose(self, l: int, T: np.ndarray) -> None:
        """Write the transposed weights of layer l = 0, 1, ... to the start of a vector."""
        layout, L = self.layout, self.layout.lanes
        rows, columns = layout.up(layout.sizes[l]), layout.up(layout.sizes[l + 1])
        W = self.theta[layout.matrix(l)].reshape(columns // L, rows // L, L, L)
        T[: rows * columns].reshape(rows // L, columns // L, L, L)[...] = W.transpose(1, 0, 3, 2)

    def refresh(self) -> None:
        """Bring the transposed copy up to date. The kernels that update theta keep it up to date afterwards."""
        if not self._stale:
            return
        for l in range(1, self.layout.depth):
            self._transpose(l, self.transposed[self.layout.T[l] :])
        self._stale = False

    def __getstate__(self) -> dict:
        layout = self.layout
        return {"sizes": layout.sizes, "dtype": layout.dtype, "bias": layout.biased, "theta": np.array(self.theta)}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["sizes"], state["dtype"], state["bias"])
        self.assign(state["theta"])


class Kept:
    """`Kept` is a copy of parameters that are about to change.

    Parameters
    ----------
    parameters : Parameters
        The parameters.
    inputs : int array or None
        The numbers of the inputs whose weights can change. With None, all can.
    """

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
        first = layout.matrix(0)
        return theta[first].reshape(-1, layout.up(layout.sizes[0]), layout.lanes), theta[first.stop :]

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
