"""This module has the operations of the first layer for sparse matrices (CSR): copying rows, the product, the gradient.

A part of a minibatch is a list of entries, row after row, and nothing is done for inputs that it does not contain. The
results have the same bits as those of a dense matrix with the same values; `product.py` says why.

For the gradient, the entries of each column are linked. A thread owns some columns, goes through all rows from the last
to the first, and puts each entry of its columns in front of the entries of its column. So the entries of a column end
up in the order of the rows, as the sum needs them. This takes a time for each entry, and none for a column without one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .inputs import order_of, sample
from .loop import divide
from .product import operands
from .random import row_key, scramble, survive, uniform
from .simd import INLINE, OPTIONS
from .simd.memory import FLOAT32, UINT8, fetch, fetch_to_change, lanes, record_at, splat, store, vector_at
from .simd.target import TILES_WITHOUT_ZEROS
from .simd.tiles import block, tile_fill, tile_finish, tile_fma, tile_load, tile_store, tile_update, tile_zero
from .structs import AHEAD, BLOCK, LISTS, MATRIX, NONE, OWNED, PRODUCT, STEP, UPDATE, WEIGHTS
from .update import biases_of, memory_of, shape

GROUPS = tuple(n for n, _, _ in TILES_WITHOUT_ZEROS)
"""The numbers of panels of the groups, from the largest to the smallest."""

LINKED_AHEAD = 32
"""The number of entries whose columns are fetched before they are linked."""

ROWS_AHEAD = 4
"""The number of rows whose entries are fetched before they are copied."""


class Lists(NamedTuple):
    """`Lists` has the entries of a part. Row r has the entries first[r] <= e < first[r + 1], in order of columns."""

    first: np.ndarray
    column: np.ndarray
    value: np.ndarray
    row: np.ndarray


class Entries(NamedTuple):
    """`Entries` has the numbers of a sparse matrix of the user, and their columns, in each dtype that they may have.

    Only one vector of numbers, and one of columns, has memory. `kind` and `wide` say which.
    """

    kind: int
    wide: bool
    columns: int
    bytes: np.ndarray
    singles: np.ndarray
    doubles: np.ndarray
    short: np.ndarray
    long: np.ndarray


@njit(**INLINE)
def entries_of(m):
    """Return the `Entries` of a MATRIX record."""
    return Entries(
        m.kind, m.wide != 0, m.columns, vector_at(m.source, np.uint8), vector_at(m.source, np.float32),
        vector_at(m.source, np.float64), vector_at(m.indices, np.int32), vector_at(m.indices, np.int64),
    )  # fmt: skip


@njit(**INLINE)
def number(entries, e):
    """Return number e of a sparse matrix."""
    if entries.kind == FLOAT32:
        return np.float64(entries.singles[e])
    if entries.kind == UINT8:
        return np.float64(entries.bytes[e])
    return entries.doubles[e]


@njit(**INLINE)
def column_of(entries, e):
    """Return the column of entry e of a sparse matrix, or -1 if the matrix has no such column.

    The indices have been checked, but the user may have changed them since then.
    """
    j = entries.long[e] if entries.wide else np.int64(entries.short[e])
    return j if 0 <= j < entries.columns else NONE


def lists_of(dtype):
    """Return the function that finds the `Lists` of a part."""

    @njit(**INLINE)
    def lists_of(step):
        """Return the `Lists` of the part that the threads work on."""
        found = record_at(step.lists, LISTS)
        return Lists(
            vector_at(found.first, np.int64), vector_at(found.column, np.int32), vector_at(found.value, dtype),
            vector_at(found.row, np.int32),
        )  # fmt: skip

    return lists_of


@njit(**INLINE)
def fetch_row(entries, starts, i):
    """Fetch the entries of row i, which lies anywhere in a large matrix."""
    e, end = starts[i], starts[i + 1]
    while e < end:
        if entries.wide:
            fetch(entries.long, e)
        else:
            fetch(entries.short, e)
        if entries.kind == FLOAT32:
            fetch(entries.singles, e)
        elif entries.kind == UINT8:
            fetch(entries.bytes, e)
        else:
            fetch(entries.doubles, e)
        e += 8


def gather_entries(dtype):
    """Return the operation that copies rows of a sparse matrix into lists, with dropout. It has a MATRIX record."""
    find = lists_of(dtype)

    @njit(**OPTIONS)
    def gather_entries(address, record, t, first, last):
        """A_rj = X_ij scale_j for the entries of row i = order[start + r], for the rows first <= r < last."""
        step, m = record_at(address, STEP), record_at(record, MATRIX)
        order, starts, scale, entries = order_of(step), vector_at(m.starts, np.int64), m.scale, entries_of(m)
        start = step.start
        lists, scaled, rate, to = find(step), m.scaled, record_at(step.lists, LISTS).dropout, 0
        random = block(lists.value)
        for r in range(first):
            i = sample(order, start, r)
            to += starts[i + 1] - starts[i]
        for r in range(first, last):
            if r + ROWS_AHEAD < last:
                fetch_row(entries, starts, sample(order, start, r + ROWS_AHEAD))
            i = sample(order, start, r)
            key = scramble(row_key(step.seed, step.number, 0, step.offset + r))
            lists.first[r] = to
            for e in range(starts[i], starts[i + 1]):
                j = column_of(entries, e)
                x = dtype(number(entries, e))
                if scaled:  # reading 1.0 from a large vector would take as long as reading the weights
                    x *= vector_at(scale, dtype)[max(j, 0)]
                if rate > 0.0:
                    u = uniform(lists.value, key, j + entries.columns)
                    store(random, 0, survive(u, splat(lists.value, rate)))
                    x *= random[0]
                lists.column[to], lists.value[to], lists.row[to] = max(j, 0), x if j >= 0 else dtype(0), r
                to += 1
        lists.first[last] = to

    return gather_entries


def spread_entries(dtype):
    """Return the operation that copies rows of a sparse matrix into panels. It has a MATRIX record."""

    @njit(**OPTIONS)
    def spread_entries(address, record, t, first, last):
        """A_rj = X_ij for the rows i = order[start + r], for the rows first <= r < last."""
        step, m = record_at(address, STEP), record_at(record, MATRIX)
        order, starts, A = order_of(step), vector_at(m.starts, np.int64), vector_at(m.panels, dtype)
        start = step.start
        entries, L = entries_of(m), lanes(A)
        for r in range(first, last):
            i = sample(order, start, r)
            for p in range(0, (m.columns + L - 1) // L * m.panel, m.panel):
                store(A, p + r * L, splat(A, 0.0))
            for e in range(starts[i], starts[i + 1]):
                j = column_of(entries, e)
                if j >= 0:
                    A[j // L * m.panel + r * L + j % L] = number(entries, e)

    return spread_entries


def of_entries(dtype, n: int):
    """Return the kernel of the product for a group of n panels and lists of entries."""
    find, lists_at = operands(dtype), lists_of(dtype)

    @njit(**OPTIONS)
    def of_entries(address, record, t, first, last, i):
        """Z_ri = sum_j A_rj W_ji + B_i for the rows first <= r < last, over the entries of row r."""
        step = record_at(address, STEP)
        lists, (_, W, B, Z) = lists_at(step), find(step, record_at(record, PRODUCT), i)
        L = lanes(Z.data)
        for r in range(first, last):
            tile = tile_fill(1, n, B.data, B.at, B.panel)
            for e in range(lists.first[r], lists.first[r + 1]):
                for p in range(n):
                    fetch(W.data, W.at + lists.column[e + AHEAD] * L + p * W.panel)
                w = W.at + lists.column[e] * L
                tile = tile_fma(1, n, tile, lists.value, e, 0, W.data, w, W.panel)
            tile_store(1, n, tile_finish(tile), Z.data, Z.at + r * L, Z.panel)

    return of_entries


def _weights(sizes: tuple, rule):
    """Return the function that works on the weights of one input, for all panels from one on.

    The panels are taken in groups of these sizes. Without a rule, the function writes the gradient to memory.
    """
    n, applied = sizes[0], rule is not None
    others, apply_rule = _weights(sizes[1:], rule) if sizes[1:] else None, tile_update(rule, shape)

    @njit(**INLINE)
    def weights(lists, next, head, D, stride, memory, W, p_stride, i, panels, resume):
        """dC/dW_ji = sum_r A_rj delta_ri over the entries of input j, and the update of W and its state   (000, 004).

        The entries are `head`, next[head], ..., up to a number below 0. W is the position of W_j. Panels of delta are
        `stride` values apart, and panels of W are `p_stride` values apart.
        """
        P, S, L = memory.theta, memory.vectors, lanes(D)
        while i + n <= panels:
            p, d, e = W + i * p_stride, i * stride, head
            if resume:
                g = tile_load(1, n, memory.gradient, p, p_stride)
            else:
                g = tile_zero(1, n, D)
            while e >= 0:
                g = tile_fma(1, n, g, lists.value, e, 0, D, d + lists.row[e] * L, stride)
                e = next[e]
            g = tile_finish(g)
            if applied:
                apply_rule(n, g, p_stride, memory.H, memory.h, memory.shaping, P, p, S, p, len(P), P, p)
            else:
                tile_store(1, n, g, memory.gradient, p, p_stride)
            i += n
        if others is not None:
            others(lists, next, head, D, stride, memory, W, p_stride, i, panels, resume)

    return weights


@njit(**OPTIONS)
def link(lists, next, heads, rows, t, threads):
    """Link the entries of each column of thread t, and return the last entry of the column that was found last.

    The entries of column j are heads[j], next[heads[j]], ... For the last entry e of a column, next[e] is below 0, and
    -2 - next[e] is the last entry of the column that was found before, or -1.
    """
    found = NONE
    for e in range(lists.first[rows] - 1, NONE, -1):
        fetch_to_change(heads, lists.column[max(e - LINKED_AHEAD, 0)])
        j = lists.column[e]
        if threads > 1 and j // OWNED % threads != t:
            continue
        if heads[j] < 0:
            next[e], found = -2 - found, e
        else:
            next[e] = heads[j]
        heads[j] = e
    return found


def learn_entries(dtype, rule, shaped: bool, lazy: bool):
    """Return the operation `learn` of the first layer for lists of entries. It has a WEIGHTS record.

    With `lazy`, the weights of columns without entries stay as they are, whatever the rule does if a gradient is 0.
    """
    weights, biases, find = _weights(GROUPS, rule), biases_of(True, rule), memory_of(dtype, shaped)
    lists_at, still = lists_of(dtype), lazy or (rule is not None and rule.still and not shaped)

    @njit(**OPTIONS)
    def learn_entries(address, record, t, first, last):
        """Sum the gradient, and apply the rule to it, for the columns of thread t.

        If a gradient of 0 changes nothing, only the columns with entries are visited.
        """
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        u, W, b = record_at(w.update, UPDATE), record_at(w.W, BLOCK), record_at(w.b, BLOCK)
        memory, of_biases, rows, fresh = find(step, u, W), find(step, u, b), step.rows, step.begins != 0
        lists, D, stride = lists_at(step), vector_at(w.delta, dtype), step.stride
        linked = record_at(step.lists, LISTS)
        next, heads = vector_at(linked.next, np.int32), vector_at(linked.heads, np.int32)
        L = lanes(D)
        high, panels = (w.n_in + L - 1) // L, (w.n_out + L - 1) // L
        to = high * L * L
        found = link(lists, next, heads, rows, t, step.threads)
        some, ahead, before, count = still or not fresh, found, NONE, 0
        for _ in range(AHEAD):
            ahead = NONE if ahead < 0 else last_of(next, ahead)
        while True:
            if some:  # only columns with entries
                if found < 0:
                    break
                j, before = np.int64(lists.column[found]), last_of(next, found)
                if ahead >= 0:
                    for p in range(panels):
                        fetch_to_change(memory.theta, W.at + np.int64(lists.column[ahead]) * L + p * to)
                    ahead = last_of(next, ahead)
            else:
                j, count = (count // OWNED * step.threads + t) * OWNED + count % OWNED, count + 1
                if j >= high * L:
                    break
            weights(lists, next, heads[j], D, stride, memory, W.at + j * L, to, 0, panels, not fresh)
            heads[j], found = NONE, before
        first_panel, last_panel = divide(panels, t, step.threads)
        for p in range(first_panel, last_panel if w.biased else first_panel):
            biases(D, p * stride, rows, of_biases, b.at + p * L, not fresh)

    return learn_entries


@njit(**INLINE)
def last_of(next, e):
    """Return the last entry of the column that was found before the column whose last entry is e, or -1."""
    return -2 - next[e]
