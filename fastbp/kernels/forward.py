"""Forward: z^l = W^l a^{l-1} + b^l, for the rows of a minibatch that one thread has.

The product's loops are written out; the value in the innermost one is a tile of M x N vectors in registers.
Each z_ri is one chain of multiply-adds, b_i first and then j = 0, 1, ..., whatever the tile's shape, so a row's
result does not depend on its neighbours.
"""

from __future__ import annotations

from numba import njit

from .simd import INLINE, OPTIONS, M, N, fetch, holds_zeros, lanes, load, splat, tile_fill, tile_fma, tile_store


def _rows(m: int, n: int, first: bool = False):
    """The product for m rows and n panels: one tile. The first of them asks for the next panels."""

    @njit(**INLINE)
    def rows(A, a, step, hop, W, w, w_stride, b, Z, z, stride, n_in, ahead):
        L = lanes(A)
        tile = tile_fill(m, n, W, b, L)
        for block in range(0, n_in, L):
            for j in range(min(L, n_in - block)):
                if first:
                    for p in range(n):
                        fetch(W, ahead + j * L + p * w_stride)
                tile = tile_fma(m, n, tile, A, a + j, step, W, w + j * L, w_stride)
            a += hop
            w += L * L
            ahead += L * L
        tile_store(m, n, tile, Z, z, stride)

    return rows


def _multiply(n: int):
    """`multiply` for n panels; rows that fill no tile of M go by 2 and 1, which read W again but waste nothing."""
    start, tall, pair, one = _rows(M, n, True), _rows(M, n), _rows(2, n), _rows(1, n)

    @njit(**OPTIONS)
    def multiply(A, a, step, hop, W, w, w_stride, b, Z, z, stride, first, last, n_in, ahead):
        """Z[r, i] = sum_j A[r, j] W[j, i] + b_i for rows first <= r < last and the panels that start at w, b, z.

        A[r, j] is at a + r step + j, and the next panel of columns `hop` further. Meanwhile the panels of W that come
        next, at `ahead`, are asked for.
        """
        L, r = lanes(A), first
        if r + M <= last:
            start(A, a + r * step, step, hop, W, w, w_stride, b, Z, z + r * L, stride, n_in, ahead)
            r += M
        while r + M <= last:
            tall(A, a + r * step, step, hop, W, w, w_stride, b, Z, z + r * L, stride, n_in, ahead)
            r += M
        while r + 2 <= last:
            pair(A, a + r * step, step, hop, W, w, w_stride, b, Z, z + r * L, stride, n_in, ahead)
            r += 2
        if r < last:
            one(A, a + r * step, step, hop, W, w, w_stride, b, Z, z + r * L, stride, n_in, ahead)

    return multiply


multiply_one = _multiply(1)
multiply_many = _multiply(N) if N > 1 else multiply_one


@njit(**INLINE)
def forward(X, x, step, hop, W, w, n_in, n_out, A, z, stride, first, last, i):
    """z^l = W^l a^{l-1} + b^l for rows first <= r < last and the N panels of units from panel i on   (000, 004).

    Parameters
    ----------
    X : vector; a^{l-1}_rj is at x + r step + j, and the next panel of columns `hop` further: panels, or a row-major
        matrix.
    W : vector; W^l in panels at `w`, then b^l.
    A : vector; z^l is written to the panels at `z`, of `stride` numbers each.
    """
    L = lanes(A)
    w_stride = (n_in + L - 1) // L * L * L
    panels = (n_out + L - 1) // L
    b = w + panels * w_stride
    at, out, ahead = w + i * w_stride, z + i * stride, w + (i + N) * w_stride
    if i + N <= panels:
        multiply_many(X, x, step, hop, W, at, w_stride, b + i * L, A, out, stride, first, last, n_in, ahead)
    else:
        multiply_one(X, x, step, hop, W, at, w_stride, b + i * L, A, out, stride, first, last, n_in, ahead)


@njit(**INLINE)
def all_finite(A, a, first, last):
    """Whether rows first <= r < last of a panel are: as z^1 is, if the inputs are and nothing overflows."""
    L, odd = lanes(A), splat(A, 0.0)
    for i in range(a + first * L, a + last * L, L):
        odd += load(A, i) - load(A, i)
    return holds_zeros(odd)


@njit(**INLINE)
def scatter(A, a, stride, n_out, out, start, first, last):
    """out[start + r, i] = A[r, i] for rows first <= r < last: panels to a row-major matrix of n_out columns."""
    L = lanes(A)
    for r in range(first, last):
        for i in range(n_out):
            out[(start + r) * n_out + i] = A[a + i // L * stride + r * L + i % L]
