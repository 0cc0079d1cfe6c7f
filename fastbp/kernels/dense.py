"""This module multiplies the rows of a minibatch and a matrix of weights, in the forward and the backward pass.

The forward pass computes z^l = W^l a^{l-1} + b^l. The backward pass computes (W^{l+1})^T delta^{l+1}, which is the same
product with the transposed copy of the weights and without a bias (000, 002, 004). The activation function, or its
derivative, is applied to each group of panels as soon as the group is ready. When it was applied after the whole layer,
a step of 784-512-512-10 took 1 % longer.

The loops are written out in Python. The value in the innermost loop is a tile of TILE_ROWS x TILE_PANELS vectors in
registers. Each value is one chain of multiply-adds that starts with the bias and goes on with j = 0, 1, ..., whatever
the shape of the tile. So the result of a row does not depend on the rows beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .simd import INLINE, OPTIONS
from .simd.memory import call, fetch, holds_zeros, lanes, load, record_at, splat, vector_at
from .simd.target import TILE_PANELS, TILE_ROWS
from .simd.tiles import tile_fill, tile_fma, tile_store
from .structs import OUTPUTS, PRODUCT, STEP


class Matrix(NamedTuple):
    """`Matrix` is a matrix inside a vector: element (r, j) is ``data[at + r row + j // lanes panel + j % lanes]``.

    For a matrix in panels, `row` is `lanes`, and `panel` is the stride. For a row-major matrix, `row` is the number of
    columns, and `panel` is `lanes`.
    """

    data: np.ndarray
    at: int
    row: int
    panel: int


def _rows(m: int, n: int, first: bool = False):
    """Return the function for one tile of m rows and n panels. With `first`, it also fetches the next panels of W."""

    @njit(**INLINE)
    def rows(A, W, B, Z, r, n_in, ahead):
        """Z_ri = sum_j A_rj W_ji + B_i for the m rows from row r on, j < n_in, and the n panels of one tile."""
        L = lanes(Z.data)
        a, w = A.at + r * A.row, W.at
        tile = tile_fill(m, n, B.data, B.at, B.panel)
        for block in range(0, n_in, L):
            for j in range(min(L, n_in - block)):
                if first:
                    for p in range(n):
                        fetch(W.data, ahead + j * L + p * W.panel)
                tile = tile_fma(m, n, tile, A.data, a + j, A.row, W.data, w + j * L, W.panel)
            a += A.panel
            w += L * L
            ahead += L * L
        tile_store(m, n, tile, Z.data, Z.at + r * L, Z.panel)

    return rows


def multiply(n: int):
    """Return the function that multiplies any number of rows and n panels.

    It takes rows in tiles of TILE_ROWS. The rows that are left over go in tiles of 2 and 1: such tiles read W again,
    but compute nothing in vain.
    """
    start, tall, pair, one = _rows(TILE_ROWS, n, True), _rows(TILE_ROWS, n), _rows(2, n), _rows(1, n)

    @njit(**OPTIONS)
    def multiply(A, W, B, Z, n_in, ahead, first, last):
        """Z_ri = sum_j A_rj W_ji + B_i for rows first <= r < last, j < n_in, and the n panels at W.at, B.at and Z.at.

        The first tile also fetches into the cache the panels of W that come next, which are at position `ahead`.
        """
        r = first
        if r + TILE_ROWS <= last:
            start(A, W, B, Z, r, n_in, ahead)
            r += TILE_ROWS
        while r + TILE_ROWS <= last:
            tall(A, W, B, Z, r, n_in, ahead)
            r += TILE_ROWS
        while r + 2 <= last:
            pair(A, W, B, Z, r, n_in, ahead)
            r += 2
        if r < last:
            one(A, W, B, Z, r, n_in, ahead)

    return multiply


multiply_one = multiply(1)
multiply_many = multiply(TILE_PANELS) if TILE_PANELS > 1 else multiply_one


def product(dtype):
    """Return the operation out = a W + b for a dtype. It has a PRODUCT record."""

    @njit(**OPTIONS)
    def product(address, record, k, t, start, first, last):
        """out = a W + b for the rows first <= r < last of part k. A follower is applied to each group of panels."""
        step, p = record_at(address, STEP), record_at(record, PRODUCT)
        W, b, out = vector_at(p.W, dtype), vector_at(p.b, dtype), vector_at(p.out, dtype)
        L = lanes(out)
        A = Matrix(vector_at(p.a, dtype), start * p.a_sample, p.a_row, p.a_panel)
        panels = (p.columns + L - 1) // L
        for i in range(0, panels, TILE_PANELS):
            weights, bias = Matrix(W, i * p.w_panel, L, p.w_panel), Matrix(b, i * p.b_panel, 0, L)
            Z, ahead = Matrix(out, i * step.stride, L, step.stride), (i + TILE_PANELS) * p.w_panel
            if i + TILE_PANELS >= panels:
                ahead = p.next
            if i + TILE_PANELS <= panels:
                multiply_many(A, weights, bias, Z, p.rows, ahead, first, last)
            else:
                multiply_one(A, weights, bias, Z, p.rows, ahead, first, last)
            if p.checked and i == 0 and not all_finite(out, first, last):
                step.odd = 1
            if p.followed:
                call(p.follower, (address, p.layer, k, t, first, last, i))

    return product


@njit(**INLINE)
def all_finite(A, first, last):
    """Return whether rows first <= r < last of a panel are finite.

    The panel is the first one of z^1, which is finite if the inputs are finite and nothing overflows.
    """
    L, odd = lanes(A), splat(A, 0.0)
    for i in range(first * L, last * L, L):
        odd += load(A, i) - load(A, i)
    return holds_zeros(odd)


def scatter(dtype):
    """Return the operation that copies panels to a row-major matrix. It has an OUTPUTS record."""

    @njit(**OPTIONS)
    def scatter(address, record, k, t, start, first, last):
        """out[start + r, i] = A[r, i] for the rows first <= r < last of part k, which begins with sample `start`."""
        step, o = record_at(address, STEP), record_at(record, OUTPUTS)
        A, out = vector_at(o.panels, dtype), vector_at(o.out, dtype)
        L = lanes(A)
        for r in range(first, last):
            for i in range(o.columns):
                out[(start + r) * o.columns + i] = A[i // L * step.stride + r * L + i % L]

    return scatter
