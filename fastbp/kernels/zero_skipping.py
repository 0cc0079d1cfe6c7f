"""This module has the kernels for matrices of which many numbers are 0: for the product, and for the gradient.

These matrices are the inputs a^0, and activations a^l and deltas delta^l of hidden layers, mostly after dropout. Words
of masks say which numbers are not 0 (`simd/bits.py`): a loop takes the lowest bit of a word and clears it.

A tile is computed where one of its rows, or of its inputs, is not 0. So it has few of them, and many panels instead
(`TILES_WITHOUT_ZEROS`). The product takes the columns in blocks of one word, so that the weights of a block stay in the
fastest cache while all rows use them. With all columns at once, the weights came from the second cache, and the product
of 784-128 took half as long again.

For the gradient, the unit of work is a line of inputs and a group of panels. The rule is applied to each tile of the
gradient in registers. When the sums went through memory to kernels of their own, which would serve every rule, a step
of 784-128-10 with 19 % of its inputs took 5 % longer: the weights then come while nothing is computed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .loop import divide
from .product import operands
from .simd import INLINE, OPTIONS
from .simd.bits import FEW_BITS, WORD, any_of, lowest
from .simd.memory import array_at, call, lanes, record_at, vector_at
from .simd.target import TILES_WITHOUT_ZEROS
from .simd.tiles import (
    block_transpose,
    tile_fill,
    tile_finish,
    tile_fma,
    tile_load,
    tile_store,
    tile_update,
    tile_zero,
)
from .structs import BLOCK, GROUP, PRODUCT, STEP, UPDATE, WEIGHTS, ZEROS
from .update import biases_of, memory_of, shape
from .zeros import marks_of

ROWS = {n: m for n, m, _ in TILES_WITHOUT_ZEROS}
"""number of panels of a group: number of rows of a tile of the product."""

INPUTS = {n: m for n, _, m in TILES_WITHOUT_ZEROS}
"""number of panels of a group: number of inputs of a tile of the gradient."""

GROUPS = tuple(ROWS)
"""The numbers of panels of the groups, from the largest to the smallest."""


class Words(NamedTuple):
    """`Words` has the masks of all rows as words. Word q of row r is ``bits[r row + q]``."""

    bits: np.ndarray
    row: int


def _rows(m: int, n: int):
    """Return the function for one tile of m rows and n panels, and for the columns of one word."""

    @njit(**INLINE)
    def rows(A, words, W, B, Z, r, q, n_in):
        """Z_ri += sum_j A_rj W_ji for the m rows from row r on, over the j of a block where one of them is not 0.

        The first block begins with the bias: Z_ri = B_i. The last one finishes the sum.
        """
        L, word, last = lanes(Z.data), np.uint64(0), (q + 1) * WORD >= n_in
        for t in range(m):
            word |= words.bits[(r + t) * words.row + q]
        if word or q == 0 or last:
            if q:
                tile = tile_load(m, n, Z.data, Z.at + r * L, Z.panel)
            else:
                tile = tile_fill(m, n, B.data, B.at, B.panel)
            # WORD is a multiple of the number of lanes.
            a, w = A.at + r * A.row + q * (WORD // L) * A.panel, W.at + q * WORD * L
            while word:
                j = lowest(word)
                word &= word - np.uint64(1)
                column = a + j // L * A.panel + j % L
                tile = tile_fma(m, n, tile, A.data, column, A.row, W.data, w + j * L, W.panel)
            if last:
                tile = tile_finish(tile)
            tile_store(m, n, tile, Z.data, Z.at + r * L, Z.panel)

    return rows


def without_zeros(dtype, n: int):
    """Return the kernel of the product for a group of n panels and a matrix of which many numbers are 0."""
    m, find = ROWS[n], operands(dtype)
    tall, one = _rows(m, n), _rows(1, n)

    @njit(**OPTIONS)
    def without_zeros(address, record, t, first, last, i):
        """Z_ri = sum_j A_rj W_ji + B_i for the rows first <= r < last, over the columns j that are not 0."""
        p = record_at(record, PRODUCT)
        A, W, B, Z = find(record_at(address, STEP), p, i)
        zeros = record_at(p.zeros, ZEROS)
        words = Words(vector_at(zeros.words, np.uint64), zeros.word_stride * lanes(Z.data) // WORD)
        for q in range((p.rows + WORD - 1) // WORD):
            r = first
            while r + m <= last:
                tall(A, words, W, B, Z, r, q, p.rows)
                r += m
            if m > 1:
                while r < last:
                    one(A, words, W, B, Z, r, q, p.rows)
                    r += 1

    return without_zeros


def line_without_zeros(dtype, n: int, rule, shaped: bool):
    """Return the kernel that works on the weights of a line of inputs and of a group of n panels.

    It is called as ``kernel(step, record, t, j, i, 0)`` with a WEIGHTS record, for the inputs from j lanes on and for
    the panels from panel i on. Without a rule, it writes the gradient to memory.
    """
    m, marks_at, find, apply_rule = INPUTS[n], marks_of(dtype), memory_of(dtype, shaped), tile_update(rule, shape)
    applied, still = rule is not None, rule is not None and rule.still and not shaped

    @njit(**OPTIONS)
    def line_without_zeros(address, record, t, j, i, unused):
        """dC/dW[x, i] = sum_r A[r, x] delta[r, i] over the rows r with A[r, x] != 0, and the update   (000, 004)."""
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        u, W = record_at(w.update, UPDATE), record_at(w.W, BLOCK)
        A, D, marks, memory = vector_at(w.a, dtype), vector_at(w.delta, dtype), marks_at(w.zeros), find(step, u, W)
        P, S, L, rows, resume = memory.theta, memory.vectors, lanes(A), step.rows, step.begins == 0
        a, d, at, stride = j * w.a_panel, i * step.stride, j * marks.mask_stride, (w.n_in + L - 1) // L * L * L
        first = W.at + i * stride + j * L * L
        group, left = (np.uint64(1) << np.uint64(m)) - np.uint64(1), np.uint64((1 << L) - 1)
        if still:  # a gradient of 0 changes nothing
            left = np.uint64(0)
            for r in range(at, at + rows):
                left |= np.uint64(marks.masks[r])
        while left:
            x = lowest(left) // m * m
            bits, p = group << np.uint64(x), first + x * L
            left &= ~bits
            if resume:
                g = tile_load(m, n, memory.gradient, p, stride)
            else:
                g = tile_zero(m, n, A)
            if rows == 1:  # online learning: without words, a step of 784-128-10 takes 0.9 of the time
                g = tile_fma(m, n, g, A, a + x, 1, D, d, step.stride)
            for top in range(0, rows if rows > 1 else 0, WORD):
                if rows - top > FEW_BITS:
                    word = any_of(WORD, marks.masks, at + top, bits)
                else:
                    word = any_of(FEW_BITS, marks.masks, at + top, bits)
                if top + WORD > rows:
                    word &= (np.uint64(1) << np.uint64(rows - top)) - np.uint64(1)
                while word:
                    r = top + lowest(word)
                    word &= word - np.uint64(1)
                    g = tile_fma(m, n, g, A, a + r * w.a_row + x, 1, D, d + r * L, step.stride)
            g = tile_finish(g)
            if applied:
                apply_rule(n, g, stride, memory.H, memory.h, memory.shaping, P, p, S, p, len(P), P, p)
            else:
                tile_store(m, n, g, memory.gradient, p, stride)
        if applied and w.transposed:
            panels = (w.n_out + L - 1) // L
            for q in range(n):
                block_transpose(P, first + q * stride, memory.transposed, w.T + (j * panels + i + q) * L * L, False)

    return line_without_zeros


@njit(**INLINE)
def group_at(groups, panels, number):
    """Return the first panel of group `number`, and its place in `groups`. For number -1, return how many there are."""
    i, count = 0, 0
    for g in range(len(groups)):
        while i + groups[g].panels <= panels:
            if count == number:
                return i, g
            i, count = i + groups[g].panels, count + 1
    return count, 0


def learn_without_zeros(dtype, rule, shaped: bool):
    """Return the operation `learn` for inputs of which many are 0. It has a WEIGHTS record with kernels of the rule."""
    biases, find = biases_of(True, rule), memory_of(dtype, shaped)

    @njit(**OPTIONS)
    def learn_without_zeros(address, record, t, first, last):
        """Sum the gradient, and apply the rule to it, for the share of thread t.

        Unit u of the layer is line u // count of the inputs, and group u % count of the panels of W.
        """
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        b, D, groups = record_at(w.b, BLOCK), vector_at(w.delta, dtype), array_at(w.groups, w.group_count, GROUP)
        memory, L, resume = find(step, record_at(w.update, UPDATE), b), lanes(D), step.begins == 0
        high, panels = (w.n_in + L - 1) // L, (w.n_out + L - 1) // L
        count = group_at(groups, panels, -1)[0]
        first, last = divide(high * count, t, step.threads)
        for unit in range(first, last):
            j = unit // count
            i, g = group_at(groups, panels, unit % count)
            call(groups[g].kernel, (address, record, t, j, i, 0))
            if j == 0 and w.biased:
                for q in range(i, i + groups[g].panels):
                    biases(D, q * step.stride, step.rows, memory, b.at + q * L, resume)

    return learn_without_zeros
