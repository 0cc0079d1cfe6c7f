"""This module has the operations for matrices of which many numbers are 0: the product and the gradient.

These matrices are the inputs a^0, and activations a^l and deltas delta^l of hidden layers, mostly after dropout.

A multiply-add with an input of 0 changes nothing, so it can be left out, and the result has the same bits. Words of
masks say which inputs are not 0 (`simd/bits.py`): a loop takes the lowest bit of a word and clears it. There is one
exception: an input of 0 may turn -0.0 into 0.0. So a result of -0.0, which is rare, is computed again with all inputs.

The product takes the columns in blocks of one word, so that the weights of a block stay in the fastest cache while all
rows use them. With all columns at once, the weights came from the second cache, and the product of 784-128 took half as
long again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .dense import Matrix
from .panel_groups import multiply_groups, place_of, tiles_of
from .simd import INLINE, OPTIONS
from .simd.bits import FEW_BITS, WORD, any_of, holds_negative_zero, lowest
from .simd.memory import lanes, record_at, vector_at
from .simd.tiles import block, block_transpose, tile_fill, tile_fma, tile_load, tile_store, tile_update, tile_zero
from .structs import PRODUCT, STEP, UPDATE, ZEROS, divide, rows_of
from .update import biases_of, blocks, layers_of, memory_of, shape
from .zeros import marks_of


class Words(NamedTuple):
    """`Words` has the masks of all rows as words. Word q of row r is ``bits[r row + q]``."""

    bits: np.ndarray
    row: int


@njit(**INLINE)
def column(j, panel, L):
    """Return the place of column j in a row whose lines are `panel` values apart."""
    return j // L * panel + j % L


@njit(**OPTIONS)
def multiply_all(A, W, B, Z, r, p, n_in):
    """Z_ri = sum_j A_rj W_ji + B_i for row r and panel p. Inputs of 0 may turn -0.0 into 0.0, so it has them too."""
    L, w = lanes(Z.data), W.at + p * W.panel
    tile = tile_fill(1, 1, B.data, B.at + p * B.panel, 0)
    for j in range(n_in):
        a = A.at + r * A.row + column(j, A.panel, L)
        tile = tile_fma(1, 1, tile, A.data, a, 0, W.data, w + j * L, 0)
    tile_store(1, 1, tile, Z.data, Z.at + p * Z.panel + r * L, 0)


def _rows(m: int, n: int):
    """Return the function for one tile of m rows and n panels, and for the columns of one word."""

    @njit(**INLINE)
    def rows(A, words, W, B, Z, r, q, n_in):
        """Z_ri += sum_j A_rj W_ji for the m rows from row r on, over the j of a block where one of them is not 0.

        The first block begins with the bias: Z_ri = B_i.
        """
        L, word = lanes(Z.data), np.uint64(0)
        for t in range(m):
            word |= words.bits[(r + t) * words.row + q]
        last = (q + 1) * WORD >= n_in
        if not word and q and not last:
            return
        if q:
            tile = tile_load(m, n, Z.data, Z.at + r * L, Z.panel)
        else:
            tile = tile_fill(m, n, B.data, B.at, B.panel)
        a, w = A.at + r * A.row + column(q * WORD, A.panel, L), W.at + q * WORD * L
        while word:
            j = lowest(word)
            word &= word - np.uint64(1)
            tile = tile_fma(m, n, tile, A.data, a + column(j, A.panel, L), A.row, W.data, w + j * L, W.panel)
        tile_store(m, n, tile, Z.data, Z.at + r * L, Z.panel)
        if last and holds_negative_zero(tile):
            for t in range(m):
                for p in range(n):
                    multiply_all(A, W, B, Z, r + t, p, n_in)

    return rows


def multiply(m: int, n: int):
    """Return the function that multiplies any number of rows and n panels, in tiles of m rows."""
    tall, one = _rows(m, n), _rows(1, n) if m > 1 else None

    @njit(**OPTIONS)
    def multiply(inputs, W, B, Z, n_in, first, last):
        """Z_ri = sum_j A_rj W_ji + B_i for rows first <= r < last, over the columns j that are not 0."""
        A, words = inputs
        for q in range((n_in + WORD - 1) // WORD):
            r = first
            while r + m <= last:
                tall(A, words, W, B, Z, r, q, n_in)
                r += m
            if one is not None:
                while r < last:
                    one(A, words, W, B, Z, r, q, n_in)
                    r += 1

    return multiply


def product_masked(dtype, cut: str):
    """Return the operation out = a W + b for inputs a of which many are 0. It has a PRODUCT record.

    The text `cut` is that of `groups.cut_of`.
    """
    groups = multiply_groups(tiles_of(cut), multiply)

    @njit(**OPTIONS)
    def product_masked(address, record, k, t, start, first, last):
        """out = a W + b for the rows first <= r < last of part k. A follower is applied to each group of panels."""
        p = record_at(record, PRODUCT)
        W, b, out = vector_at(p.W, dtype), vector_at(p.b, dtype), vector_at(p.out, dtype)
        zeros = record_at(p.zeros, ZEROS)
        words = Words(vector_at(zeros.words, np.uint64), zeros.word_stride * lanes(out) // WORD)
        inputs = Matrix(vector_at(p.a, dtype), 0, p.a_row, p.a_panel), words
        groups(address, p, inputs, W, b, out, 0, k, t, first, last)

    return product_masked


@njit(**OPTIONS)
def sum_all(A, a, row, D, d, rows, G, g):
    """G[g + i] += sum_r A[a + r row] D[d + r lanes + i] over r < rows. Inputs of 0 may turn -0.0 into 0.0."""
    L, sums = lanes(A), tile_load(1, 1, G, g, 0)
    for r in range(rows):
        sums = tile_fma(1, 1, sums, A, a + r * row, 0, D, d + r * L, 0)
    tile_store(1, 1, sums, G, g, 0)


def _weights(m: int, n: int, rule):
    """Return the kernel for a line of inputs and n panels of weights, over the inputs that are not 0.

    Parameters
    ----------
    m, n : int
        The tile has m inputs and n panels. It leaves a row out if all m inputs are 0, so a wide tile has few inputs.
    rule : Optimizer or None
        The rule that the kernel applies. With None, it writes the gradient to memory.
    """
    applied, still = rule is not None, rule is not None and rule.still
    apply_rule = tile_update(rule, False, shape)

    @njit(**OPTIONS)
    def weights(A, a, row, masks, at, D, d, stride, rows, memory, p, p_stride, resume):
        """dC/dW[j, i] = sum_r A[r, j] delta[r, i] over the r < rows with A[r, j] != 0, and the update   (000, 004).

        The arguments are those of `weights` in `update.py`. The rows of the line are `row` values apart. The
        masks of the line begin at `at`. Panels of delta are `stride` values apart, and those of W `p_stride` values.
        """
        P, S, L, some, exact = memory.theta, memory.vectors, lanes(A), np.uint64(0), block(A)
        for r in range(at, at + rows):
            some |= np.uint64(masks[r])
        group = (np.uint64(1) << np.uint64(m)) - np.uint64(1)
        left = np.uint64((1 << L) - 1)
        if still and not resume and not len(memory.of_weights):
            left = some  # a gradient of 0 changes nothing
        while left:
            j = lowest(left) // m * m
            bits = group << np.uint64(j)
            left &= ~bits
            W, touched = p + j * L, (some & bits) != 0
            if resume:
                g = tile_load(m, n, memory.gradient, W, p_stride)
            else:
                g = tile_zero(m, n, A)
            if rows == 1 and touched:  # online learning: without words, a step of 784-128-10 takes 0.9 of the time
                g = tile_fma(m, n, g, A, a + j, 1, D, d, stride)
            for top in range(0, rows if touched and rows > 1 else 0, WORD):
                if rows - top > FEW_BITS:
                    word = any_of(WORD, masks, at + top, bits)
                else:
                    word = any_of(FEW_BITS, masks, at + top, bits)
                if top + WORD > rows:
                    word &= (np.uint64(1) << np.uint64(rows - top)) - np.uint64(1)
                while word:
                    r = top + lowest(word)
                    word &= word - np.uint64(1)
                    g = tile_fma(m, n, g, A, a + r * row + j, 1, D, d + r * L, stride)
            if ((touched and rows > 1) or resume) and holds_negative_zero(g):
                if resume:
                    g = tile_load(m, n, memory.gradient, W, p_stride)
                else:
                    g = tile_zero(m, n, A)
                tile_store(m, n, g, exact, 0, m * L)
                for q in range(m * n):
                    sum_all(A, a + j + q % m, row, D, d + q // m * stride, rows, exact, q * L)
                g = tile_load(m, n, exact, 0, m * L)
            if applied:
                apply_rule(n, g, p_stride, memory.H, memory.h, memory.of_weights, P, W, S, W, len(P), P, W)
            else:
                tile_store(m, n, g, memory.gradient, W, p_stride)

    return weights


def _line(tiles: tuple, rule):
    """Return the function that works on a line of inputs and some panels of W, in these kinds of tiles."""
    n, _, m = tiles[0]
    weights, others = _weights(m, n, rule), _line(tiles[1:], rule) if tiles[1:] else None
    applied = rule is not None

    @njit(**INLINE)
    def line(step, layer, A, marks, D, rows, memory, j, i, stop, resume):
        """Work on line j of the inputs, and on the panels i <= panel < stop of W and of its transpose."""
        L, stride = lanes(A), step.stride
        high, panels = (layer.n_in + L - 1) // L, (layer.n_out + L - 1) // L
        to, a, at = high * L * L, j * layer.a_panel, j * marks.mask_stride
        while i + n <= stop:
            p = layer.W + i * to + j * L * L
            weights(A, a, layer.a_row, marks.masks, at, D, i * stride, stride, rows, memory, p, to, resume)
            if applied and layer.transposed:
                for q in range(n):
                    t = layer.T + (j * panels + i + q) * L * L
                    block_transpose(memory.theta, p + q * to, memory.transposed, t, False)
            i += n
        if others is not None:
            others(step, layer, A, marks, D, rows, memory, j, i, stop, resume)

    return line


def _over_lines(dtype, cut: str, rule=None, shaped: bool = False):
    """Return the operation that works on the layers whose inputs have masks."""
    line, biases, find = _line(tiles_of(cut), rule), biases_of(True, rule), memory_of(dtype, shaped, rule)
    marks_at, place = marks_of(dtype), place_of(tiles_of(cut))

    @njit(**OPTIONS)
    def over_lines(address, record, k, t, start, first, last):
        """Sum the gradient, and apply the rule to it, for the share of thread t after part k.

        Unit u of a layer is line u // groups of the inputs and group u % groups of the panels of W.
        """
        step, u = record_at(address, STEP), record_at(record, UPDATE)
        layers, memory, (_, rows, _, fresh, _) = layers_of(u), find(step, u, k), rows_of(step, k)
        for l in range(len(layers)):
            layer = layers[l]
            if not layer.zeros_in:
                continue
            A, D, marks = vector_at(layer.a_in, dtype), vector_at(layer.delta, dtype), marks_at(layer.zeros_in)
            L = lanes(A)
            panels = (layer.n_out + L - 1) // L
            groups = place(panels, -1)
            unit, end = divide((layer.n_in + L - 1) // L * groups, t, step.threads)
            while unit < end:
                j, group = unit // groups, unit % groups
                stop = min(groups, group + end - unit)
                unit += stop - group
                i, stop = place(panels, group), place(panels, stop)
                line(step, layer, A, marks, D, rows, memory, j, i, stop, not fresh)
                if j == 0 and layer.biased:
                    for q in range(i, stop):
                        b = layer.W + blocks(layer, L) * L * L + q * L
                        biases(D, q * step.stride, rows, memory, b, not fresh)

    return over_lines


def learn_masked(dtype, cut: str, rule, shaped: bool):
    """Return the operation `learn` for inputs of which many are 0. The text `cut` is that of `groups.cut_of`."""
    return _over_lines(dtype, cut, rule, shaped)


def gradient_masked(dtype, cut: str):
    """Return the operation `gradient` for inputs of which many are 0. The text `cut` is that of `groups.cut_of`."""
    return _over_lines(dtype, cut)
