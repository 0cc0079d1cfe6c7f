"""This module has the kernels of the product for dense matrices.

The loops are written out in Python. The value in the innermost loop is a tile of TILE_ROWS x TILE_PANELS vectors in
registers. Each value is one chain of multiply-adds that starts with the bias and goes on with j = 0, 1, ..., whatever
the shape of the tile. So the result of a row does not depend on the rows beside it.
"""

from __future__ import annotations

from numba import njit

from .product import operands
from .simd import INLINE, OPTIONS
from .simd.memory import fetch, lanes, record_at
from .simd.target import TILE_PANELS, TILE_ROWS
from .simd.tiles import tile_fill, tile_finish, tile_fma, tile_store
from .structs import PRODUCT, STEP

GROUPS = (TILE_PANELS, 1) if TILE_PANELS > 1 else (1,)
"""The numbers of panels of the groups."""


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
        tile_store(m, n, tile_finish(tile), Z.data, Z.at + r * L, Z.panel)

    return rows


def dense(dtype, n: int):
    """Return the kernel of the product for a group of n panels.

    It takes rows in tiles of TILE_ROWS. The rows that are left over go in tiles of 2 and 1: such tiles read W again,
    but compute nothing in vain.
    """
    start, tall, pair, one = _rows(TILE_ROWS, n, True), _rows(TILE_ROWS, n), _rows(2, n), _rows(1, n)
    find = operands(dtype)

    @njit(**OPTIONS)
    def dense(address, record, t, first, last, i):
        """Z_ri = sum_j A_rj W_ji + B_i for the rows first <= r < last, j < n_in, and the n panels from panel i on.

        The first tile also fetches into the cache the panels of W that come next.
        """
        p, r = record_at(record, PRODUCT), first
        A, W, B, Z = find(record_at(address, STEP), p, i)
        ahead = W.at + n * p.w_panel
        if i + n >= p.panels:
            ahead = p.next
        if r + TILE_ROWS <= last:
            start(A, W, B, Z, r, p.rows, ahead)
            r += TILE_ROWS
        while r + TILE_ROWS <= last:
            tall(A, W, B, Z, r, p.rows, ahead)
            r += TILE_ROWS
        while r + 2 <= last:
            pair(A, W, B, Z, r, p.rows, ahead)
            r += 2
        if r < last:
            one(A, W, B, Z, r, p.rows, ahead)

    return dense
