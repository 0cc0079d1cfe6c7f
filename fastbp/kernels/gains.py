"""This module has gains and offsets, out_ri = gain_i x_ri + offset_i: it sums their gradient and updates them with it.

The gradient is dC/dgain_i = sum_r delta_ri x_ri and dC/doffset_i = sum_r delta_ri, with delta = dC/dout.
"""

from __future__ import annotations

from numba import njit

from .loop import divide
from .simd import OPTIONS
from .simd.memory import lanes, load, record_at, store, vector_at
from .simd.tiles import tile_finish, tile_load, tile_multiply_add, tile_store, tile_update, tile_zero
from .structs import BLOCK, GAINS, STEP, UPDATE
from .update import biases_of, memory_of, shape


def scale(dtype):
    """Return the operation out = gain * a. It has a GAINS record."""

    @njit(**OPTIONS)
    def scale(address, record, t, first, last):
        """out_ri = gain_i x_ri for the rows first <= r < last."""
        step, w = record_at(address, STEP), record_at(record, GAINS)
        theta, gain = vector_at(w.theta, dtype), record_at(w.gain, BLOCK).at
        X, out = vector_at(w.x, dtype), vector_at(w.out, dtype)
        L = lanes(X)
        for i in range((w.columns + L - 1) // L):
            for r in range(i * step.stride + first * L, i * step.stride + last * L, L):
                store(out, r, load(X, r) * load(theta, gain + i * L))

    return scale


def _over_panels(dtype, summed: bool, rule, shaped: bool):
    """Return the operation that works on all panels of gains and offsets. It has a GAINS record."""
    applied, apply_rule = rule is not None, tile_update(rule, shape)
    offsets, find = biases_of(summed, rule), memory_of(dtype, shaped)

    @njit(**OPTIONS)
    def over_panels(address, record, t, first, last):
        """Sum the gradient, apply the rule, or do both, for the panels of thread t."""
        step, w = record_at(address, STEP), record_at(record, GAINS)
        u, gain, offset = record_at(w.update, UPDATE), record_at(w.gain, BLOCK), record_at(w.offset, BLOCK)
        X, D, memory = vector_at(w.x, dtype), vector_at(w.delta, dtype), find(step, u, gain)
        P, S, L, resume = memory.theta, memory.vectors, lanes(D), not summed or step.begins == 0
        first, last = divide((w.columns + L - 1) // L, t, step.threads)
        for i in range(first, last):
            at, d = gain.at + i * L, i * step.stride
            if resume:
                g = tile_load(1, 1, memory.gradient, at, 0)
            else:
                g = tile_zero(1, 1, D)
            if summed:
                for r in range(d, d + step.rows * L, L):
                    g = tile_multiply_add(g, D, r, X, r)
                g = tile_finish(g)
            if applied:
                apply_rule(1, g, L, memory.H, memory.h, memory.shaping, P, at, S, at, len(P), P, at)
            else:
                tile_store(1, 1, g, memory.gradient, at, 0)
            if w.offsets:
                offsets(D, d, step.rows, find(step, u, offset), offset.at + i * L, resume)

    return over_panels


def learn_gains(dtype, rule, shaped: bool):
    """Return the operation `learn` for gains, see `update.py`. It has a GAINS record."""
    return _over_panels(dtype, True, rule, shaped)


def apply_gains(dtype, rule, shaped: bool):
    """Return the operation `apply` for gains, see `update.py`. It has a GAINS record."""
    return _over_panels(dtype, False, rule, shaped)
