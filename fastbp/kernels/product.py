"""This module has the product out = a W + b, which the kernels of `dense.py`, `zero_skipping.py` and `csr.py` compute.

The forward pass computes z^l = W^l a^{l-1} + b^l. The backward pass computes (W^{l+1})^T delta^{l+1}, which is the same
product with the transposed copy of the weights and without a bias (000, 002, 004).

The operation cuts the panels of the result into groups, as far as the largest group goes, and then the next ones: with
groups of 8, 4, 2 and 1 panels, 7 panels become groups of 4, 2 and 1. A kernel computes each group for all rows. The
activation function, or its derivative, is applied to each group as soon as the group is ready. When it was applied
after the whole layer, a step of 784-512-512-10 took 1 % longer.

All kernels end each sum by adding 0.0, which turns -0.0 into 0.0. A multiply-add with an input of 0 can change nothing
but the sign of a sum that is 0. So the kernels that leave such inputs out give the same bits as those that do not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .simd import INLINE, OPTIONS
from .simd.memory import array_at, call, holds_zeros, lanes, load, record_at, splat, vector_at
from .simd.target import TILE_PANELS
from .structs import GROUP, OUTPUTS, PRODUCT, STEP


class Matrix(NamedTuple):
    """`Matrix` is a matrix inside a vector: element (r, j) is ``data[at + r row + j // lanes panel + j % lanes]``.

    For a matrix in panels, `row` is `lanes`, and `panel` is the stride. For a row-major matrix, `row` is the number of
    columns, and `panel` is `lanes`.
    """

    data: np.ndarray
    at: int
    row: int
    panel: int


@njit(**OPTIONS)
def product(address, record, t, first, last):
    """out = a W + b for the rows first <= r < last. A follower is applied to each group of panels."""
    p, i = record_at(record, PRODUCT), 0
    groups = array_at(p.groups, p.group_count, GROUP)
    for g in range(p.group_count):
        n = groups[g].panels
        while i + n <= p.panels:
            call(groups[g].kernel, (address, record, t, first, last, i))
            if p.checker and i == 0:
                call(p.checker, (address, record, t, first, last, i))
            if p.follower:
                for q in range(i, i + n, TILE_PANELS):
                    call(p.follower, (address, p.layer, t, first, last, q))
            i += n


def operands(dtype):
    """Return the function that finds the matrices of a PRODUCT record: A, W, B and Z for the panels from panel i on."""

    @njit(**INLINE)
    def operands(step, p, i):
        W, b, out = vector_at(p.W, dtype), vector_at(p.b, dtype), vector_at(p.out, dtype)
        L = lanes(out)
        A = Matrix(vector_at(p.a, dtype), step.start * p.a_sample, p.a_row, p.a_panel)
        weights, bias = Matrix(W, i * p.w_panel, L, p.w_panel), Matrix(b, i * p.b_panel, 0, p.b_panel)
        return A, weights, bias, Matrix(out, i * step.stride, L, step.stride)

    return operands


def check_finite(dtype):
    """Return the checker of a product, which notes if the result has numbers that are not finite.

    The first panel of z^1 is finite if the inputs are finite and nothing overflows.
    """

    @njit(**OPTIONS)
    def check_finite(address, record, t, first, last, i):
        """odd = 1 if panel i of the result is not finite in the rows first <= r < last."""
        step, p = record_at(address, STEP), record_at(record, PRODUCT)
        Z = vector_at(p.out, dtype)
        L, odd = lanes(Z), splat(Z, 0.0)
        for r in range(i * step.stride + first * L, i * step.stride + last * L, L):
            odd += load(Z, r) - load(Z, r)
        if not holds_zeros(odd):
            step.odd = 1

    return check_finite


def scatter(dtype):
    """Return the operation that copies panels to a row-major matrix. It has an OUTPUTS record."""

    @njit(**OPTIONS)
    def scatter(address, record, t, first, last):
        """out[start + r, i] = A[r, i] for the rows first <= r < last of the part, which begins with sample `start`."""
        step, o = record_at(address, STEP), record_at(record, OUTPUTS)
        A, out = vector_at(o.panels, dtype), vector_at(o.out, dtype)
        L = lanes(A)
        for r in range(first, last):
            for i in range(o.columns):
                out[(step.start + r) * o.columns + i] = A[i // L * step.stride + r * L + i % L]

    return scatter
