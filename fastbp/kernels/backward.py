"""Backward: delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1}, for the rows of a minibatch that one thread has.

The same product as forward, over the transposed copy of W^{l+1} that `gradient.py` keeps up to date.
"""

from __future__ import annotations

from numba import njit

from .activations import IDENTITY, sigma_prime
from .forward import multiply_many, multiply_one
from .simd import INLINE, N, lanes, load, store


@njit(**INLINE)
def derive(code, D, d, A, a, first, last):
    """delta = sigma'(z) * delta in place, rows first <= r < last of one panel; sigma'(z) from the output a."""
    L = lanes(A)
    for r in range(first * L, last * L, L):
        store(D, d + r, load(D, d + r) * sigma_prime(code, load(A, a + r)))


@njit(**INLINE)
def backward(D, delta, stride, T, zeros, t, t_next, n_in, n_out, A, a, code, d, first, last):
    """delta^l = sigma'(z^l) * (W^{l+1})^T delta^{l+1} for rows first <= r < last   (000, 002, 004).

    Parameters
    ----------
    D : vector; delta^{l+1} is n_out columns in panels at `delta`, and delta^l is written to the panels at `d`.
    T : vector; the transpose of W^{l+1} in panels at `t`, that of W^l at `t_next`, and N lines of zeros at `zeros`.
    A : vector; a^l = sigma(z^l), of n_in columns, in panels at `a`.
    code : of the activation sigma.
    """
    L = lanes(A)
    t_stride = (n_out + L - 1) // L * L * L
    panels = (n_in + L - 1) // L
    for j in range(0, panels, N):
        at, out, ahead = t + j * t_stride, d + j * stride, t + (j + N) * t_stride if j + N < panels else t_next
        if j + N <= panels:
            multiply_many(D, delta, L, stride, T, at, t_stride, zeros, D, out, stride, first, last, n_out, ahead)
        else:
            multiply_one(D, delta, L, stride, T, at, t_stride, zeros, D, out, stride, first, last, n_out, ahead)
        if code != IDENTITY:
            for p in range(j, min(j + N, panels)):
                derive(code, D, d + p * stride, A, a + p * stride, first, last)
