"""Columns: as many rows as a vector has lanes, transposed, so that a vector holds one output of all of them.

A sum or a maximum over the outputs is one of vectors then. A row at a time, across the lanes, a step of 16-32-32-2 took
a third longer.
"""

from __future__ import annotations

from numba import njit

from .simd import OPTIONS, elementwise, exp, lanes, load, log, maximum, splat, store, transpose_lines

larger = elementwise(maximum, 2)
shifted_exp = elementwise(lambda z, top: exp(z - top), 2)
logarithm = elementwise(log, 1)
reciprocal = elementwise(lambda x: 1.0 / x, 1)


@njit(**OPTIONS)
def to_columns(A, a, stride, n_out, count, C, c):
    """C[c + i lanes + r] = A[r, i] for r < count <= lanes, and for the lanes beyond row count - 1 again."""
    L = lanes(A)
    for p in range((n_out + L - 1) // L):
        transpose_lines(A, a + p * stride, count, C, c + p * L * L, L)


@njit(**OPTIONS)
def from_columns(C, c, A, a, stride, n_out, count):
    """A[r, i] = C[c + i lanes + r], with zeros in the padding."""
    L = lanes(A)
    panels = (n_out + L - 1) // L
    for i in range(c + n_out * L, c + panels * L * L, L):
        store(C, i, splat(C, 0.0))
    for p in range(panels):
        transpose_lines(C, c + p * L * L, L, A, a + p * stride, count)


@njit(**OPTIONS)
def softmax(C, z, p, n_out):
    """p_i = e^(z_i - top) / sum_k e^(z_k - top), top = max z, of columns; p may be z   (003).

    Returns top and ln sum_k e^(z_k - top): apart, since their sum would lose the digits of a small loss of large z.
    """
    L, top, sums = lanes(C), load(C, z), splat(C, 0.0)
    for i in range(L, n_out * L, L):
        top = larger(load(C, z + i), top)
    for i in range(0, n_out * L, L):
        e = shifted_exp(load(C, z + i), top)
        store(C, p + i, e)
        sums += e
    share = reciprocal(sums)
    for i in range(p, p + n_out * L, L):
        store(C, i, load(C, i) * share)
    return top, logarithm(sums)
