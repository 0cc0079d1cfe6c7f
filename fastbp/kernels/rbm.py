"""This module has the units of a restricted Boltzmann machine, its scores, and the update of its visible biases.

The energy of visible units v and hidden units h is E(v, h) = -b'v - c'h - v'Wh. If the visible units are numbers of a
normal distribution, |v - b|^2 / 2 stands in place of -b'v. The free energy is F(v) = -b'v - sum_i ln(1 + e^z_i) with
z = W'v + c. Given v, each h_i is 1 with the probability sigma(z_i), and given h, the same holds for v with Wh + b; or
its mean is Wh + b, and its variance 1.

The gradient of the mean of -ln p(v) is that of F at the samples minus its mean over the machine's own v: dC/dw_ji =
-<v_j sigma(z_i)> + <v_j sigma(z_i)>. Both means are sums over rows of v_j delta_i. So the operations of the forward
pass, of the backward pass and of the update make a step of contrastive divergence (Hinton 2002), if the drawn units
are further rows of the minibatch, with the other sign of delta.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .loop import divide
from .random import U, gaussian, row_key, scramble, uniform
from .simd import OPTIONS
from .simd.formulas import elementwise
from .simd.functions import exp, log1p
from .simd.memory import keep, lanes, load, record_at, splat, store, vector_at
from .simd.target import TILE_PANELS
from .simd.tiles import tile_update
from .simd.vector import absolute, filled, maximum, where
from .structs import BLOCK, MACHINE, STEP, UPDATE
from .update import memory_of, shape
from .zeros import mark, marks_of

sigmoid = elementwise(lambda z: 1.0 / (1.0 + exp(-z)), 1)
softplus = elementwise(lambda z: maximum(z, 0.0) + log1p(exp(-absolute(z))), 1)
drawn = elementwise(lambda u, p: where(u < p, filled(u, 1.0), 0.0), 2)
"""drawn(u, p) is 1 with the probability p, and else 0, if u is uniform."""


def rate_inputs(dtype, normal: bool, flips: bool):
    """Return the operation that begins the scores of samples. It has a MACHINE record.

    With `normal`, the visible units have normal distributions. With `flips`, it draws a visible unit for each sample.
    """

    @njit(**OPTIONS)
    def rate_inputs(address, record, t, first, last):
        """energy_r = -b'v_r, or |v_r - b|^2 / 2, and flipped_r is the same with one unit changed."""
        step, u = record_at(address, STEP), record_at(record, MACHINE)
        X, B, flip = vector_at(u.x, dtype), vector_at(u.b, dtype), vector_at(u.flips, np.int64)
        E, F, R = vector_at(u.energy, dtype), vector_at(u.flipped, dtype), vector_at(u.error, dtype)
        L = lanes(X)
        zero, half = splat(X, 0.0), splat(X, 0.5)
        for r in range(first, last):
            total = zero
            for i in range((u.visible + L - 1) // L):
                x, b = load(X, i * u.x_panel + r * u.x_row), load(B, i * L)
                total += half * (x - b) * (x - b) if normal else zero - b * x
            store(E, r * L, total)
            store(R, r * L, zero)
            if flips:
                j = np.int64(scramble(row_key(step.seed, step.number, u.number, step.offset + r)) % U(u.visible))
                flip[r] = j
                store(F, r * L, total)
                F[r * L] -= B[j] * (1.0 - 2.0 * X[j // L * u.x_panel + r * u.x_row + j % L])

    return rate_inputs


def hidden_units(dtype, sign: int, draws: bool, rates: bool, flips: bool, masked: bool):
    """Return the kernel that computes hidden units from z. It follows a product, and has a MACHINE record.

    If `sign` is not 0, it writes delta = sign sigma(z) / n. With `draws`, h takes the place of z. With `rates`, it adds
    the terms of the free energy, and with `flips` also those for the changed samples. With `masked`, it also writes the
    masks of h.
    """
    find = marks_of(dtype)

    @njit(**OPTIONS)
    def hidden_units(address, record, t, first, last, i):
        """h_ri = 1 with the probability sigma(z_ri), and else 0."""
        step, u = record_at(address, STEP), record_at(record, MACHINE)
        Z, D, W, X = vector_at(u.panels, dtype), vector_at(u.delta, dtype), vector_at(u.W, dtype), vector_at(u.x, dtype)
        E, F, flip = vector_at(u.energy, dtype), vector_at(u.flipped, dtype), vector_at(u.flips, np.int64)
        L, share = lanes(Z), splat(Z, float(sign) / step.batch_rows)
        if masked:
            marks = find(u.zeros)
        for panel in range(i, min(i + TILE_PANELS, (u.hidden + L - 1) // L)):
            count = u.hidden - panel * L
            for r in range(first, last):
                m = panel * step.stride + r * L
                z = load(Z, m)
                if rates:
                    store(E, r * L, load(E, r * L) - keep(softplus(z), count, 0.0))
                if flips:
                    j = flip[r]
                    change = splat(Z, 1.0 - 2.0 * X[j // L * u.x_panel + r * u.x_row + j % L])
                    changed = softplus(z + change * load(W, panel * u.w_panel + j * L))
                    store(F, r * L, load(F, r * L) - keep(changed, count, 0.0))
                p = sigmoid(z)
                if sign:
                    store(D, m, keep(share * p, count, 0.0))
                if draws:
                    key = row_key(step.seed, step.number, u.number, step.offset + r)
                    h = keep(drawn(uniform(Z, key, panel * L), p), count, 0.0)
                    store(Z, m, h)
                    if masked:
                        mark(marks, panel, r, h)

    return hidden_units


def visible_units(dtype, normal: bool, draws: bool, rates: bool, masked: bool):
    """Return the kernel that computes visible units from Wh + b. It follows a product, and has a MACHINE record.

    With `normal`, they have normal distributions. With `draws`, they take the place of Wh + b, and without it, their
    means do. With `rates`, the kernel adds the squares of their differences from the samples. With `masked`, it also
    writes the masks of v.
    """
    find = marks_of(dtype)

    @njit(**OPTIONS)
    def visible_units(address, record, t, first, last, i):
        """v_rj = 1 with the probability sigma(z_rj), and else 0, with z = W h + b; or v_rj = z_rj + normal noise."""
        step, u = record_at(address, STEP), record_at(record, MACHINE)
        Z, V, X, R = vector_at(u.panels, dtype), vector_at(u.v, dtype), vector_at(u.x, dtype), vector_at(u.error, dtype)
        L = lanes(V)
        if masked:
            marks = find(u.zeros)
        for panel in range(i, min(i + TILE_PANELS, (u.visible + L - 1) // L)):
            count = u.visible - panel * L
            for r in range(first, last):
                m = panel * u.x_panel + r * u.x_row
                z = load(Z, panel * step.stride + r * L)
                v = z if normal else sigmoid(z)
                if rates:
                    error = keep(v - load(X, m), count, 0.0)
                    store(R, r * L, load(R, r * L) + error * error)
                if draws:
                    key = row_key(step.seed, step.number, u.number, step.offset + r)
                    random = uniform(V, key, panel * L)
                    if normal:
                        v += gaussian(random, uniform(V, scramble(key), panel * L))
                    else:
                        v = drawn(random, v)
                v = keep(v, count, 0.0)
                store(V, m, v)
                if masked:
                    mark(marks, panel, r, v)

    return visible_units


def rate(dtype, flips: bool):
    """Return the operation that ends the scores of samples. It has a MACHINE record."""

    @njit(**OPTIONS)
    def rate(address, record, t, first, last):
        """Write F(v), the mean square of the error, and with `flips` an estimate of the pseudo-likelihood, to lane 0.

        The estimate is n ln sigma(F(v') - F(v)), with v' as v but one of its n units changed.
        """
        u = record_at(record, MACHINE)
        E, F, R = vector_at(u.energy, dtype), vector_at(u.flipped, dtype), vector_at(u.error, dtype)
        L = lanes(E)
        for r in range(first * L, last * L, L):
            free, changed, error = 0.0, 0.0, 0.0
            for m in range(r, r + L):
                free += E[m]
                error += R[m]
                if flips:
                    changed += F[m]
            E[r], R[r] = free, error / u.visible
            if flips:
                gap = changed - free
                F[r] = u.visible * (min(gap, 0.0) - math.log1p(math.exp(-abs(gap))))

    return rate


def add_scores(dtype, flips: bool):
    """Return the operation between the two phases of a step. It has a MACHINE record."""

    @njit(**OPTIONS)
    def add_scores(address, record, t, first, last):
        """cost += sum_r F(v_r), hit += sum_r error_r and seen += sum_r of the pseudo-likelihood.

        If a sum is not finite, all stay as they are, and `diverged` of the STEP becomes 1. Afterwards the drawn units
        are rows of the minibatch too, and delta is 0 for the rows between the last sample and the first drawn units.
        """
        step, u = record_at(address, STEP), record_at(record, MACHINE)
        E, F, R = vector_at(u.energy, dtype), vector_at(u.flipped, dtype), vector_at(u.error, dtype)
        D, L = vector_at(u.delta, dtype), lanes(E)
        free, likelihood, error = 0.0, 0.0, 0.0
        for r in range(0, step.rows * L, L):
            free += E[r]
            error += R[r]
            if flips:
                likelihood += F[r]
        if not math.isfinite(free + error + likelihood):
            step.diverged = 1
            return
        step.cost += free
        step.hit += error
        step.seen += likelihood
        for i in range((u.hidden + L - 1) // L):
            for r in range(step.rows, u.half):
                store(D, i * step.stride + r * L, splat(D, 0.0))
        step.rows += u.half

    return add_scores


def learn_visible(dtype, rule, shaped: bool):
    """Return the operation that sums the gradient of the visible biases, and applies a rule. It has a MACHINE record.

    The parameters are those of `update.learn`.
    """
    apply_rule, find = tile_update(rule, shape), memory_of(dtype, shaped)

    @njit(**OPTIONS)
    def learn_visible(address, record, t, first, last):
        """dC/db_j = sum_r (v'_rj - v_rj) / n with the drawn v', and the update of b, for the panels of thread t."""
        step, u = record_at(address, STEP), record_at(record, MACHINE)
        bias = record_at(u.bias, BLOCK)
        X, memory = vector_at(u.x, dtype), find(step, record_at(u.update, UPDATE), bias)
        P, S, L = memory.theta, memory.vectors, lanes(X)
        rows, share = step.rows - u.half, splat(X, 1.0 / step.batch_rows)
        first, last = divide((u.visible + L - 1) // L, t, step.threads)
        for i in range(first, last):
            at, g = bias.at + i * L, splat(X, 0.0)
            for r in range(rows):
                m = i * u.x_panel + r * u.x_row
                g += load(X, m + u.half * u.x_row) - load(X, m)
            apply_rule(1, (g * share,), L, memory.H, memory.h, memory.shaping, P, at, S, at, len(P), P, at)

    return learn_visible
