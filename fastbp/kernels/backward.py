"""Backward: delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}, for the rows of a minibatch that one thread has.

The same product as forward, over the transposed copy of W^{l+1} that `gradient.py` keeps up to date.
"""

from __future__ import annotations

from numba import njit

from .forward import multiply_many, multiply_one
from .simd import INLINE, N, lanes


@njit(**INLINE)
def backward(D, delta, stride, T, zeros, t, t_next, n_in, n_out, d, first, last, j):
    """(W^{l+1})^T delta^{l+1} for rows first <= r < last and the N panels of units from panel j on   (000, 002, 004).

    Parameters
    ----------
    D : vector; delta^{l+1} is n_out columns in panels at `delta`, and the product is written to those at `d`.
    T : vector; the transpose of W^{l+1} in panels at `t`, that of W^l at `t_next`, and N lines of zeros at `zeros`.
    """
    L = lanes(D)
    t_stride = (n_out + L - 1) // L * L * L
    panels = (n_in + L - 1) // L
    at, out, ahead = t + j * t_stride, d + j * stride, t + (j + N) * t_stride if j + N < panels else t_next
    if j + N <= panels:
        multiply_many(D, delta, L, stride, T, at, t_stride, zeros, D, out, stride, first, last, n_out, ahead)
    else:
        multiply_one(D, delta, L, stride, T, at, t_stride, zeros, D, out, stride, first, last, n_out, ahead)
