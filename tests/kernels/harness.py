"""How tests call functions of vectors, which only kernels can call: through a compiled function of one line."""

from __future__ import annotations

import inspect

import numpy as np
from numba import njit

from fastbp.kernels.panels import aligned, lanes_of, pack, unpack

RAGGED = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 61]


def compiled(kernel):
    """A kernel or intrinsic as a Python function."""
    names = inspect.signature(getattr(kernel, "py_func", None) or kernel._defn).parameters
    arguments = ", ".join(name for name in names if name != "typingctx")
    return njit(
        eval(f"lambda {arguments}: kernel({arguments})", {"kernel": kernel})
    )  # an inlined kernel takes no *args


def elementwise(function):
    """An intrinsic of vectors as a function of arrays of whole lines."""
    from fastbp.kernels.simd.memory import lanes, load, store

    @njit(error_model="numpy")
    def apply(x, out):
        for i in range(0, len(x), lanes(x)):
            store(out, i, function(load(x, i)))

    def call(x):
        x = np.asarray(x)
        padded, out = (aligned(-(-x.size // 16) * 16, x.dtype) for _ in range(2))
        padded[: x.size] = x.ravel()
        apply(padded, out)
        return out[: x.size].reshape(x.shape)

    return call


def to_panels(matrix, rows, dtype):
    """A matrix as a vector of panels of `rows` rows."""
    lanes = lanes_of(dtype)
    out = aligned(-(-matrix.shape[1] // lanes) * rows * lanes, dtype)
    pack(np.asarray(matrix, dtype), out, rows)
    return out


def from_panels(panels, rows, shape):
    """The matrix back, in float64, after a look at its padding, which must be zero."""
    lanes = lanes_of(panels.dtype)
    whole = unpack(panels, rows, (shape[0], -(-shape[1] // lanes) * lanes))
    assert not whole[:, shape[1] :].any()
    return whole[:, : shape[1]].astype(np.float64)
