"""This module applies activation functions and their derivatives to the panels of a layer.

The formulas of sigma come from the caller, as plain functions of vectors (`fastbp.activations`). A kernel is called as
``kernel(step, record, t, first, last, i)``. It works on the rows first <= r < last, and on TILE_PANELS
panels from panel i on. It is called directly after the product that has written these panels, while they are in the
cache.
"""

from __future__ import annotations

from numba import njit

from .random import row_key, survive, uniform
from .row_losses import from_columns, softmax, softmax_back, to_columns
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.memory import call, keep, lanes, load, record_at, splat, store, vector_at
from .simd.target import TILE_PANELS
from .simd.tiles import spread
from .structs import ACTIVATION, FOLLOWER, STEP
from .zeros import mark, marks_of


def activate(dtype, activation, kept: bool, dropped: bool, masked: bool):
    """Return the kernel a = sigma(z) of an activation function.

    The function is an object with the formulas `value(z, *parameters)` and `gradient(x, *parameters)`, where x is z if
    `of_z` is True, and else a. With `kept`, da/dz is stored for the backward pass, which is necessary if the derivative
    takes z, and with dropout (`dropped`; Srivastava et al. 2014). With `masked`, the masks of a are written.
    """
    value, prime, of_z = elementwise(activation.value, 2), elementwise(activation.gradient, 2), activation.of_z
    count, find = activation.parameter_count, marks_of(dtype)

    @njit(**OPTIONS)
    def activate(address, record, t, first, last, i):
        """a = sigma(z) in place of z. With dropout, a = sigma(z) * mask. If `kept`, slope = da/dz."""
        step, layer = record_at(address, STEP), record_at(record, ACTIVATION)
        A, slopes = vector_at(layer.a, dtype), vector_at(layer.slope, dtype)
        L, parameters = lanes(A), spread(count, vector_at(layer.parameters, dtype))
        n_out, rate, stride = layer.columns, splat(A, layer.dropout), step.stride
        if masked:
            marks = find(layer.zeros)
        for panel in range(i, min(i + TILE_PANELS, (n_out + L - 1) // L)):
            at = panel * stride
            for r in range(first, last):
                m = at + r * L
                z = load(A, m)
                a = value(z, parameters)
                if kept:
                    slope = prime(z if of_z else a, parameters)
                if dropped:
                    key = row_key(step.seed, step.number, layer.number, step.offset + r)
                    mask = survive(uniform(A, key, panel * L), rate)
                    a, slope = a * mask, slope * mask
                if kept:
                    store(slopes, m, slope)
                a = keep(a, n_out - panel * L, 0.0)
                store(A, m, a)
                if masked:
                    mark(marks, panel, r, a)

    return activate


def differentiate(dtype, activation, masked: bool):
    """Return the kernel delta *= sigma'(z) of an activation function whose derivative takes a.

    Without an activation function, the layer has stored da/dz in the forward pass. With `masked`, the kernel also
    writes the masks of delta.
    """
    kept, find = activation is None, marks_of(dtype)
    prime, count = (None, 0) if kept else (elementwise(activation.gradient, 2), activation.parameter_count)

    @njit(**OPTIONS)
    def differentiate(address, record, t, first, last, i):
        """delta *= da/dz in place, with da/dz from a, or as it is stored."""
        step, layer = record_at(address, STEP), record_at(record, ACTIVATION)
        A, D, slopes = vector_at(layer.a, dtype), vector_at(layer.delta, dtype), vector_at(layer.slope, dtype)
        L, parameters = lanes(D), spread(count, vector_at(layer.parameters, dtype))
        if masked:
            marks = find(layer.delta_zeros)
        for panel in range(i, min(i + TILE_PANELS, (layer.columns + L - 1) // L)):
            for r in range(first, last):
                m = panel * step.stride + r * L
                if kept:
                    slope = load(slopes, m)
                else:
                    slope = prime(load(A, m), parameters)
                delta = load(D, m) * slope
                store(D, m, delta)
                if masked:
                    mark(marks, panel, r, delta)

    return differentiate


def softmax_activate(dtype):
    """Return the kernel a = softmax(z). It needs whole rows, so it works when the last panels of a layer are ready."""

    @njit(**OPTIONS)
    def softmax_activate(address, record, t, first, last, i):
        """a_i = e^z_i / sum_k e^z_k in place of z   (004)."""
        step, layer = record_at(address, STEP), record_at(record, ACTIVATION)
        A, C, c = vector_at(layer.a, dtype), vector_at(step.scratch, dtype), t * step.room
        L, n_out = lanes(A), layer.columns
        if (i + TILE_PANELS) * L < n_out:
            return
        for r in range(first, last, L):
            count = min(L, last - r)
            to_columns(A, r * L, step.stride, n_out, count, C, c)
            softmax(C, c, c, n_out)
            from_columns(C, c, A, r * L, step.stride, n_out, count)

    return softmax_activate


def softmax_differentiate(dtype):
    """Return the kernel delta_i = a_i (g_i - sum_k g_k a_k), with g = dC/da and a = softmax(z).

    It needs whole rows, so it works when the last panels of a layer are ready.
    """

    @njit(**OPTIONS)
    def softmax_differentiate(address, record, t, first, last, i):
        """delta = (da/dz)^T dC/da in place of dC/da."""
        step, layer = record_at(address, STEP), record_at(record, ACTIVATION)
        A, D, C = vector_at(layer.a, dtype), vector_at(layer.delta, dtype), vector_at(step.scratch, dtype)
        L, n_out, c = lanes(A), layer.columns, t * step.room
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
def follow(address, record, t, first, last):
    """Apply the kernel of a FOLLOWER record to all panels of a layer.

    This operation is for the derivative of the output, because no product of the backward pass comes before it.
    """
    p = record_at(record, FOLLOWER)
    for i in range(0, p.panels, TILE_PANELS):
        call(p.follower, (address, p.layer, t, first, last, i))
