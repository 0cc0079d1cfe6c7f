"""Gradient: dC/dw_ij = delta_i a_j summed over the minibatch, and the update of the weights with it.

The unit of work is a block: lanes x lanes weights, the rows j .. j + lanes of one panel i of W, contiguous in
memory in W and, transposed, in the copy that `backward.py` reads. Its gradient is accumulated in registers,
one chain of multiply-adds a weight in the order of the samples, and the update rule is applied to it there:
the gradient is never written to memory, unless the minibatch comes in parts or the caller wants to see it.
Then the chain goes on from memory, so that both ways give the same bits.
"""

from __future__ import annotations

from numba import njit

from .rules import RULES
from .rules import descend as tile_descend
from .simd import (
    OPTIONS,
    block,
    block_rows,
    block_store,
    block_transpose,
    elementwise,
    fetch_to_change,
    lanes,
    load,
    splat,
    sqrt,
    store,
    tile_fma,
    tile_load,
    tile_store,
    tile_zero,
    where,
)

shrinking = elementwise(lambda square, most: where(square > most * most, most / sqrt(square), 1.0), 2)


def kernels(rule: str):
    """The kernels `weights` and `biases` of an update rule. Rules that are not used cost nothing."""
    descend, descend_biases = tile_descend(rule), tile_descend(RULES[rule].of_biases or rule)

    @njit(**OPTIONS)
    def weights(A, a, D, d, rows, H, h, shaping, P, p, S, gradient, T, t, resume, update, stream):
        """dC/dW[j, i] = sum_r A[r, j] delta[r, i] for one block of W, and its update   (000, 004).

        Parameters
        ----------
        A, D : vectors; lines `a` + r lanes hold a_j, lines `d` + r lanes delta_i, for r < rows.
        H, shaping, P, S : hyperparameters, from H[h] on, what shapes the gradient (`rules.descend`), parameters and
            state of the rule; the block is at `p`.
        gradient : vector like P, read if `resume` (the chain goes on) and written unless `update`.
        T : vector; the block's transpose is written at `t` after an update, if t >= 0.
        stream : whether other cores will read the weights next, and they go to memory past this one's caches. A core
            that writes a line which others have read waits 7 ns for it on Zen 4, however early it asks: 15 % of a step
            of 784-128-10 on 2 cores.
        """
        L, new = lanes(A), block(A)
        height = block_rows(A)
        mask = (height - 1) * L
        for j in range(0, L, height):
            if resume:
                g = tile_load(block_rows(A), 1, gradient, p + j * L, 0)
            else:
                g = tile_zero(block_rows(A), 1, gradient)
            for r in range(0, rows * L, L):
                # What the update will touch arrives meanwhile, a line of each a turn: all at once held up the sums, and
                # not at all cost 5 % of a step at 2048 x 2048. To ask again for a line that is there costs nothing, nor
                # does an address where there is none.
                line = j * L + (r & mask)
                fetch_to_change(P, p + line)
                fetch_to_change(S, p + line)
                fetch_to_change(T, t + line)
                g = tile_fma(block_rows(A), 1, g, A, a + j + r, 1, D, d + r, 0)
            if update:
                at = p + j * L
                descend(block_rows(A), g, H, h, shaping, P, at, S, at, len(P), new, j * L)
            else:
                tile_store(block_rows(A), 1, g, gradient, p + j * L, 0)
        if update:
            block_store(new, P, p, stream)
            if t >= 0:
                block_transpose(new, T, t, stream)

    @njit(**OPTIONS)
    def biases(D, d, rows, H, h, shaping, P, b, S, gradient, resume, update):
        """dC/db_i = sum_r delta[r, i] for one panel of b, and its update."""
        L = lanes(D)
        if resume:
            g = tile_load(1, 1, gradient, b, 0)
        else:
            g = tile_zero(1, 1, gradient)
        for r in range(d, d + rows * L, L):
            g = (g[0] + load(D, r),)
        if update:
            descend_biases(1, g, H, h, shaping, P, b, S, b, len(P), P, b)
        else:
            tile_store(1, 1, g, gradient, b, 0)

    return weights, biases


@njit(**OPTIONS)
def squares(gradient, first, last):
    """sum_i gradient[i]^2 for first <= i < last, multiples of a line, always in one order."""
    L, sums, total = lanes(gradient), block(gradient), 0.0
    store(sums, 0, splat(gradient, 0.0))
    for i in range(first, last, L):
        g = load(gradient, i)
        store(sums, 0, load(sums, 0) + g * g)
    for i in range(L):
        total += sums[i]
    return total


@njit(**OPTIONS)
def limit(W, w, n_in, most, T, t, t_stride, stream):
    """Scale the columns of a panel of W, the weights into a unit each, whose norm is above `most`   (Srivastava 2014).

    Parameters
    ----------
    W : vector; the panel is at `w`, of n_in rows.
    T : vector; the transposes of the panel's blocks are at t, t + t_stride, ..., if t >= 0.
    """
    L, b = lanes(W), block(W)
    norm = splat(W, 0.0)
    for j in range(w, w + n_in * L, L):
        norm += load(W, j) * load(W, j)
    scale = shrinking(norm, splat(W, most))
    for j in range(0, (n_in + L - 1) // L * L * L, L * L):
        for i in range(0, L * L, L):
            store(b, i, load(W, w + j + i) * scale)
        block_store(b, W, w + j, stream)
        if t >= 0:
            block_transpose(b, T, t + j // (L * L) * t_stride, stream)


@njit(**OPTIONS)
def average(E, P, rate, first, last):
    """E <- E + rate (P - E) for first <= i < last, multiples of a line."""
    share = splat(E, rate)
    for i in range(first, last, lanes(E)):
        store(E, i, load(E, i) + share * (load(P, i) - load(E, i)))
