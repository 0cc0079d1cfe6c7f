"""Elementwise: a = sigma(z) in place, and delta *= da/dz, for the panels of a layer.

The formulas of sigma come from above, as plain functions of vectors (`fastbp.activations`). A kernel is compiled when a
network uses it, and is called as ``kernel(step, layer, k, t, first, last, i)`` for the rows first <= r < last of part k
and TILE_PANELS panels from panel i on: as long as the product that has just written these is in the cache.
"""

from __future__ import annotations

from numba import njit

from .columns import from_columns, softmax, softmax_back, to_columns
from .random import row_key, survive, uniform
from .records import FOLLOWER, LAYER, STEP, row_in_batch, step_number
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.memory import call, keep, lanes, load, record_at, splat, store, vector_at
from .simd.target import TILE_PANELS
from .simd.tiles import spread


def activate(dtype, activation, kept: bool, dropped: bool):
    """The kernel a = sigma(z) of an activation.

    Parameters
    ----------
    activation : object
        With the formulas `value(z, *parameters)` and `derivative(x, *parameters)`, where x is z if `of_z`, else a; and
        `parameter_count`.
    kept : whether da/dz is kept for the way back: where it is written in terms of z, or units are dropped.
    dropped : whether some of the outputs are dropped   (Srivastava et al. 2014).
    """
    value, prime, of_z = elementwise(activation.value, 2), elementwise(activation.derivative, 2), activation.of_z
    count = activation.parameter_count

    @njit(**OPTIONS)
    def activate(address, record, k, t, first, last, i):
        """a = sigma(z) in place; with dropout, a *= mask."""
        step, layer = record_at(address, STEP), record_at(record, LAYER)
        A, slopes = vector_at(layer.a_out, dtype), vector_at(layer.slope, dtype)
        L, parameters = lanes(A), spread(count, vector_at(layer.parameters, dtype))
        n_out, rate, stride = layer.n_out, splat(A, layer.dropout), step.stride
        for panel in range(i, min(i + TILE_PANELS, (n_out + L - 1) // L)):
            at = panel * stride
            for r in range(first, last):
                m = at + r * L
                z = load(A, m)
                a = value(z, parameters)
                if kept:
                    slope = prime(z if of_z else a, parameters)
                if dropped:
                    key = row_key(step.seed, step_number(step, k), layer.number, row_in_batch(step, k, r))
                    mask = survive(uniform(A, key, panel * L), rate)
                    a, slope = a * mask, slope * mask
                if kept:
                    store(slopes, m, slope)
                store(A, m, keep(a, n_out - panel * L, 0.0))

    return activate


def differentiate(dtype, activation):
    """The kernel delta *= sigma'(z) of an activation whose derivative is written in terms of a."""
    prime, count = elementwise(activation.derivative, 2), activation.parameter_count

    @njit(**OPTIONS)
    def differentiate(address, record, k, t, first, last, i):
        """delta *= da/dz."""
        step, layer = record_at(address, STEP), record_at(record, LAYER)
        A, D = vector_at(layer.a_out, dtype), vector_at(layer.delta, dtype)
        L, parameters = lanes(A), spread(count, vector_at(layer.parameters, dtype))
        for panel in range(i, min(i + TILE_PANELS, (layer.n_out + L - 1) // L)):
            at = panel * step.stride
            for m in range(at + first * L, at + last * L, L):
                store(D, m, load(D, m) * prime(load(A, m), parameters))

    return differentiate


def differentiate_kept(dtype):
    """The kernel delta *= da/dz of every layer that has kept da/dz on the way forward."""

    @njit(**OPTIONS)
    def differentiate_kept(address, record, k, t, first, last, i):
        """delta *= da/dz."""
        step, layer = record_at(address, STEP), record_at(record, LAYER)
        slopes, D = vector_at(layer.slope, dtype), vector_at(layer.delta, dtype)
        L = lanes(D)
        for panel in range(i, min(i + TILE_PANELS, (layer.n_out + L - 1) // L)):
            at = panel * step.stride
            for m in range(at + first * L, at + last * L, L):
                store(D, m, load(D, m) * load(slopes, m))

    return differentiate_kept


def softmax_activate(dtype):
    """The kernel a = softmax(z). It needs whole rows, so it waits for their last panels."""

    @njit(**OPTIONS)
    def softmax_activate(address, record, k, t, first, last, i):
        """a = softmax(z) in place   (003)."""
        step, layer = record_at(address, STEP), record_at(record, LAYER)
        A, C, c = vector_at(layer.a_out, dtype), vector_at(step.scratch, dtype), t * step.room
        L, n_out = lanes(A), layer.n_out
        if (i + TILE_PANELS) * L < n_out:
            return
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, r * L, step.stride, n_out, count, C, c)
            softmax(C, c, c, n_out)
            from_columns(C, c, A, r * L, step.stride, n_out, count)

    return softmax_activate


def softmax_differentiate(dtype):
    """The kernel delta_i = a_i (g_i - sum_k g_k a_k) for g = dC/da and a = softmax(z), of whole rows."""

    @njit(**OPTIONS)
    def softmax_differentiate(address, record, k, t, first, last, i):
        """delta = (da/dz)^T dC/da in place   (003)."""
        step, layer = record_at(address, STEP), record_at(record, LAYER)
        A, D, C = vector_at(layer.a_out, dtype), vector_at(layer.delta, dtype), vector_at(step.scratch, dtype)
        L, n_out, c = lanes(A), layer.n_out, t * step.room
        if (i + TILE_PANELS) * L < n_out:
            return
        delta = c + (n_out + L - 1) // L * L * L
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, r * L, step.stride, n_out, count, C, c)
            to_columns(D, r * L, step.stride, n_out, count, C, delta)
            softmax_back(C, c, delta, n_out)
            from_columns(C, delta, D, r * L, step.stride, n_out, count)

    return softmax_differentiate


@njit(**OPTIONS)
def follow(address, record, k, t, start, first, last):
    """The operation that applies a layer's follower to all of its panels, with a FOLLOWER record: the derivative of
    the output, which no product of the way back comes before."""
    p = record_at(record, FOLLOWER)
    for i in range(0, p.panels, TILE_PANELS):
        call(p.follower, (address, p.layer, k, t, first, last, i))
