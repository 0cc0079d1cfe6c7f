"""This module sums the gradient dC/dw_ij = delta_i a_j over the minibatch, and updates the parameters with it.

The unit of work is a block of lanes x lanes weights. It consists of the rows j .. j + lanes - 1 of panel i of W. It is
contiguous in W, and its transpose is contiguous in the copy for the backward pass. The gradient of a block is summed in
registers. For each weight, this is one chain of multiply-adds in the order of the samples. There are two operations on
the WEIGHTS record of a layer, and all ways to combine them give the same bits:

- `learn` sums the gradient and applies the update rule to it in registers. The gradient is never written to memory.
  Without a rule, it is: if a minibatch has several parts, `learn` adds to what is there.
- `apply` applies the rule to the gradient in memory.

All layers are divided over the threads as one row of blocks. A block costs as much as the sum over its rows, and
`EXTRA` or `EXTRA_TRANSPOSED` rows more for the update. So a layer knows what the layers before it cost.

If several layers use one matrix of weights, its gradient is the sum over all uses, which is one longer chain. The other
layers then only have biases of their own: `learn_biases` and `apply_biases`.

Afterwards, `norms` and `shrink` bound the norm of the gradient, `bound` bounds the weights that lead into each unit,
and `average` moves the average of the parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .loop import divide
from .simd import INLINE, OPTIONS
from .simd.formulas import elementwise
from .simd.memory import array_at, fence, fetch_to_change, lanes, load, record_at, splat, store, vector_at
from .simd.tiles import (
    block,
    block_rows,
    block_store,
    block_transpose,
    tile_finish,
    tile_fma,
    tile_load,
    tile_store,
    tile_update,
    tile_zero,
)
from .simd.vector import fma, maximum, minimum, sqrt, where
from .structs import BLOCK, STEP, UPDATE, USE, WEIGHTS

EXTRA, EXTRA_TRANSPOSED = 4, 12
"""What the update of a block costs, without and with a transposed copy, in units of the sum over one row."""

NORM_CHUNK = 4096
"""The number of values of the gradient whose squares are summed together. It is fixed, so that the norm does not depend
on the number of threads."""

shrinking = elementwise(lambda square, most: where(square > most * most, most / sqrt(square), 1.0), 2)


def shape(g, theta, shrink, clip_value, l1, l2):
    """Return min(max(g shrink, -clip_value), clip_value) + l1 sign(theta) + l2 theta, the gradient for a rule."""
    g = minimum(maximum(g * shrink, -clip_value), clip_value)
    return fma(l2, theta, g) + l1 * where(theta > 0.0, 1.0, where(theta < 0.0, -1.0, theta))


class Memory(NamedTuple):
    """`Memory` is what an update reads and writes: vectors like theta, and the hyperparameters from H[h] on.

    `shaping` holds the last arguments of `shape`. It is empty if the rule gets the gradient as it is.
    """

    theta: np.ndarray
    vectors: np.ndarray
    gradient: np.ndarray
    transposed: np.ndarray
    H: np.ndarray
    h: int
    shaping: tuple


def memory_of(dtype, shaped: bool):
    """Return the function that finds the `Memory` of a BLOCK record."""

    @njit(**INLINE)
    def memory_of(step, u, p):
        """Return the `Memory` of a block of parameters p in this minibatch."""
        if shaped:
            divisor = step.batch_weight if u.l2_divided and step.batch_weight > 0.0 else 1.0
            shaping = (u.shrink, u.clip_value, p.l1, p.l2 / divisor)
        else:
            shaping = ()
        return Memory(
            array_at(u.theta, u.size, dtype), vector_at(u.vectors, dtype), vector_at(u.gradient, dtype),
            vector_at(u.transposed, dtype), vector_at(p.hyper, dtype), (step.number - u.hyper_first) * u.hyper_width,
            shaping,
        )  # fmt: skip

    return memory_of


class Others(NamedTuple):
    """`Others` holds the other uses of a block of weights: row j and panel i of a matrix."""

    uses: np.ndarray
    j: int
    i: int
    rows: int


def _weights(dtype, summed: bool, rule, tied: bool):
    """Return the kernel for a block of weights.

    Parameters
    ----------
    dtype : dtype
        The dtype of the network.
    summed : bool
        Whether the kernel sums the gradient. If not, it reads the gradient from memory.
    rule : Optimizer or None
        The rule that the kernel applies. With None, it writes the gradient to memory.
    tied : bool
        Whether other layers use the weights too.
    """
    applied = rule is not None
    apply_rule = tile_update(rule, shape)

    @njit(**OPTIONS)
    def weights(A, a, D, d, rows, memory, p, t, resume, stream, others):
        """dC/dW[j, i] = sum_r A[r, j] delta[r, i] over r < rows, and the update of W and its state   (000, 004).

        Parameters
        ----------
        A, a : vector and int
            The activations: line a + r lanes of A holds the a_j of row r.
        D, d : vector and int
            The deltas: line d + r lanes of D holds the delta_i of row r.
        rows : int
            The number of rows of the part.
        memory : Memory
            The vectors to read and write.
        p, t : int
            The position of the block in theta, and of its transpose in the copy. If t < 0, there is no transpose.
        resume : bool
            Whether the sum continues from the gradient in memory.
        stream : bool
            Whether the weights are written to memory past the caches of this core, because other cores read them next.
            A core that writes a line which other cores have read waits 7 ns for it on Zen 4, however early it asks for
            the line. This was 15 % of a step of 784-128-10 on 2 cores.
        others : Others
            The other uses of the weights, or an empty tuple.
        """
        P, S, T, L, new = memory.theta, memory.vectors, memory.transposed, lanes(A), block(A)
        height = block_rows(A)
        for j in range(0, L, height):
            if resume:
                g = tile_load(block_rows(A), 1, memory.gradient, p + j * L, 0)
            else:
                g = tile_zero(block_rows(A), 1, A)
            if summed:
                # The lines that the update will change are fetched during the sum, one after each row. Fetching all of
                # them at once slowed the sum down, and fetching none cost 5 % of a step at 2048 x 2048. To fetch an
                # address without memory does no harm.
                fetching = min(rows, height) * L if applied else 0
                for r in range(0, fetching, L):
                    fetch_to_change(P, p + j * L + r)
                    fetch_to_change(S, p + j * L + r)
                    fetch_to_change(T, t + j * L + r)
                    g = tile_fma(block_rows(A), 1, g, A, a + j + r, 1, D, d + r, 0)
                for r in range(fetching, rows * L, L):
                    g = tile_fma(block_rows(A), 1, g, A, a + j + r, 1, D, d + r, 0)
                if tied:
                    for use in others.uses:
                        B, E = vector_at(use.a, dtype), vector_at(use.delta, dtype)
                        b, e = others.j * use.a_panel + j, others.i * use.delta_panel
                        for r in range(0, others.rows * L, L):
                            g = tile_fma(block_rows(A), 1, g, B, b + r, 1, E, e + r, 0)
                g = tile_finish(g)
            if applied:
                at = p + j * L
                apply_rule(1, g, L, memory.H, memory.h, memory.shaping, P, at, S, at, len(P), new, j * L)
            else:
                tile_store(block_rows(A), 1, g, memory.gradient, p + j * L, 0)
        if applied:
            block_store(new, P, p, stream)
            if t >= 0:
                block_transpose(new, 0, T, t, stream)

    return weights


def biases_of(summed: bool, rule):
    """Return the kernel for a panel of biases. The parameters are those of `_weights`."""
    applied = rule is not None
    apply_rule = tile_update(rule, shape)

    @njit(**OPTIONS)
    def biases(D, d, rows, memory, b, resume):
        """dC/db_i = sum_r delta[r, i] over r < rows, for one panel of b, and the update of b and its state with it."""
        P, S, L = memory.theta, memory.vectors, lanes(D)
        if resume:
            g = tile_load(1, 1, memory.gradient, b, 0)
        else:
            g = tile_zero(1, 1, D)
        if summed:
            for r in range(d, d + rows * L, L):
                g = (g[0] + load(D, r),)
        if applied:
            apply_rule(1, g, L, memory.H, memory.h, memory.shaping, P, b, S, b, len(P), P, b)
        else:
            tile_store(1, 1, g, memory.gradient, b, 0)

    return biases


def _over_blocks(dtype, summed: bool, rule, shaped: bool, tied: bool = False):
    """Return the operation that works on the blocks of weights and the panels of biases of a layer."""
    weights, biases, find = _weights(dtype, summed, rule, tied), biases_of(summed, rule), memory_of(dtype, shaped)

    @njit(**OPTIONS)
    def over_blocks(address, record, t, first, last):
        """Sum the gradient, apply the rule, or do both, for the blocks of thread t."""
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        u, W, b = record_at(w.update, UPDATE), record_at(w.W, BLOCK), record_at(w.b, BLOCK)
        rows, resume = (step.rows, step.begins == 0) if summed else (0, True)
        of_weights, of_biases = find(step, u, W), find(step, u, b)
        A, D = vector_at(w.a, dtype), vector_at(w.delta, dtype)
        L, stream = lanes(A), step.threads > 1
        high, panels = (w.n_in + L - 1) // L, (w.n_out + L - 1) // L
        sums = w.sums if tied else 1
        each, before = sums * rows + (EXTRA_TRANSPOSED if w.transposed else EXTRA), w.before * rows + w.before_extra
        first, last = divide(w.total * rows + w.total_extra, t, step.threads)
        first, last = (
            max((first - before + each - 1) // each, 0),
            min((last - before + each - 1) // each, high * panels),
        )
        for unit in range(first, last):
            # Each thread gets a range of the longer side, so it reads less of what other threads have written.
            j, i = (unit // panels, unit % panels) if high > panels else (unit % high, unit // high)
            p, at = W.at + (i * high + j) * L * L, w.T + (j * panels + i) * L * L if w.transposed else -1
            if tied:
                others, own = Others(array_at(w.uses, w.use_count, USE), j, i, rows), 0 if w.resumes else rows
                onward = resume or w.resumes != 0
            else:
                others, own, onward = (), rows, resume
            weights(A, j * w.a_panel, D, i * step.stride, own, of_weights, p, at, onward, stream, others)
            if j == 0 and w.biased:
                biases(D, i * step.stride, rows, of_biases, b.at + i * L, resume)
        if stream:
            fence()

    return over_blocks


def learn(dtype, rule, shaped: bool, tied: bool = False):
    """Return the operation that sums the gradient and applies a rule to it in registers.

    With `shaped`, the rule gets what `shape` makes of the gradient. Without a rule, the gradient is written to memory.
    With `tied`, other layers use the weights too.
    """
    return _over_blocks(dtype, True, rule, shaped, tied)


def apply(dtype, rule, shaped: bool):
    """Return the operation that applies a rule to the gradient in memory. The parameters are those of `learn`."""
    return _over_blocks(dtype, False, rule, shaped)


def _over_biases(dtype, summed: bool, rule, shaped: bool):
    """Return the operation that works on the panels of biases of a layer. It has a WEIGHTS record."""
    biases, find = biases_of(summed, rule), memory_of(dtype, shaped)

    @njit(**OPTIONS)
    def over_biases(address, record, t, first, last):
        """Sum the gradient, apply the rule, or do both, for the panels of thread t."""
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        b, D = record_at(w.b, BLOCK), vector_at(w.delta, dtype)
        memory, L, rows = find(step, record_at(w.update, UPDATE), b), lanes(D), step.rows if summed else 0
        first, last = divide((w.n_out + L - 1) // L, t, step.threads)
        for i in range(first, last):
            biases(D, i * step.stride, rows, memory, b.at + i * L, not summed or step.begins == 0)

    return over_biases


def learn_biases(dtype, rule, shaped: bool):
    """Return the operation `learn` for biases alone."""
    return _over_biases(dtype, True, rule, shaped)


def apply_biases(dtype, rule, shaped: bool):
    """Return the operation `apply` for biases alone."""
    return _over_biases(dtype, False, rule, shaped)


def norms(dtype):
    """Return the operation that sums the squares of the gradient. It has the UPDATE record."""

    @njit(**OPTIONS)
    def norms(address, record, t, first, last):
        """norms[c] = sum_i gradient[i]^2 over chunk c, in a fixed order, for the chunks of thread t."""
        step, u = record_at(address, STEP), record_at(record, UPDATE)
        g, sums = array_at(u.gradient, u.size, dtype), vector_at(u.norms, np.float64)
        L, partial = lanes(g), block(g)
        first, last = divide(u.norm_count, t, step.threads)
        for c in range(first, last):
            total = 0.0
            store(partial, 0, splat(g, 0.0))
            for i in range(c * NORM_CHUNK, min((c + 1) * NORM_CHUNK, len(g)), L):
                store(partial, 0, load(partial, 0) + load(g, i) * load(g, i))
            for i in range(L):
                total += partial[i]
            sums[c] = total

    return norms


@njit(**OPTIONS)
def shrink(address, record, t, first, last):
    """shrink = min(1, clip_norm / ||gradient||), the factor that bounds the norm of the gradient."""
    u, total = record_at(record, UPDATE), 0.0
    sums = vector_at(u.norms, np.float64)
    for c in range(u.norm_count):
        total += sums[c]
    u.shrink = min(1.0, u.clip_norm / (math.sqrt(total) + 1e-6))


@njit(**OPTIONS)
def _bound_panel(W, w, n_in, most, T, t, t_stride, stream):
    """W_:i *= min(1, most / ||W_:i||) for the columns of one panel. A column holds the weights that lead into one unit.

    The panel is at position w of W, and has n_in rows. The transposes of its blocks are at positions t, t + t_stride,
    ... of T; if t < 0, there are none. The argument `stream` is that of `_weights`.
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
            block_transpose(b, 0, T, t + j // (L * L) * t_stride, stream)


def bound(dtype):
    """Return the operation that bounds the norm of the weights into each unit of a layer (Srivastava et al. 2014).

    It has a WEIGHTS record.
    """

    @njit(**OPTIONS)
    def bound(address, record, t, first, last):
        """W_:i *= min(1, max_norm / ||W_:i||) for the panels of thread t."""
        step, w = record_at(address, STEP), record_at(record, WEIGHTS)
        u, W = record_at(w.update, UPDATE), record_at(w.W, BLOCK)
        P, T = vector_at(u.theta, dtype), vector_at(u.transposed, dtype)
        L, stream = lanes(P), step.threads > 1
        high, panels = (w.n_in + L - 1) // L, (w.n_out + L - 1) // L
        first, last = divide(panels, t, step.threads)
        for i in range(first, last):
            at = w.T + i * L * L if w.transposed else -1
            _bound_panel(P, W.at + i * high * L * L, w.n_in, u.max_norm, T, at, panels * L * L, stream)
        if stream:
            fence()

    return bound


def average(dtype):
    """Return the operation that moves the average of the parameters. It has the UPDATE record."""

    @njit(**OPTIONS)
    def average(address, record, t, first, last):
        """E <- E + rate (theta - E) for the share of thread t. The first steps go further, see `Average.warm_up`."""
        step, u = record_at(address, STEP), record_at(record, UPDATE)
        P, E = vector_at(u.theta, dtype), vector_at(u.average, dtype)
        n = step.number - u.average_first + 1
        L, rate = lanes(P), splat(P, max(u.rate, u.warm_up / (u.warm_up + n)))
        first, last = divide(u.size // L, t, step.threads)
        for i in range(first * L, last * L, L):
            store(E, i, load(E, i) + rate * (load(P, i) - load(E, i)))

    return average
